"""Names that the redesign retired are gone; old keys of files live on in `seldfuse.settings.aliases` alone."""

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALIASES = ROOT / "seldfuse" / "settings" / "aliases.py"
SOURCES = ("seldfuse", "plugins", "benchmarks")

STILL_USED = {
    "Encoder",  # a value of the catalogue; was the type of any loaded encoder
    "PostProcessor",  # changes events or posteriors; was what is a detector now
    "PostProcessorRequest",
    "Registry.postprocessors",
    "Result",  # the one result of a run; writers had a type of their own
    "Window",  # of 5 s that a run is cut into; was that of a label file
    "find",  # weights or engines in plugins; was a method that resolved settings
    "decode",  # a network's output in plugins; was the decoding of posteriors
}
"""Old names that mean something else today."""

WORDS = {
    "band_limit",  # an augmentation's name in recipes
    "common_cause",  # a column of changes.csv
    "compact_audio",  # a module
    "mel_power",  # a feature's name
    "looks_with",  # a key of manifests and of stored detections
    "times_real_time",  # a key of the benchmarks' results
    "decay_s",  # a local number of seconds
    "level_db",  # a local number of decibels
    "origin_s",  # a local number of seconds
}
"""Retired names of functions that are on disk, or that are plain words of other things."""


@pytest.fixture(scope="module")
def renames(shared: Path) -> list[tuple[str, str]]:
    """Old and new names, `Class.member` for members."""
    with (shared / "review-renames.tsv").open(newline="") as file:
        return [(row["old"], row["new"]) for row in csv.DictReader(file, delimiter="\t")]


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for room in SOURCES:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path != ALIASES:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_retired_classes_and_functions_are_not_defined(renames: list[tuple[str, str]]) -> None:
    new = {name for _, name in renames}
    retired = {old for old, _ in renames if "." not in old} - new - STILL_USED
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in sources()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in retired and not is_command(path, node.name)
    ]
    assert found == []


def test_retired_members_are_not_defined(renames: list[tuple[str, str]]) -> None:
    classes = {old: new for old, new in renames if "." not in old}
    retired = {
        (classes.get(owner, owner), member) for owner, member in (old.split(".") for old, _ in renames if "." in old)
    }
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {owner.name}.{name}"
        for path, tree in sources()
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        for name in names_of(node)
        if (owner.name, name) in retired and f"{owner.name}.{name}" not in STILL_USED
    ]
    assert found == []


def test_retired_names_that_are_no_common_words_stand_nowhere(renames: list[tuple[str, str]]) -> None:
    new = {part for _, name in renames for part in name.split(".")}
    olds = {old.rpartition(".")[2] for old, _ in renames} - new - STILL_USED - WORDS
    distinctive = {old for old in olds if "_" in old.strip("_") or re.search(r"[a-z][A-Z]", old)} - defined_members()
    found = []
    # The page for authors of plugins tells the old names beside the new ones.
    pages = [page for page in (ROOT / "docs").glob("*.md") if page.name != "plugins.md"]
    for path in [*(path for path, _ in sources()), *pages, ROOT / "README.md"]:
        words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        found += [f"{path.relative_to(ROOT)} {word}" for word in sorted(words & distinctive)]
    assert found == []


def is_command(path: Path, name: str) -> bool:
    """The commands of the command line are functions named after what is typed, and so are the front doors."""
    return path.parent.name == "commands" or (path.name == "pipeline.py" and name in ("run", "fuse"))


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def defined_members() -> set[str]:
    """Members of classes: that one class lost a name does not forbid it to others."""
    return {
        name
        for _, tree in sources()
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        for name in names_of(node)
    }
