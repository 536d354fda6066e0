"""The contract of detectors: rows at the times of the frames, inside of the picture."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.models import DetectorModel
from seldfuse.catalogue.requests import DetectorRequest
from seldfuse.catalogue.values import Detector
from seldfuse.core.clip import Clip, Frame
from seldfuse.core.detections import UNTRACKED, Detections
from seldfuse.core.labels import DCASE2025
from seldfuse.testing.sounds import video_clip
from seldfuse.testing.values import expect_refusal

NOWHERE = "no-such-engine"


class DetectorContract:
    """Tests of one detector; a subclass sets `detector` to its name, `name@engine`, or the value itself.

    `clip` is a video in which it finds something: a bright square that moves, unless a subclass overrides it.
    """

    detector: ClassVar[str | Detector]

    @property
    def request(self) -> DetectorRequest:
        """Find the detector as a user asks for it."""
        if isinstance(self.detector, Detector):
            return DetectorRequest(self.detector, self.detector.name, None, "tests")
        (request,), _ = load_registry().find_post(self.detector)
        return request

    def load(self) -> DetectorModel:
        """Load the detector onto the processor."""
        return self.request.load(torch.device("cpu"))

    def clip(self) -> Clip:
        """Make a video in which the detector finds something."""
        return video_clip()

    def frames(self, clip: Clip) -> list[Frame]:
        """Take the key frames, two a second."""
        assert clip.video is not None
        return list(clip.video.frames(rate_hz=2.0))

    def detect(self, seen: Detections | None = None) -> tuple[Detections, list[Frame]]:
        """Detect in the clip; gives the frames as well."""
        clip = self.clip()
        frames = self.frames(clip)
        return self.load().detect(clip, frames, seen), frames

    def test_it_finds_something(self) -> None:
        found, _ = self.detect()
        assert len(found) > 0, "nothing is found in clip(); override it with a video in which there is something"

    def test_rules_are_for_known_classes(self) -> None:
        unknown = set(self.load().rules.by_class) - set(DCASE2025.names)
        assert not unknown, f"there are rules for {unknown}, which are no classes of {DCASE2025.name}"

    def test_it_says_which_engine_it_is(self) -> None:
        one, other = self.load(), self.load()
        assert one.engine_id, "engine_id must name what detects, its weights and prompts included"
        assert one.engine_id == other.engine_id, "two loads of one detector have different engine_id"

    def test_rows_stand_at_the_times_of_the_frames_and_are_untracked(self) -> None:
        found, frames = self.detect()
        times_s = found.table["time_s"].to_numpy()
        assert set(times_s) <= {frame.time_s for frame in frames}, "rows have times at which there is no frame"
        assert (np.diff(times_s) >= 0).all(), "rows must be sorted by time"
        assert (found.table["track"] == UNTRACKED).all(), f"the engine tracks, so track must be {UNTRACKED}"

    def test_boxes_lie_inside_of_the_picture(self) -> None:
        found, frames = self.detect()
        table, (height_px, width_px) = found.table, frames[0].rgb.shape[:2]
        assert (table["left_px"] >= 0).all()
        assert (table["top_px"] >= 0).all()
        assert (table["right_px"] <= width_px).all(), f"the picture ends at {width_px} px, found {table['right_px']}"
        assert (table["bottom_px"] <= height_px).all(), f"the picture ends at {height_px} px"
        assert (table["left_px"] < table["right_px"]).all()
        assert (table["top_px"] < table["bottom_px"]).all()

    def test_scores_are_probabilities_and_phrases_are_words(self) -> None:
        found, _ = self.detect()
        assert found.table["score"].between(0, 1).all(), f"scores must be from 0 to 1, found {found.table['score']}"
        assert all(isinstance(phrase, str) and phrase for phrase in found.table["phrase"])

    def test_keypoints_that_count_lie_inside_of_the_picture(self) -> None:
        found, frames = self.detect()
        x_px, y_px, score = np.moveaxis(found.keypoints, 2, 0)
        height_px, width_px = frames[0].rgb.shape[:2]
        outside = (x_px < 0) | (x_px >= width_px) | (y_px < 0) | (y_px >= height_px)
        assert not (outside & (score > 0)).any(), "a keypoint outside of the picture must have the score 0"

    def test_no_frames_give_no_rows(self) -> None:
        assert len(self.load().detect(self.clip(), [], None)) == 0

    def test_the_same_frames_give_the_same_rows(self) -> None:
        one, other = self.detect()[0], self.detect()[0]
        assert one.table.equals(other.table)
        np.testing.assert_array_equal(one.keypoints, other.keypoints)

    def test_what_others_found_may_be_passed_along(self) -> None:
        found, _ = self.detect()
        again, _ = self.detect(seen=found)
        assert isinstance(again, Detections)

    def test_an_engine_or_a_file_of_rules_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        load, engine = load_reference(self.request.value.load), self.request.engine
        rules = tmp_path / "no-such-rules.toml"
        expect_refusal(lambda: load(NOWHERE, torch.device("cpu"), None), NOWHERE)
        expect_refusal(lambda: load(engine, torch.device("cpu"), rules), rules.name)
