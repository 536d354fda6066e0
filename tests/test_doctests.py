"""Every public name has an example in its docstring, and the examples run."""

import doctest
import importlib
import sys
from types import ModuleType

import pytest

import seldfuse
import seldfuse.sdk

SDK = (
    "Augmentation",
    "Backend",
    "ClipBatch",
    "Detector",
    "Encoder",
    "Feature",
    "PostProcessor",
    "Rules",
    "Score",
    "Writer",
    "azimuth_from_direction",
    "direction_from_azimuth",
)
NAMES = {
    **{f"seldfuse.{name}": getattr(seldfuse, name) for name in seldfuse.__all__ if name != "__version__"},
    **{f"seldfuse.sdk.{name}": getattr(seldfuse.sdk, name) for name in SDK},
    # An instance of pluggy's has pluggy's docstring: the example is that of its module.
    "seldfuse.sdk.hookimpl": importlib.import_module("seldfuse.catalogue.hooks"),
}
FLAGS = doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    thing = NAMES[name]
    module = thing if isinstance(thing, ModuleType) else sys.modules[thing.__module__]
    finder = doctest.DocTestFinder(recurse=False)
    (test,) = finder.find(thing, name, module, globs=dict(vars(module)))
    assert test.examples, f"{name} has no example in its docstring"
    failures = doctest.DocTestRunner(optionflags=FLAGS).run(test).failed
    assert failures == 0, capsys.readouterr().out
