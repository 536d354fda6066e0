"""A plugin that brings scores, as if pip had installed it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seldfuse.catalogue.host import load_registry

MODULE = '''
"""Root mean square error of azimuth, which weighs the worst; and how many sources are missed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seldfuse.sdk import Counts, EventRows, Score, fold_azimuth, hookimpl

COMMON: dict[str, Any] = {"api_version": 2, "license": "MIT", "higher_is_better": False}


@hookimpl
def seldfuse_register_scores(register):
    register(
        Score(
            name="acme_rms_deg",
            summary="root mean square error of azimuth",
            title="RMSE",
            meaning="root mean square azimuth error",
            unit="°",
            digits=2,
            count="acme_scores:count_squares",
            compute="acme_scores:compute_rms",
            needs=("azimuth",),
            can_fit=True,
            **COMMON,
        )
    )
    register(
        Score(
            name="acme_missed",
            summary="share of the true sources that are missed",
            title="missed",
            meaning="share of missed sources",
            compute="acme_scores:compute_missed",
            **COMMON,
        )
    )


def count_squares(truth: EventRows, prediction: EventRows) -> Mapping[str, np.ndarray]:
    error_deg = fold_azimuth(truth.azimuth_deg) - fold_azimuth(prediction.azimuth_deg)
    return {"acme_squares_deg2": np.nan_to_num(error_deg) ** 2}


def compute_rms(counts: Counts) -> np.ndarray:
    known = counts.sums["known_azimuth"]
    return np.where(known > 0, np.sqrt(counts.sums["acme_squares_deg2"] / np.maximum(known, 1)), np.nan)


def compute_missed(counts: Counts) -> np.ndarray:
    sources = counts.pairs + counts.misses
    return np.where(sources > 0, counts.misses / np.maximum(sources, 1), np.nan)
'''


@pytest.fixture
def third_party_scores(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For one test the catalogue has `acme_rms_deg` and `acme_missed`, of both of which less is better."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "acme_scores.py").write_text(MODULE)
    install_metadata(folder)
    monkeypatch.syspath_prepend(folder)
    load_registry.cache_clear()
    yield
    load_registry.cache_clear()
    sys.modules.pop("acme_scores", None)


def install_metadata(folder: Path) -> None:
    info = folder / "acme_scores-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-scores\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seldfuse]\nacme_scores = acme_scores\n")
