"""Members whose errors are known, and the target: what tuning is tried on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.formats.dcase import write_events
from seldfuse.fusion import decode_frames
from seldfuse.metrics.rows import to_rows
from seldfuse.tune.tuning_data import TuningData

FRAMES = 20


def draw_target(clips: int, seed: int, share: float = 0.3) -> Posterior:
    """Each class sounds in a stretch of ten frames of some clips, from one direction."""
    rng = np.random.default_rng(seed)
    activity = torch.zeros(clips, FRAMES, 13, 3)
    azimuth_deg = torch.zeros_like(activity)
    for clip, cls in np.argwhere(rng.random((clips, 13)) < share):
        start = int(rng.integers(0, FRAMES - 10))
        activity[clip, start : start + 10, cls, 0] = 1.0
        azimuth_deg[clip, :, cls, 0] = float(rng.uniform(-80, 80))
    return Posterior(activity, direction_from_azimuth(azimuth_deg), 2.0 * torch.ones_like(activity))


def draw_estimate(
    target: Posterior, seed: int, error_deg: float, temperature: float = 1.0, bias: float = 0.0
) -> Posterior:
    """A member that is right on average once its log-odds are divided by `temperature` and joined by `bias`."""
    generator = torch.Generator().manual_seed(seed)
    sounds = target.activity[..., :1]
    shape = sounds.shape
    # Log-odds of a normal distribution per state, which logistic regression fits exactly: N(±2, 2²) has odds e^x.
    evidence = (2 * sounds - 1) * 2.0 + 2.0 * torch.randn(shape, generator=generator)
    prior = torch.logit(sounds.mean())
    log_odds = (evidence + prior - bias) * temperature
    wrong_deg = error_deg * torch.randn(shape, generator=generator)
    azimuth_deg = torch.rad2deg(torch.atan2(target.direction[..., :1, 1], target.direction[..., :1, 0])) + wrong_deg
    return Posterior(log_odds.sigmoid(), direction_from_azimuth(azimuth_deg), 2.0 * torch.ones(shape))


def draw_data(clips: int = 120, seed: int = 0) -> TuningData:
    target = draw_target(clips, seed)
    members = {"sharp": draw_estimate(target, 1, 6.0, 0.4, 1.5), "blunt": draw_estimate(target, 2, 25.0, 0.4, 1.5)}
    return TuningData(members, target, [to_rows(events) for events in decode_frames(target)], torch.arange(clips) // 2)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two members and a reference of sixty challenge clips, two to a recording."""
    data = draw_data(60)
    for clip, events in enumerate(decode_frames(data.target)):
        name = f"fold4_room1_mix{clip // 2:03}_deg{clip % 2:03}_start0000"
        write_events(replace(events, table=events.table.assign(onscreen=0.0)), tmp_path / "reference" / f"{name}.csv")
        for member, posterior in data.members.items():
            one = posterior.map(lambda value, clip=clip: value[clip : clip + 1])
            (tmp_path / member).mkdir(exist_ok=True)
            one.save(tmp_path / member / f"{name}.safetensors")
    return tmp_path
