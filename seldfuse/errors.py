"""One exception class per kind of failure; each knows its exit code.

A message says what was expected, what came and what to type next, and puts paths last.
"""


class SeldfuseError(Exception):
    """Base of every failure that a user can cause and mend.

    >>> from seldfuse import Pipeline, SeldfuseError
    >>> try:
    ...     Pipeline("doa", fusion="median")
    ... except SeldfuseError as error:
    ...     error.exit_code
    2
    """

    exit_code = 1


class UsageError(SeldfuseError):
    """The command line, an option or a settings file asks for something that cannot be."""

    exit_code = 2


class PluginError(SeldfuseError):
    """A plugin that was asked for is unknown, broken, not built, or broke a promise."""

    exit_code = 3


class MediaError(SeldfuseError):
    """A sound or video file cannot be read or cannot be localised."""

    exit_code = 4


class CheckpointError(SeldfuseError):
    """A checkpoint is missing, unsafe, damaged or made for something else."""

    exit_code = 5
