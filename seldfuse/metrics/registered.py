"""The scores of the catalogue, bundled and from plugins, and how their functions are called."""

import math
from typing import Any

import numpy as np

from seldfuse.catalogue.guard import guard_plugin
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Score
from seldfuse.errors import PluginError

UNKNOWN = "–"
"""What a table shows in place of a number that is not known."""


def list_scores() -> tuple[Score, ...]:
    """List all scores that can be computed here, bundled ones first."""
    return tuple(entry.value for entry in load_registry().scores.values() if entry.state == "ready")


def find_score(name: str) -> Score:
    """Find a score by its name or alias. Raises PluginError, which names those that there are."""
    return load_registry().find(Score, name).value


def format_score(score: Score, value: float, sign: str = "") -> str:
    """Format a value of a score with its digits, a dash where it is NaN; `sign` "+" shows the sign of differences."""
    return UNKNOWN if math.isnan(value) else f"{value:{sign}.{score.digits}f}"


def make_heading(score: Score) -> str:
    """Make the heading of a score's column: its title and unit."""
    return with_unit(score.title, score)


def with_unit(text: str, score: Score) -> str:
    """Append the unit of a score, if it has one."""
    return f"{text} ({score.unit})" if score.unit else text


def orient(score: Score, value: float) -> float:
    """Turn a value such that larger is better, whatever the score."""
    return value if score.higher_is_better else -value


def is_better(score: Score, value: float, than: float) -> bool:
    """Tell whether a value is better than another; any number is better than NaN."""
    if math.isnan(than):
        return not math.isnan(value)
    return orient(score, value) > orient(score, than)


def call_score(score: Score, reference: str, *arguments: Any) -> Any:
    """Call a function of a score. Raises PluginError, which names the score, whatever goes wrong."""
    with guard_plugin(
        f"the score {score.name!r} failed in {reference}",
        "update or uninstall the plugin that brings it, see `seldfuse plugins`",
        passes=(),
    ):
        return load_reference(reference)(*arguments)


def check_shape(score: Score, what: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Convert what a function of a score gave to 64-bit floats. Raises PluginError where it has another shape."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PluginError(f"the score {score.name!r} must give numbers for {what}, got {value!r}") from error
    if array.shape != shape:
        raise PluginError(f"the score {score.name!r} must give {what} of shape {shape}, got {array.shape}")
    return array
