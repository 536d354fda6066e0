"""What results say beyond scores: whose sounds they rest on, what is heard where, in which conditions, how surely."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from worlds import plain_room, standing

from benchmarks.studies.conditions import compute_snr_db, measure_conditions
from benchmarks.studies.doubt import build_target, measure_doubt
from benchmarks.studies.heard import measure_guesses, measure_heard
from benchmarks.studies.sound_groups import SetSounds, find_set_sounds
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings
from seldfuse.metrics.matches import find_matches
from seldfuse.synth.scene import Ambience, ScenePlan, ScenePlanSource, SoundTake
from seldfuse.synth.sounds.soundbank import REFERENCE_RMS, BankSound, SoundBank

CLASSES = len(DCASE2025)


def sound(cls: int, group: str, seconds: float = 1.0) -> BankSound:
    samples = np.ones(int(seconds * 24_000), dtype=np.float32)
    return BankSound(cls, group, samples, np.ones(int(seconds * 10), dtype=bool))


BANK = SoundBank.from_sounds(
    DCASE2025,
    {
        "ann1": sound(0, "ann", 40.0),
        "ann2": sound(0, "ann", 30.0),
        "bea": sound(0, "bea"),
        "door": sound(7, "door"),
    },
)


def plan(*played: tuple[str, float], distance_m: float = 2.0) -> ScenePlan:
    """A source for each sound that is played for so long."""
    sources = [
        ScenePlanSource(BANK.entries[key].cls, (SoundTake(key, 0.0, seconds),), standing(30.0, distance_m))
        for key, seconds in played
    ]
    return ScenePlan(tuple(sources), plain_room(0.4), Ambience(-50.0))


# Groups of sounds


def test_a_cell_belongs_to_the_group_that_sounds_longest_in_it() -> None:
    plans = [
        plan(("ann1", 1.0), ("bea", 1.5), ("ann2", 1.0), ("door", 0.5)),
        plan(("bea", 2.0)),
        plan(("door", 1.0)),
        plan(),
        plan(),
    ]
    cells = find_set_sounds(plans, BANK).cells
    ann, bea, door = cells[0, 0], cells[1, 0], cells[0, 7]
    assert len({ann, bea, door}) == 3
    # What is said of a class that is not there is put down to what sounds longest.
    assert set(cells[0]) == {ann, door}
    assert set(cells[1]) == {bea}
    assert set(cells[2]) == {door}
    assert len({*cells[3], *cells[4], ann, bea, door}) == 5


def test_groups_and_sound_of_each_class_are_those_that_the_set_plays() -> None:
    found = find_set_sounds([plan(("ann1", 1.0), ("ann2", 1.0)), plan(("ann1", 2.0), ("door", 1.0))], BANK)
    assert (found.groups[0], found.groups[7], found.groups[1]) == (1, 1, 0)
    assert (found.sound_s[0], found.sound_s[7], found.sound_s[1]) == (70.0, 1.0, 0.0)


@pytest.mark.parametrize(("groups", "seconds", "enough"), [(5, 60.0, True), (4, 90.0, False), (9, 59.0, False)])
def test_a_class_has_enough_groups_and_enough_sound_or_is_marked(groups: int, seconds: float, enough: bool) -> None:
    sounds = SetSounds(np.zeros((1, 1), dtype=int), (groups,), (seconds,))
    assert sounds.to_json() == {"groups": [groups], "sound_s": [seconds], "few": [not enough]}


# What is heard


def rows(frames: int, azimuth_deg: float, distance_m: float, cls: int = 0) -> np.ndarray:
    """One source that stands still."""
    table = np.tile([0.0, cls, 0.0, azimuth_deg, distance_m, 0.0], (frames, 1))
    table[:, 0] = np.arange(frames)
    return table


def test_what_is_heard_counts_towards_the_true_side_and_in_bins_of_the_truth() -> None:
    truth = [rows(40, -20.0, 2.0), rows(40, 80.0, 3.0), rows(10, 50.0, 1.0)]
    heard = [
        rows(40, -30.0, 1.4),
        np.concatenate([rows(30, 60.0, 1.5), rows(40, -10.0, 1.5)[30:]]),
        rows(10, 50.0, 1.0),
    ]
    found = measure_heard(find_matches(truth, heard, mode="strict"))
    left, right = found["azimuth_deg"]
    assert (left["true"], left["lower"], left["median"], left["upper"], left["wrong_side"]) == (20, 30, 30, 30, 0)
    assert (right["true"], right["median"], right["wrong_side"]) == (80, 60, 0.25)
    assert [(part["pairs"], part["true"], part["median"]) for part in found["distance_m"]] == [
        (40, 2, 1.4),
        (40, 3, 1.5),
    ]


def test_frames_with_two_sources_of_a_class_are_left_out() -> None:
    both = np.concatenate([rows(40, -20.0, 2.0), rows(40, 40.0, 2.0)])
    assert measure_heard(find_matches([both], [both], mode="strict")) == {"azimuth_deg": [], "distance_m": []}
    assert measure_guesses(find_matches([both], [both], mode="strict")) == {"side_deg": None, "constant_m": None}


def test_the_guesses_err_least() -> None:
    truth = [rows(10, deg, metres) for deg, metres in ((-10.0, 1.0), (40.0, 1.6), (80.0, 4.0))]
    got = measure_guesses(find_matches(truth, truth, mode="strict"))
    assert got["side_deg"] == 40
    errors = {guess: sum(abs(guess - metres) / metres for metres in (1.0, 1.6, 4.0)) for guess in (1.0, 1.6, 4.0)}
    assert got["constant_m"] == min(errors, key=errors.__getitem__)


# Conditions


def test_the_level_over_the_noise_is_that_of_the_direct_sound() -> None:
    level_db = 20 * math.log10(REFERENCE_RMS / 2)
    assert compute_snr_db(plan(("bea", 1.0))) == pytest.approx(level_db + 50, abs=0.01)
    assert math.isnan(compute_snr_db(plan()))


def test_conditions_split_the_sources_and_their_errors() -> None:
    plans = [plan(("bea", 1.0)), replace(plan(("ann1", 1.0)), room=plain_room(1.0))]
    truth = [np.concatenate([rows(40, 20.0, 1.0), rows(10, -70.0, 3.0, cls=7)]), rows(40, 20.0, 4.0)]
    heard = [np.concatenate([rows(40, 20.0, 1.5), rows(10, -30.0, 1.5, cls=7)]), rows(20, 30.0, 1.6)]
    matches = find_matches(truth, heard, mode="strict")
    groups = find_set_sounds(plans, BANK).cells
    bins = measure_conditions(truth, heard, matches, plans, groups)
    found = {(part["condition"], part["low"]): part for part in bins}
    assert [part["sources"] for part in bins if part["condition"] == "rt60_s"] == [50, 40]
    assert found["rt60_s", 0.3]["f20_1"]["value"] == pytest.approx(0.8)
    assert found["rt60_s", 0.8]["f20_1"]["value"] == pytest.approx(20 / 30, abs=1e-5)
    assert [part["sources"] for part in bins if part["condition"] == "overlap"] == [70, 20]
    assert found["overlap", 2]["f20_1"]["value"] == pytest.approx(0.5)
    assert found["overlap", 1]["doae_deg"] == pytest.approx(10 * 20 / 50)
    near, far = found["distance_m", 0.8], found["distance_m", 3.5]
    assert (near["sources"], near["found"], near["rde"]) == (40, 1, 0.5)
    assert (far["sources"], far["found"], far["high"]) == (40, 0.5, None)
    assert far["f20_1"]["value"] is None
    assert [part["sources"] for part in bins if part["condition"] == "azimuth_deg"] == [80, 10]
    assert found["azimuth_deg", 15]["distance_rank"] == 1
    assert found["azimuth_deg", 60]["doae_deg"] == 40
    assert found["azimuth_deg", 60]["found"] == 0


def test_every_source_is_in_one_bin_of_each_condition() -> None:
    edges = [rows(1, 90.0, 0.8), rows(1, -90.0, 100.0), rows(1, 0.0, 3.5)]
    plans = [plan(("bea", 1.0))] * 3
    matches = find_matches(edges, edges, mode="strict")
    bins = measure_conditions(edges, edges, matches, plans, np.arange(3)[:, None].repeat(CLASSES, 1))
    for condition in ("rt60_s", "snr_db", "overlap", "distance_m", "azimuth_deg"):
        assert sum(part["sources"] for part in bins if part["condition"] == condition) == 3


# Doubts


def test_doubts_are_compared_with_what_happens() -> None:
    truth = [rows(40, 20.0, 2.0)]
    shape = (1, 50, CLASSES, 1)
    activity = torch.full(shape, 0.01)
    activity[:, :, 0] = 0.9
    activity[:, :20, 7] = 0.3
    azimuth_deg = torch.full(shape, 20.0)
    azimuth_deg[:, 10:] += 12
    posterior = Posterior(
        activity,
        direction=direction_from_azimuth(azimuth_deg),
        distance=torch.full(shape, 2.2),
        azimuth_std_deg=torch.full(shape, 10.0),
        distance_log_std=torch.full(shape, 0.2),
    )
    found = measure_doubt(posterior, build_target(truth, ["clip"], posterior), DecodeSettings())
    assert found["within_std"] == {"azimuth_deg": 0.25, "distance_log": 1}
    low, high = found["activity"]
    assert (low["cells"], low["said"], low["happens"]) == (20, pytest.approx(0.3, abs=1e-4), 0)
    assert (high["cells"], high["said"], high["happens"]) == (50, pytest.approx(0.9, abs=1e-4), 0.8)
    alone = replace(posterior, azimuth_std_deg=None, distance_log_std=None)
    assert measure_doubt(alone, build_target(truth, ["clip"], alone), DecodeSettings())["within_std"] == {
        "azimuth_deg": None,
        "distance_log": None,
    }
