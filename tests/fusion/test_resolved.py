"""Settings are resolved to tensors once for a run, however many clips it has."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from seldfuse.core import class_values
from seldfuse.core.detections import Detections
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.geometry import Camera
from seldfuse.core.labels import DCASE2025
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.fusion import DecodeSettings, FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.fitted import find_path
from seldfuse.pipeline import fuse_and_decode
from seldfuse.vision.refine import ClipDetections, refine_posterior
from seldfuse.vision.settings import FITTED, VisionSettings

CPU = torch.device("cpu")
BOX = (300.0, 100.0, 360.0, 280.0)
MEMBERS = {"doa": ("activity", "direction"), "sce": ("activity", "direction", "distance")}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each call of `to_class_tensor`, from wherever it was imported."""
    made: list[None] = []
    plain = class_values.to_class_tensor

    def count(*arguments, **options):
        made.append(None)
        return plain(*arguments, **options)

    for name, module in list(sys.modules.items()):
        if name.startswith("seldfuse.") and getattr(module, "to_class_tensor", None) is plain:
            monkeypatch.setattr(module, "to_class_tensor", count)
    return made


def clips(number: int) -> Iterator[MemberPosteriors]:
    generator = torch.Generator().manual_seed(0)
    shape = (1, 20, len(DCASE2025), 1)
    for clip in range(number):
        members = {
            name: Posterior(
                torch.rand(shape, generator=generator),
                direction_from_azimuth(60 * torch.rand(shape, generator=generator)),
                1 + torch.rand(shape, generator=generator),
            )
            for name in ("doa", "sde", "sce")
        }
        yield MemberPosteriors(f"clip{clip}", members, 2.0)


def run(number: int) -> None:
    """The whole path of so many clips, with settings as they are read for one run."""
    fusion, vision = FusionSettings.read(find_path(("doa", "sde", "sce"))), VisionSettings.read(FITTED)
    fusion = replace(fusion, calibration={"doa": Calibration(2.0)})
    rows = [(time_s, "bell", 0.9, *BOX, -1) for time_s in (0.0, 0.5, 1.0, 1.5)]
    rules, times_s = Rules({"bell": Rule(("bell",))}), np.arange(4) / 2
    found = [
        ClipDetections(name, "fake", rules, Detections.from_rows(rows), times_s, 640, 360)
        for name in ("gdino", "keypoint")
    ]
    for members in clips(number):
        result = fuse_and_decode(members, fusion, "cpu")
        refine_posterior(result.posterior, found, Camera(), 0.5, vision)


def test_five_clips_resolve_no_more_than_one(calls: list[None]) -> None:
    run(1)
    once = len(calls)
    run(5)
    assert 0 < once == len(calls) - once


def test_clips_of_the_same_members_share_what_was_resolved() -> None:
    settings = FusionSettings()
    first = settings.resolve_for(MEMBERS, DCASE2025, CPU)
    assert settings.resolve_for(dict(MEMBERS), DCASE2025, CPU) is first
    fewer = settings.resolve_for({"sce": MEMBERS["sce"]}, DCASE2025, CPU)
    assert fewer.weights["direction"].shape == (1, len(DCASE2025))
    mono = settings.resolve_for({**MEMBERS, "doa": ("activity",)}, DCASE2025, CPU)
    assert mono.weights["direction"][:, 0].tolist() == [0, 1]


def test_other_settings_share_nothing() -> None:
    settings = FusionSettings()
    settings.resolve_for(MEMBERS, DCASE2025, CPU)
    other = replace(settings, decode=DecodeSettings(threshold=0.7))
    assert other.resolve_for(MEMBERS, DCASE2025, CPU).decode.high.tolist() == pytest.approx([0.7] * len(DCASE2025))
    assert other != settings
    assert replace(other, decode=DecodeSettings()) == settings


def test_what_was_resolved_is_no_part_of_what_is_written() -> None:
    fusion, vision = FusionSettings.read(find_path(("doa", "sde", "sce"))), VisionSettings.read(FITTED)
    before = fusion.to_json(), vision.to_json()
    fusion.resolve_for(dict.fromkeys(("doa", "sde", "sce"), MEMBERS["sce"]), DCASE2025, CPU)
    vision.resolve_for(DCASE2025, CPU)
    assert (fusion.to_json(), vision.to_json()) == before
    assert (FusionSettings.read(find_path(("doa", "sde", "sce"))), VisionSettings.read(FITTED)) == (fusion, vision)
