"""The whole fusion against its slow twin, with every stage switched on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.baseline import fusion
from benchmarks.baseline.fusion import LABELS, draw_posterior
from seldfuse.core.events import COLUMNS
from seldfuse.fusion import DecodeSettings, FusionSettings, decode_frames, fuse_posteriors
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.smooth import SmoothSettings
from seldfuse.fusion.smooth_activity import HmmSettings
from seldfuse.fusion.smooth_tracks import RandomWalkSettings
from seldfuse.fusion.uncertainty import UncertaintyModel, UncertaintySettings

WHERE = ("direction", "distance")
ALL = (*WHERE, "onscreen")
DOUBTS = ("azimuth_std_deg", "distance_log_std")

# Members with their tracks and fields, and weights beside the random ones.
ENSEMBLES = {
    "one alone": ({"a": (3, (*ALL, *DOUBTS))}, {}),
    "three of three tracks": ({"a": (3, ALL), "b": (3, ALL), "c": (3, ALL)}, {}),
    "one-track specialists beside a generalist": (
        {"cmc": (3, ALL), "doa": (1, ("direction",)), "sde": (1, ("distance",))},
        {"doa": {"direction": 3.0}},
    ),
    "one, two and three tracks": (
        {
            "cmc": (3, (*ALL, *DOUBTS)),
            "doa": (1, ("direction",)),
            "mvanet": (2, ALL),
            "sce": (1, WHERE),
            "sde": (1, ("distance", "distance_log_std")),
        },
        {},
    ),
    "a member without say": ({"a": (2, ALL), "b": (2, WHERE)}, {"a": {"activity": 0.0, "distance": 5.0}}),
    "all the weight on a member with fewer tracks": (
        {"cmc": (3, ALL), "doa": (1, ("direction",))},
        {"cmc": {"direction": {"cat": 0.0, "dog": 0.0}}, "doa": {"direction": 1.0}},
    ),
    "a reference without direction": ({"a": (3, ("onscreen",)), "b": (2, ALL)}, {}),
    "activity alone": ({"a": (2, ()), "b": (1, ())}, {}),
}

# The fast one computes in single precision. The spread is a root, which is steep where members agree: there, a
# twentieth of a degree is its rounding error. Fitted doubts lean on the spread, and with them 1e-4 is near enough.
NEAR = {"azimuth_std_deg": 0.05, "azimuth_deg": 1e-3}


def with_gaps(posterior, rng):
    """NaN in a twentieth of all places, and for one of the first four clips throughout."""

    def gap(value):
        value = value.clone()
        value[torch.from_numpy(rng.random(posterior.activity.shape) < 0.05)] = torch.nan
        value[silent : silent + 1] = torch.nan
        return value

    silent = rng.integers(4)
    return posterior.map(gap)


def some_members(makeup, rng):
    """Every other member has a frame more, which is one too many."""
    members = {}
    for number, (name, kind) in enumerate(makeup.items()):
        members[name] = with_gaps(draw_posterior(int(rng.integers(1000)), *kind, frames=8 - number % 2), rng)
    return members


def some_settings(members, rng, **settings):
    """Every stage switched on, with numbers by class."""

    def table(low, high):
        return {"cat": rng.uniform(low, high), "default": rng.uniform(low, high)}

    def walk():
        return RandomWalkSettings(table(0.02, 0.1), table(0.2, 0.4), table(0.3, 0.6))

    prior = rng.choice([None, 0.3])
    return FusionSettings(
        preset=rng.choice(["mean", "nercslip"]).item(),
        calibration={name: Calibration(table(0.7, 2), table(-0.5, 0.5)) for name in members if rng.random() < 0.7},
        unify_angle_deg=rng.uniform(10, 20),
        smooth=SmoothSettings(HmmSettings(table(0.1, 0.3), table(0.1, 0.3), prior, table(0.4, 1)), walk(), walk()),
        uncertainty=UncertaintySettings(
            UncertaintyModel(table(-0.3, 0.3), 0.5, -0.1, 0.1, 0.7),
            UncertaintyModel(table(2, 3), -0.08, 0.4, -0.1, 0.7),
            UncertaintyModel(table(-2, -1), -0.1, 0.5, -0.05, 0.3),
        ),
        decode=DecodeSettings(table(0.4, 0.6), table(0.2, 0.4), {"dog": 2, "default": 1}, {"hen": 2}, 20.0),
        **settings,
    )


def some_weights(makeup, rng):
    fields = ("activity", *ALL)
    return {name: {field: rng.uniform(0.5, 2) for field in rng.choice(fields, 2)} for name in makeup}


def assert_near(name, fast, slow, near=1e-5):
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=NEAR.get(name, near), err_msg=name)


@pytest.mark.parametrize(
    "left_out", [{}, {"uncertainty": UncertaintySettings()}, {"smooth": SmoothSettings()}], ids=" ".join
)
@pytest.mark.parametrize("combine", COMBINERS)
@pytest.mark.parametrize("name", ENSEMBLES)
def test_fusing_and_decoding_agree_with_the_slow_twin(name, combine, left_out):
    makeup, weights = ENSEMBLES[name]
    rng = np.random.default_rng(len(name))
    members = some_members(makeup, rng)
    settings = some_settings(members, rng, combine=combine, weights={**some_weights(makeup, rng), **weights})
    settings = replace(settings, **left_out)
    fused, slow = fuse_posteriors(members, settings), fusion.fuse(members, settings)
    near = 1e-5 if "uncertainty" in left_out else 1e-4
    for field, expected in slow.items():
        found = fused.tensors().get(field, torch.tensor(torch.nan)).double().numpy()
        assert_near(field, np.broadcast_to(found, expected.shape), expected, near)
    # A decision within rounding of its threshold could fall either way; for these seeds none does.
    for events, rows in zip(
        decode_frames(fused, settings.decode),
        fusion.decode_slowly(slow, settings.decode, LABELS),
        strict=True,
    ):
        assert len(events) == len(rows)
        for column in COLUMNS:
            assert_near(column, events.table[column], [row.get(column, np.nan) for row in rows], near)


def test_the_twin_is_compared_on_many_events_of_every_kind():
    """What is compared is worth it: some tracks sound, in some cells several, and some gaps are there."""
    makeup, _ = ENSEMBLES["one, two and three tracks"]
    rng = np.random.default_rng(0)
    members = some_members(makeup, rng)
    rows = fusion.decode_slowly(fusion.fuse(members, FusionSettings()), DecodeSettings(), LABELS)
    cells = [(clip, row["frame"], row["cls"]) for clip, table in enumerate(rows) for row in table]
    assert len(cells) > 40
    assert len(cells) > len(set(cells))
    assert all(member.activity.isnan().any() for member in members.values())


# Facts that the twin is to hold by itself


def test_the_twins_chain_without_memory_leaves_probabilities_as_they_are():
    activity = np.array([0.2, 0.9, 0.5])
    np.testing.assert_allclose(fusion.forward_backward(activity, 0.5, 0.5, 0.5, 1.0), activity)


def test_the_twin_matches_by_direction_and_gives_a_missing_place_to_no_source():
    front, left = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    anchor = [{"activity": 0.9, "direction": front}, {"activity": 0.8, "direction": left}, None]
    source = {"activity": 0.7, "direction": left}
    assert fusion.match(anchor, [source, None, None])[1] is source
