"""Files that version 0.1.0 made (`fixtures/format-1`), and how tests hold them against what is made today."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import torch

import seldfuse

FOLDER = Path(__file__).parents[1] / "fixtures" / "format-1"
MADE_BY = "0.1.0"

ALIKE = 0.97
"""The share of rows that must be the same: the last digits of a network depend on the processor."""

WITHIN = {
    "azimuth": 1.01,
    "azimuth_deg": 1.01,
    "azimuth_deg_before": 1.01,
    "distance": 2.01,
    "onscreen_before": 0.02,
    "common_cause": 0.02,
}
"""Degrees, centimetres and probabilities; `onscreen` is 0 or 1 in the challenge's files, a probability in changes."""


def copied(name: str, to: Path) -> Path:
    """A copy of a folder of the fixtures, which a test may write into."""
    return Path(shutil.copytree(FOLDER / name, to / Path(name).name))


def unpacked(name: str, to: Path) -> None:
    shutil.unpack_archive(FOLDER / name, to, filter="data")


@contextmanager
def one_thread() -> Iterator[None]:
    """So small are the networks here that several threads wait for each other, and their last bits differ."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Versions: what another version made is made again, or refused, so that the version must be today's


def of_this_version(value: Any) -> Any:
    """JSON values in which this version stands wherever the one that made them is named."""
    if isinstance(value, Mapping):
        told = {name: of_this_version(one) for name, one in value.items()}
        return told | ({"seldfuse": seldfuse.__version__} if told.get("seldfuse") == MADE_BY else {})
    if isinstance(value, list):
        return [of_this_version(one) for one in value]
    return f"seldfuse {version('seldfuse')}" if value == f"seldfuse {MADE_BY}" else value


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """The name of a recipe in the manifest of a run."""
    return hashlib.blake2b(json.dumps(recipe, sort_keys=True).encode(), digest_size=16).hexdigest()


def bring_manifest_up(path: Path) -> None:
    """Puts this version into the manifest of a run, and the hashes that follow from that."""
    lines, hashes = read_lines(path), {}
    for line in lines:
        if "clip" not in line:
            recipe = {name: value for name, value in line.items() if name != "recipe"}
            assert recipe_hash(recipe) == line["recipe"]
            hashes[line["recipe"]] = recipe_hash(of_this_version(recipe))
    write_lines(path, [{**of_this_version(line), "recipe": hashes[line["recipe"]]} for line in lines])


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


# The same but for the last digits


def assert_same_rows(made: Path, kept: Path, *key: str) -> None:
    """That two CSV files have the same columns, and nearly all rows of one stand in the other."""
    ours, theirs = pd.read_csv(made), pd.read_csv(kept)
    assert list(ours.columns) == list(theirs.columns)
    both = theirs.merge(ours, on=list(key), suffixes=("", "_made"))
    alike = np.ones(len(both), dtype=bool)
    for column in theirs.columns.drop(list(key)):
        alike &= _same_values(both[column], both[f"{column}_made"], column)
    assert alike.sum() >= ALIKE * max(len(ours), len(theirs))


def _same_values(kept: "pd.Series[Any]", made: "pd.Series[Any]", column: str) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(kept):
        return np.asarray(kept.fillna("") == made.fillna(""))
    within = WITHIN.get(column, 0.02)
    return np.isclose(kept.to_numpy(float), made.to_numpy(float), rtol=0.0, atol=within, equal_nan=True)


def assert_same_document(made: Any, kept: Any) -> None:
    """That two JSON values have the same keys, the same words, and numbers as many."""
    assert set(keys(made)) == set(keys(kept))
    assert set(words(made)) == set(words(kept))


def keys(value: Any, above: str = "") -> Iterator[str]:
    """Every key, with those that it stands below; the members of a list are alike."""
    inside = value.items() if isinstance(value, Mapping) else []
    for name, one in inside:
        yield f"{above}.{name}"
        yield from keys(one, f"{above}.{name}")
    for one in value if isinstance(value, list) else []:
        yield from keys(one, f"{above}[]")


def words(value: Any) -> Iterator[str]:
    """Every text that is a value, but that of a version."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else []
    for one in inside:
        yield from words(one)
    if isinstance(value, str) and value not in (MADE_BY, seldfuse.__version__):
        yield value


def assert_same_tensors(made: Path, kept: Path) -> None:
    """That two files of tensors have the same headers and tensors, and nearly all values are alike."""
    with safetensors.safe_open(made, "np") as ours, safetensors.safe_open(kept, "np") as theirs:
        assert ours.metadata().keys() == theirs.metadata().keys()
        assert set(ours.keys()) == set(theirs.keys())
        for name in theirs.keys():  # noqa: SIM118
            one, other = ours.get_tensor(name), theirs.get_tensor(name)
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            near = np.isclose(one.astype(float), other.astype(float), rtol=0.02, atol=0.02, equal_nan=True)
            assert near.mean() >= ALIKE, name
