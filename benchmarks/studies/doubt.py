"""Whether doubts hold: what is said with 0.7 happens in seven frames of ten, and two thirds of errors are within one
standard deviation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from benchmarks.studies.json_values import to_json_value
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings
from seldfuse.fusion.combine import DOUBTS
from seldfuse.fusion.decode import find_active
from seldfuse.metrics.rows import COLUMNS, Scene, to_rows
from seldfuse.tune.errors import compute_errors
from seldfuse.tune.tuning_data import TuningData

SAID_EDGES = (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
"""What is hardly said at all is most of everything, and right; it stays out."""
NORMAL_SHARE = 0.683
"""The share of a normal distribution within one standard deviation."""


def build_target(references: Sequence[Scene], names: Sequence[str], posterior: Posterior) -> Posterior:
    """Build what a posterior should have said."""
    events = [Events(pd.DataFrame(to_rows(scene), columns=COLUMNS).astype(_TYPES)) for scene in references]
    return TuningData.from_folders({"": posterior}, events, names).target


def measure_doubt(posterior: Posterior, target: Posterior, decode: DecodeSettings) -> dict[str, Any]:
    """Measure the doubts of a fused posterior, as JSON values.

    `within_std` maps `azimuth_deg` and `distance_log` to the share of the errors of decoded events, each to the nearest
    true source of its class, that are within the standard deviation; null where none is stated. `activity` has in bins
    what is said, on average, and how often it is so.
    """
    said = posterior.activity.amax(-1).float().numpy()
    happens = (target.activity > 0.5).any(-1).numpy()
    active = find_active(posterior.activity, decode, posterior.labels)[1]
    decoded = replace(posterior, activity=active.to(posterior.activity.dtype))
    return {
        "within_std": {
            "azimuth_deg": _share_within(decoded, target, "direction"),
            "distance_log": _share_within(decoded, target, "distance"),
        },
        "activity": list(_reliability(said.ravel(), happens.ravel())),
    }


def _share_within(decoded: Posterior, target: Posterior, field: str) -> float | None:
    spread = decoded.tensors().get(DOUBTS[field])
    if spread is None or field not in decoded.provides:
        return None
    error = compute_errors(decoded, target, field)
    known = ~(error + spread).isnan()
    return to_json_value(float((error.abs() <= spread)[known].double().mean()))


def _reliability(said: Float32[np.ndarray, "cell"], happens: Bool[np.ndarray, "cell"]) -> Iterator[dict[str, Any]]:
    at = np.searchsorted(SAID_EDGES, said, side="right") - 1
    at[said >= SAID_EDGES[-1]] = len(SAID_EDGES) - 2
    for number in range(len(SAID_EDGES) - 1):
        here = at == number
        if here.any():
            yield {
                "cells": int(here.sum()),
                "said": to_json_value(float(said[here].mean())),
                "happens": to_json_value(float(happens[here].mean())),
            }


_TYPES = {"frame": int, "cls": int, "source": int}
