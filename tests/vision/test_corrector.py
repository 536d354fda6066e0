"""Which detector gets which pictures, what is stored, and what happens when it goes wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seldfuse.core.clip import ArrayAudio, Clip, Frame
from seldfuse.core.detections import KEYPOINTS, UNTRACKED, Detections
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.rules import Rule, Rules
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import CheckpointError, MediaError, PluginError, UsageError
from seldfuse.vision.corrector import NO_PICTURE, VisualCorrector
from seldfuse.vision.detection_store import read_detections
from seldfuse.vision.validate import drop_invalid

BELL = DCASE2025.index("bell")
RULES = Rules({"bell": Rule(("bell",), position=(0.5, 0.5))})
RGB = np.zeros((360, 640, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Pictures:
    """So many seconds of black, that fail at some second."""

    seconds: float = 3.0
    fails_s: float = np.inf
    asked: list[tuple[float, float | None]] = field(default_factory=list)

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        self.asked.append((start_s, end_s))
        for tick in range(1000):
            time_s = start_s + tick / rate_hz
            if time_s >= min(self.seconds, end_s or np.inf):
                return
            if time_s >= self.fails_s:
                raise MediaError("the file is torn")
            yield Frame(time_s, RGB)


class Fake:
    """Sees a bell at one place in each picture, or `gives` something else, and notes what it was asked."""

    def __init__(self, rules: Rules = RULES, engine_id: str = "fake 1", gives: Any = None) -> None:
        self.rules, self.engine_id, self.gives = rules, engine_id, gives
        self.cacheable = True
        self.times_s: list[float] = []
        self.told: list[int | None] = []

    def detect(self, _clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Any:
        self.times_s += [frame.time_s for frame in frames]
        self.told.append(None if seen is None else len(seen))
        return self.gives or Detections.from_rows([row(frame.time_s) for frame in frames])


class Broken(Fake):
    def __init__(self, error: Exception, after: int = 0) -> None:
        super().__init__()
        self.error, self.after = error, after

    def detect(self, clip: Clip, frames: Sequence[Frame], seen: Detections | None) -> Any:
        if self.after == 0:
            raise self.error
        self.after -= 1
        return super().detect(clip, frames, seen)


def row(time_s: float, left_px: float = 300.0, score: float = 0.9) -> tuple[object, ...]:
    return (time_s, "bell", score, left_px, 150.0, left_px + 40, 190.0, UNTRACKED)


def clip(video: Pictures | None) -> Clip:
    return Clip("deep/talk", ArrayAudio(np.zeros((2, 72_000), dtype=np.float32)), video)


def said(*frames: int) -> Posterior:
    """Three seconds, in which a bell rings in some frames, at the front."""
    shape = (1, 30, len(DCASE2025), 1)
    loud = torch.zeros(shape)
    loud[:, list(frames), BELL] = 0.9
    return Posterior(loud, direction_from_azimuth(torch.zeros(shape)), None, torch.full(shape, 0.5))


def onscreen(posterior: Posterior, frame: int) -> float:
    assert posterior.onscreen is not None
    return float(posterior.onscreen[0, frame, BELL, 0])


def look(eyes: VisualCorrector, video: Pictures | None, posterior: Posterior, content: str | None = "abc"):
    return eyes.correct(clip(video), content, posterior, RunStats())


def test_only_pictures_of_times_at_which_a_class_with_a_rule_sounds_are_decoded_once_for_all() -> None:
    first, second, idle = Fake(), Fake(engine_id="fake 2"), Fake(Rules({"door": Rule(("door",))}))
    video, watch = Pictures(), RunStats()
    eyes = VisualCorrector({"one": first, "two": second, "idle": idle})
    eyes.correct(clip(video), None, said(1, 2, 12, 25), watch)
    assert first.times_s == second.times_s == [0.0, 1.0, 2.5]
    assert (first.told, second.told) == ([None], [3])
    assert idle.times_s == []
    assert video.asked == [(0.0, 0.25), (1.0, 1.25), (2.5, 2.75)]
    assert watch.frames_detected == {"one": 3, "two": 3}
    assert {"pictures", "one", "two", "vision"} <= set(watch.stage_s)


def test_what_is_seen_corrects_and_other_times_stay() -> None:
    result = look(VisualCorrector({"one": Fake()}), Pictures(), said(1, 2))
    posterior = result.refinement.posterior
    assert onscreen(posterior, 1) > 0.6
    assert onscreen(posterior, 20) == 0.5
    assert result.notes == ()


def test_a_second_run_asks_no_detector_and_a_third_only_for_what_is_missing(tmp_path: Path) -> None:
    first, again, more = Fake(), Fake(), Fake()
    for fake, posterior in ((first, said(1, 12)), (again, said(2, 12)), (more, said(1, 12, 25))):
        video = Pictures()
        result = look(VisualCorrector({"one": fake}, folder=tmp_path), video, posterior)
        assert onscreen(result.refinement.posterior, 12) > 0.6
        assert len(video.asked) == len(set(fake.times_s))
    assert (first.times_s, again.times_s, more.times_s) == ([0.0, 1.0], [], [2.5])
    record = read_detections(tmp_path / "one" / "deep" / "talk.detections.parquet")
    assert record.memory.detections.table["time_s"].tolist() == [0.0, 1.0, 2.5]
    assert (record.memory.looked, record.memory.size_px, record.rules) == ({0, 2, 5}, (640, 360), RULES)


def test_results_do_not_depend_on_what_earlier_runs_looked_at(tmp_path: Path) -> None:
    look(VisualCorrector({"one": Fake()}, folder=tmp_path), Pictures(), said(*range(30)))
    kept, fresh = (
        look(VisualCorrector({"one": Fake()}, folder=folder), Pictures(), said(12)) for folder in (tmp_path, None)
    )
    assert torch.equal(*(one.refinement.posterior.onscreen for one in (kept, fresh)))


@pytest.mark.parametrize("other", ["content", "detector", "rate"])
def test_what_was_kept_of_something_else_does_not_count(tmp_path: Path, other: str) -> None:
    look(VisualCorrector({"one": Fake()}, folder=tmp_path), Pictures(), said(1))
    fake = Fake(engine_id="fake 2" if other == "detector" else "fake 1")
    eyes = VisualCorrector({"one": fake}, rate_hz=4.0 if other == "rate" else 2.0, folder=tmp_path)
    look(eyes, Pictures(), said(1), "xyz" if other == "content" else "abc")
    assert fake.times_s


def test_what_may_change_is_not_kept(tmp_path: Path) -> None:
    fake = Fake()
    fake.cacheable = False
    look(VisualCorrector({"one": fake}, folder=tmp_path), Pictures(), said(1))
    assert fake.times_s
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["talk.detections.parquet", "talk.detections.json"])
def test_damaged_files_count_as_nothing(tmp_path: Path, damage: str) -> None:
    look(VisualCorrector({"one": Fake()}, folder=tmp_path), Pictures(), said(1))
    (tmp_path / "one" / "deep" / damage).write_text("{}")
    fake = Fake()
    look(VisualCorrector({"one": fake}, folder=tmp_path), Pictures(), said(1))
    assert fake.times_s == [0.0]


def test_a_detector_that_raises_midway_is_named_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seldfuse.vision.corrector.BATCH_FRAMES", 1)
    broken, good = Broken(ValueError("no more"), after=1), Fake(engine_id="fake 2")
    result = look(VisualCorrector({"broken": broken, "good": good}), Pictures(), said(1, 12))
    assert result.notes == (
        "the detector broken failed (ValueError: no more); leave it out of --post; "
        "the rest of the clip went on without it",
    )
    assert (broken.times_s, good.times_s) == ([0.0], [0.0, 1.0])
    assert onscreen(result.refinement.posterior, 12) > 0.6
    strict = VisualCorrector({"broken": Broken(ValueError("no more"))}, fail_fast=True)
    with pytest.raises(PluginError, match=r"broken failed \(ValueError: no more\)"):
        look(strict, Pictures(), said(1))


def test_something_else_than_detections_is_refused() -> None:
    result = look(VisualCorrector({"odd": Fake(gives=[1, 2])}), Pictures(), said(1))
    assert result.notes[0].startswith("the detector odd must give Detections, gave list;")


def test_nothing_to_look_with_fails_the_clip_and_other_errors_of_ours_are_notes() -> None:
    with pytest.raises(CheckpointError, match="fetch it"):
        look(VisualCorrector({"one": Broken(CheckpointError("fetch it"))}), Pictures(), said(1))
    result = look(VisualCorrector({"one": Broken(UsageError("a torn recording"))}), Pictures(), said(1))
    assert result.notes == ("a torn recording; the rest of the clip went on without it",)


def test_corrupt_pictures_and_none_at_all_leave_what_was_heard(tmp_path: Path) -> None:
    before = said(1, 12)
    blind = look(VisualCorrector({"one": Fake()}), None, before)
    assert (blind.refinement.posterior is before, blind.notes) == (True, (NO_PICTURE,))
    torn = look(VisualCorrector({"one": Fake()}, folder=tmp_path), Pictures(fails_s=0.0), before)
    assert torn.refinement.posterior is before
    assert torn.notes == ("the picture could not be read, and corrected nothing (the file is torn)",)
    short = look(VisualCorrector({"one": Fake()}), Pictures(seconds=0.6), before).refinement.posterior
    assert onscreen(short, 1) > 0.6
    assert onscreen(short, 12) == 0.5
    with pytest.raises(MediaError, match="torn"):
        look(VisualCorrector({"one": Fake()}, fail_fast=True), Pictures(fails_s=0.0), before)


def test_detections_that_cannot_be_are_counted_and_passed_over() -> None:
    rows = [row(0.0), row(0.0, np.nan), row(0.0, 900.0), row(0.0, score=np.nan), row(7.0)]
    result = look(VisualCorrector({"one": Fake(gives=Detections.from_rows(rows))}), Pictures(), said(1))
    assert result.notes == (
        "one gave 4 detections without a place, a score or a time in the picture; they were passed over",
    )
    assert onscreen(result.refinement.posterior, 1) > 0.6


def test_boxes_are_cut_at_the_edges_and_points_outside_are_not_seen() -> None:
    points = np.full((2, len(KEYPOINTS), 3), 0.7)
    points[:, 0] = (-5.0, 10.0, 0.9)
    points[:, 1] = (5.0, np.inf, 0.9)
    good, improper = drop_invalid(
        Detections.from_rows([row(0.5, 620.0), row(0.0, -30.0)], list(points)), [Frame(0.0, RGB), Frame(0.5, RGB)]
    )
    assert improper == 0
    assert good.table["time_s"].tolist() == [0.0, 0.5]
    assert good.table[["left_px", "right_px"]].to_numpy().tolist() == [[0.0, 10.0], [620.0, 640.0]]
    assert good.keypoints[0, 0].tolist() == [-5.0, 10.0, 0.0]
    assert good.keypoints[0, 1, 2] == 0.0
    assert good.keypoints[0, 2].tolist() == [0.7, 0.7, 0.7]


def test_a_posterior_of_other_classes_is_looked_at_for_those_that_it_knows() -> None:
    other = replace(DCASE2025, name="two", classes=DCASE2025.classes[BELL - 1 : BELL + 1])
    heard = said(1)
    few = Posterior(*(value[:, :, BELL - 1 : BELL + 1] for value in (heard.activity, heard.direction)), labels=other)
    rules = Rules({**RULES.by_class, "door": Rule(("door",))})
    fake = Fake(rules)
    refined = look(VisualCorrector({"one": fake}), Pictures(), few).refinement.posterior
    assert fake.times_s == [0.0]
    assert refined.onscreen is not None
    assert float(refined.onscreen[0, 1, 1, 0]) > 0.6


class Asked(Fake):
    """A detector that is asked in words."""

    def __init__(self, rules: Rules = RULES) -> None:
        super().__init__(rules, f"asked for {sorted(rules.by_class)}")
        self.opened: list[Rules] = []

    def ask_for(self, rules: Rules) -> "Asked":
        self.opened.append(rules)
        return Asked(rules)


def test_a_detector_is_asked_once_for_what_a_label_set_states() -> None:
    gong = LabelSet("mine", (Label("gong", "Gong", prompts=("gong",)), Label("bell", "Bell", visible=False)))
    detector, cannot = Asked(Rules({"bell": Rule(("bell",), prompts=("bell",))})), Fake()
    eyes = VisualCorrector({"asked": detector, "fake": cannot})
    loud = said(0, 1).activity[:, :, [BELL, BELL]]
    posterior = Posterior(loud, direction_from_azimuth(torch.zeros_like(loud)), labels=gong)
    for _ in range(2):
        found = replace(eyes, fail_fast=True).detect(clip(Pictures()), "abc", posterior, RunStats())[0]
        assert [one.name for one in found] == ["asked"]
        assert set(found[0].rules.by_class) == {"gong"}
    assert len(detector.opened) == 1
    assert cannot.times_s == []
