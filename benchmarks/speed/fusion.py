"""How fast posteriors become events, beside a slow reference implementation: `python -m benchmarks fusion-speed`.

Five members as ensembles have them, four with one track and one with three. Their posteriors are made up: tracks that
are active a twentieth of the time, for two seconds on average, and elsewhere what a network gives for silence.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float
from rich.console import Group
from torch import Tensor

from benchmarks.baseline import fusion
from benchmarks.speed.report import machine, table
from benchmarks.studies.material import CLIP_FRAMES
from seldfuse.core.directions import direction_from_azimuth, normalize
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, FusionSettings, decode_frames, fuse_posteriors
from seldfuse.fusion.smooth import SmoothSettings
from seldfuse.fusion.smooth_activity import HmmSettings
from seldfuse.fusion.smooth_tracks import RandomWalkSettings
from seldfuse.fusion.tracks import take_along_track

THREADS = 2
CHUNK = 250
"""Clips that are fused at a time, so that memory stays bounded."""
TRACKS = 3
SOUNDING, STOP = 0.05, 0.05
"""How much of the time a track sounds, and how likely it stops from one frame to the next."""
MEMBERS = {
    "doa": (1, ("direction",)),
    "sde": (1, ("distance",)),
    "sce": (1, ("direction", "distance")),
    "mvanet": (1, ("direction", "distance", "onscreen")),
    "cmc": (TRACKS, ("direction", "distance", "onscreen")),
}
SETTINGS = FusionSettings(
    smooth=SmoothSettings(HmmSettings(), RandomWalkSettings(), RandomWalkSettings()),
    decode=DecodeSettings(
        threshold={"knock": 0.4, "music": 0.55, "default": 0.5},
        offset_threshold={"music": 0.4, "default": 0.35},
        max_gap_frames={"knock": 0, "default": 2},
        min_frames={"knock": 1, "default": 3},
    ),
)
CLIPS_OF_LIMIT = 10_000
AT_MOST_S = 20.0
"""For so many clips, on two quiet cores."""
SLOW_AT_LEAST = 20.0
"""How many times as long the slow implementation takes for a clip."""

Result = TypeVar("Result")


class TargetTracks(NamedTuple):
    """Which tracks are active, and where: every track of a clip and class has its position."""

    sounds: Bool[Tensor, "clip frame cls track"]
    direction: Float[Tensor, "clip frame cls track 3"]
    distance: Float[Tensor, "clip frame cls track"]


def measure(clips: int, slow_clips: int) -> dict[str, Any]:
    """Measure everything, as the document that is written."""
    torch.set_num_threads(THREADS)
    _run(next(chunks(min(clips, CHUNK))))
    fusing_s = decoding_s = 0.0
    rows = 0
    for members in chunks(clips):
        fuse_s, decode_s, events = _run(members)
        fusing_s, decoding_s, rows = fusing_s + fuse_s, decoding_s + decode_s, rows + sum(map(len, events))
    seconds = fusing_s + decoding_s
    slow_s, _ = _timed(lambda: _run_slow(next(chunks(slow_clips))))
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "clips": clips,
        "rows_of_events": rows,
        "seconds": seconds,
        "clips_per_s": clips / seconds,
        "shares": {"fusing": fusing_s / seconds, "decoding": decoding_s / seconds},
        "limits": {
            f"seconds for {CLIPS_OF_LIMIT} clips": {"value": seconds / clips * CLIPS_OF_LIMIT, "at_most": AT_MOST_S},
            "twin / ours, time of a clip": {
                "value": (slow_s / slow_clips) / (seconds / clips),
                "at_least": SLOW_AT_LEAST,
            },
        },
        "twin": {"clips": slow_clips, "clip_ms": 1000 * slow_s / slow_clips},
    }


def tables(result: Mapping[str, Any]) -> Group:
    """Format the document for people."""
    limits = table("", "value", "limit")
    for name, row in result["limits"].items():
        limit = f"≤ {row['at_most']:g}" if "at_most" in row else f"≥ {row['at_least']:g}"
        within_limit = row["value"] <= row["at_most"] if "at_most" in row else row["value"] >= row["at_least"]
        limits.add_row(name, f"{row['value']:.1f}", limit, style="" if within_limit else "bold red")
    shares = table("share of the time", "%")
    for name, share in result["shares"].items():
        shares.add_row(name, f"{100 * share:.0f}")
    return Group(
        limits,
        "",
        shares,
        "",
        f"{result['clips']} clips, {CHUNK} at a time: {result['seconds']:.1f} s, {result['clips_per_s']:.0f} clips/s; "
        f"the slow implementation: {result['twin']['clip_ms']:.0f} ms a clip",
        f"{result['machine']['cores']} cores, {result['machine']['torch_threads']} torch threads, "
        f"load {result['load']:.1f}",
    )


def chunks(clips: int) -> Iterator[dict[str, Posterior]]:
    """Draw the posteriors of members for so many clips, `CHUNK` clips at a time."""
    generator = torch.Generator().manual_seed(0)
    for first in range(0, clips, CHUNK):
        target = draw_target(min(CHUNK, clips - first), generator)
        yield {name: draw_member(target, tracks, fields, generator) for name, (tracks, fields) in MEMBERS.items()}


def draw_target(clips: int, generator: torch.Generator) -> TargetTracks:
    shape = (clips, CLIP_FRAMES, len(DCASE2025), TRACKS)
    chance = torch.rand(shape, generator=generator).unbind(1)
    start = STOP * SOUNDING / (1 - SOUNDING)
    states = [chance[0] < SOUNDING]
    for now in chance[1:]:
        states.append(torch.where(states[-1], now >= STOP, now < start))
    position = torch.rand(2, clips, 1, *shape[2:], generator=generator)
    direction = direction_from_azimuth(360 * position[0] - 180)
    return TargetTracks(torch.stack(states, 1), direction.expand(*shape, 3), (0.5 + 5 * position[1]).expand(shape))


def draw_member(target: TargetTracks, tracks: int, fields: tuple[str, ...], generator: torch.Generator) -> Posterior:
    """Draw the posterior of a member: with one track, of the first that is active."""
    sounds, direction, distance = target
    if tracks == 1:
        first = sounds.int().argmax(-1, keepdim=True)
        sounds, direction, distance = (
            sounds.any(-1, keepdim=True),
            take_along_track(direction, first, 3),
            take_along_track(distance, first, 3),
        )
    chance = torch.rand(sounds.shape, generator=generator)
    values = {
        "direction": normalize(direction + 0.2 * torch.randn(direction.shape, generator=generator)),
        "distance": distance * (0.3 * torch.randn(distance.shape, generator=generator)).exp(),
        "onscreen": torch.rand(sounds.shape, generator=generator),
    }
    activity = torch.where(sounds, 0.4 + 0.59 * chance, 0.01 + 0.04 * chance)
    return Posterior(activity, **{field: values[field] for field in fields})  # type: ignore[arg-type]


def _run(members: Mapping[str, Posterior]) -> tuple[float, float, list[Events]]:
    """Time fusing and decoding in seconds; return the events, too."""
    fuse_s, fused = _timed(lambda: fuse_posteriors(members, SETTINGS))
    decode_s, events = _timed(lambda: decode_frames(fused, SETTINGS.decode))
    return fuse_s, decode_s, events


def _run_slow(members: Mapping[str, Posterior]) -> object:
    return fusion.decode_slowly(fusion.fuse(members, SETTINGS), SETTINGS.decode, DCASE2025)


def _timed(call: Callable[[], Result]) -> tuple[float, Result]:
    started_s = time.perf_counter()
    result = call()
    return time.perf_counter() - started_s, result
