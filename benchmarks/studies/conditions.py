"""Where a system errs: scores by reverberation, noise, overlap, distance and azimuth of the frozen scenes.

All classes are pooled: few of them have sources in every condition. Reverberation and noise are those of a clip's plan,
overlap is that of a frame. False alarms have neither distance nor azimuth, so that there is no F by these, but the
share of the true sources that is found, 20° and the true distance off at most.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.stats import spearmanr

from benchmarks.studies.heard import DISTANCE_EDGES_M
from benchmarks.studies.json_values import bound, to_json_value
from seldfuse.core.geometry import fold_azimuth
from seldfuse.metrics.counts import count_pairs
from seldfuse.metrics.jackknife import Interval, SoundGroups, compute_intervals
from seldfuse.metrics.matches import Matches, find_matches
from seldfuse.metrics.registered import find_score
from seldfuse.metrics.rows import Scene, stack_rows, to_rows
from seldfuse.metrics.skill import BIN_EDGES_DEG
from seldfuse.synth.reverberation import compute_rt60_s
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.sounds.soundbank import REFERENCE_RMS

RT60_EDGES_S = (0.0, 0.3, 0.5, 0.8, np.inf)
SNR_EDGES_DB = (-np.inf, 10.0, 20.0, 30.0, np.inf)
OVERLAPS = (1, 2, 3)
"""Sources in a frame; the last stands for more, too."""
SCORES = ("f20_1", "doae_deg", "rde")
UNKNOWN = Interval(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class ConditionBin:
    """A bin of a condition: its pairs, how many true sources it has, and what bounds its values.

    `matches` are its pairs with their false alarms and misses, which are empty where false alarms have no such thing.
    """

    condition: str
    low: float
    high: float
    matches: Matches
    sources: int
    has_false_alarms: bool


def measure_conditions(
    references: Sequence[Scene],
    predictions: Sequence[Scene],
    matches: Matches,
    plans: Sequence[ScenePlan],
    groups: SoundGroups,
) -> list[dict[str, Any]]:
    """Measure a system in every bin of every condition, as JSON values; `matches` are those of the events, strict.

    A bin without an end has null for it.
    """
    rows = stack_rows(references)
    clip_sources = np.bincount(rows.clip, minlength=len(references))
    rt60_s, snr_db = (np.array([measure(plan) for plan in plans]) for measure in (compute_rt60_s, compute_snr_db))
    true, paired = rows, matches.truth
    bins = [
        *_clip_bins("rt60_s", matches, rt60_s, RT60_EDGES_S, clip_sources),
        *_clip_bins("snr_db", matches, snr_db, SNR_EDGES_DB, clip_sources),
        *_overlap_bins(references, predictions),
        *_pair_bins("distance_m", matches, paired.distance_m, true.distance_m, DISTANCE_EDGES_M),
        *_pair_bins("azimuth_deg", matches, _side(paired.azimuth_deg), _side(true.azimuth_deg), BIN_EDGES_DEG),
    ]
    return [_score(part, groups) for part in bins if part.sources]


def compute_snr_db(plan: ScenePlan) -> float:
    """Compute the level of the direct sound of a plan's sources, their mean, over that of its noise."""
    if not plan.sources or plan.ambience is None:
        return math.nan
    power = [10 ** (source.gain_db / 10) / math.dist(source.path.start_m, (0, 0, 0)) ** 2 for source in plan.sources]
    return 20 * math.log10(REFERENCE_RMS) + 10 * math.log10(sum(power) / len(power)) - plan.ambience.noise_db


def _side(azimuth_deg: Float64[np.ndarray, "row"]) -> Float64[np.ndarray, "row"]:
    return np.asarray(np.abs(fold_azimuth(azimuth_deg)))


def _clip_bins(
    name: str,
    matches: Matches,
    value: Float64[np.ndarray, "clip"],
    edges: Sequence[float],
    sources: Int64[np.ndarray, "clip"],
) -> Iterator[ConditionBin]:
    for low, high in pairwise(edges):
        clips = (value >= low) & (value < high)
        chosen = replace(
            _take(matches, clips[matches.truth.clip]),
            false_alarms=matches.false_alarms * clips[:, None],
            misses=matches.misses * clips[:, None],
        )
        yield ConditionBin(name, low, high, chosen, int(sources[clips].sum()), True)


def _overlap_bins(references: Sequence[Scene], predictions: Sequence[Scene]) -> Iterator[ConditionBin]:
    """By the number of true sources in a frame, whatever their class; frames of none are no condition of a source."""
    tables = [(to_rows(truth), to_rows(found)) for truth, found in zip(references, predictions, strict=True)]
    sounding = [np.bincount(truth[:, 0].astype(int), minlength=1 + _last(truth, found)) for truth, found in tables]
    for number in OVERLAPS:
        high = number + 1 if number < OVERLAPS[-1] else np.inf
        frames = [(count >= number) & (count < high) for count in sounding]
        kept = [
            [table[chosen[table[:, 0].astype(int)]] for table in pair]
            for pair, chosen in zip(tables, frames, strict=True)
        ]
        matches = find_matches([truth for truth, _ in kept], [found for _, found in kept], mode="strict")
        yield ConditionBin("overlap", number, high, matches, sum(len(truth) for truth, _ in kept), True)


def _last(*tables: Float64[np.ndarray, "_ 6"]) -> int:
    return int(max(table[:, 0].max(initial=0) for table in tables))


def _pair_bins(
    name: str,
    matches: Matches,
    value: Float64[np.ndarray, "pair"],
    true: Float64[np.ndarray, "source"],
    edges: Sequence[float] | Float64[np.ndarray, "edge"],
) -> Iterator[ConditionBin]:
    nothing = np.zeros_like(matches.misses)
    for low, high in pairwise(edges):
        # The last bin holds its end.
        upper = np.inf if high == edges[-1] else high
        chosen = replace(_take(matches, (value >= low) & (value < upper)), false_alarms=nothing, misses=nothing)
        yield ConditionBin(name, float(low), float(high), chosen, int(((true >= low) & (true < upper)).sum()), False)


def _take(matches: Matches, pairs: Bool[np.ndarray, "pair"]) -> Matches:
    return replace(
        matches,
        truth=matches.truth.take(pairs),
        prediction=matches.prediction.take(pairs),
        single_source=matches.single_source[pairs],
    )


def _score(part: ConditionBin, groups: SoundGroups) -> dict[str, Any]:
    counts = count_pairs(part.matches, [find_score(name) for name in SCORES])
    found = compute_intervals(counts, "micro", groups)
    hits = math.nan if math.isnan(found["f20_1"].value) else counts.hits["f20_1"].sum() / part.sources
    return {
        "condition": part.condition,
        "low": None if np.isinf(part.low) else part.low,
        "high": None if np.isinf(part.high) else part.high,
        "sources": part.sources,
        "f20_1": bound(found["f20_1"] if part.has_false_alarms else UNKNOWN),
        "found": to_json_value(hits),
        "doae_deg": to_json_value(found["doae_deg"].value),
        "rde": to_json_value(found["rde"].value),
        # Within a few decimetres there is no order to speak of.
        "distance_rank": None if part.condition == "distance_m" else _rank(part.matches),
    }


def _rank(matches: Matches) -> float | None:
    """Spearman's rank correlation of distances over all classes; None where nothing varies."""
    true, heard = matches.truth.distance_m, matches.prediction.distance_m
    known = ~np.isnan(true + heard)
    if known.sum() < 3 or np.ptp(true[known]) == 0 or np.ptp(heard[known]) == 0:
        return None
    return to_json_value(float(spearmanr(true[known], heard[known]).statistic))
