"""Fusing: against a slow twin that loops over everything, and by what must not change."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seldfuse.directions import azimuth_from_direction, direction_from_azimuth, unit
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, decode, fuse, unify
from seldfuse.fusion.align import align
from seldfuse.fusion.tracks import best_permutation
from seldfuse.labels import Label, LabelSet
from seldfuse.posterior import Posterior

LABELS = LabelSet("three", (Label("cat", "Cat"), Label("dog", "Dog"), Label("hen", "Hen")))
ALL = ("direction", "distance", "onscreen")


def beliefs(seed, tracks=3, fields=ALL, batch=2, frames=7):
    """A random posterior in which many tracks lie near one another."""
    g = torch.Generator().manual_seed(seed)
    shape = (batch, frames, len(LABELS), tracks)
    around = direction_from_azimuth(torch.randint(-2, 3, shape, generator=g) * 60.0)
    values = {
        "direction": unit(around + 0.1 * torch.randn(*shape, 3, generator=g)),
        "distance": 0.3 + 5 * torch.rand(shape, generator=g),
        "onscreen": torch.rand(shape, generator=g) * 0.98 + 0.01,
    }
    return Posterior(torch.rand(shape, generator=g), **{name: values[name] for name in fields}, labels=LABELS)


def assert_alike(one, other, rtol=1e-5, atol=1e-5):
    assert one.provides == other.provides
    for name, tensor in one.tensors().items():
        # The spread is a root that is steep where members agree; a twentieth of a degree is its rounding error.
        near = 0.05 if name == "azimuth_std_deg" and atol else atol
        torch.testing.assert_close(tensor, other.tensors()[name], rtol=rtol, atol=near, equal_nan=True, msg=name)


def without_doubt(posterior):
    return replace(posterior, azimuth_std_deg=None)


# --- the slow twin: one cell (clip, frame, class) at a time, tracks as dictionaries ---------------------------------


def tracks_of(posterior, cell):
    values = {name: tensor[cell].double().numpy() for name, tensor in posterior.tensors().items()}
    return [{name: value[track] for name, value in values.items()} for track in range(posterior.tracks)]


def angle_deg(one, other):
    return math.degrees(math.acos(np.clip(one @ other, -1, 1)))


def slow_unify(tracks, limit_deg=15.0):
    if len(tracks) == 1 or "direction" not in tracks[0]:
        return tracks
    groups = []
    for track in (k for k in range(len(tracks)) if tracks[k]["activity"] > 0.5):
        touching = [
            group
            for group in groups
            if any(angle_deg(tracks[track]["direction"], tracks[k]["direction"]) < limit_deg for k in group)
        ]
        groups = [group for group in groups if group not in touching] + [sorted(itertools.chain([track], *touching))]
    out = [dict(track) for track in tracks]
    for group in (group for group in groups if len(group) > 1):
        members = [tracks[k] for k in group]
        for k in group:
            out[k]["activity"] = 0.0
        pull = sum(member["activity"] * member["direction"] for member in members)
        out[group[0]]["activity"] = max(member["activity"] for member in members)
        out[group[0]]["direction"] = pull / np.linalg.norm(pull)
        if "distance" in members[0]:
            out[group[0]]["distance"] = np.mean([member["distance"] for member in members])
    return out


def slow_match(reference, member):
    spare = [None] * (len(reference) - len(member))

    def gain(order):
        total = 0.0
        for anchor, track in zip(reference, order, strict=True):
            if track is not None:
                both = "direction" in anchor and "direction" in track
                cosine = anchor["direction"] @ track["direction"] if both else 1.0
                total += anchor["activity"] * track["activity"] * cosine
        return total

    return max(itertools.permutations(member + spare), key=gain)


def slow_combine(tracks, weights):
    """One track; `tracks` and `weights` (by field) hold one entry a member, None where it abstains."""
    out = {}
    for name in ("activity", *ALL):
        voices = [(t, w.get(name, 1.0)) for t, w in zip(tracks, weights, strict=True) if t and name in t]
        if not voices:
            continue
        if sum(w for _, w in voices) == 0:
            voices = [(t, 1.0) for t, _ in voices]
        voices = [(t[name], w if name == "activity" else w * max(t["activity"], 1e-6), w) for t, w in voices]
        total = sum(loud for _, loud, _ in voices)
        if name == "direction":
            pull = sum(value * loud for value, loud, _ in voices)
            out["direction"] = pull / np.linalg.norm(pull)
            if sum(w > 0 for _, _, w in voices) > 1:
                length = np.linalg.norm(pull) / total
                out["azimuth_std_deg"] = min(180.0, math.degrees(math.sqrt(-2 * math.log(min(length, 1.0)))))
        elif name == "distance":
            out[name] = math.exp(sum(math.log(value) * loud for value, loud, _ in voices) / total)
        elif name == "onscreen":
            odds = sum(math.log(value / (1 - value)) * loud for value, loud, _ in voices) / total
            out[name] = 1 / (1 + math.exp(-odds))
        else:
            out[name] = sum(value * loud for value, loud, _ in voices) / total
    return out


def slow_fuse_cell(members, reference, weights):
    unified = {name: slow_unify(tracks) for name, tracks in members.items()}
    matched = [
        slow_match(unified[reference], tracks) if name != reference else tracks for name, tracks in unified.items()
    ]
    return [slow_combine(tracks, list(weights.values())) for tracks in zip(*matched, strict=True)]


ENSEMBLES = {
    "three of three tracks": ({"a": (3, ALL), "b": (3, ALL), "c": (3, ALL)}, {}),
    "one-track specialists beside a generalist": (
        {"cmc": (3, ALL), "doa": (1, ("direction",)), "sde": (1, ("distance",))},
        {"doa": {"direction": 3.0}},
    ),
    "weights by field": (
        {"a": (2, ALL), "b": (2, ("direction", "distance"))},
        {"a": {"activity": 0.0, "distance": 5.0}},
    ),
    "all the weight on a member with fewer tracks": (
        {"cmc": (3, ALL), "doa": (1, ("direction",))},
        {"cmc": {"direction": 0.0}},
    ),
    "a reference without direction": ({"a": (3, ("onscreen",)), "b": (2, ALL)}, {}),
    "activity alone": ({"a": (2, ()), "b": (1, ())}, {}),
}


@pytest.mark.parametrize("name", ENSEMBLES)
def test_fusing_agrees_with_the_slow_twin(name):
    makeup, weights = ENSEMBLES[name]
    members = {member: beliefs(seed, *kind) for seed, (member, kind) in enumerate(makeup.items())}
    fused = fuse(members, FusionSettings(weights=weights))
    reference = min(
        makeup, key=lambda member: (-makeup[member][0], -weights.get(member, {}).get("activity", 1.0), member)
    )
    every = {member: weights.get(member, {}) for member in members}
    for cell in np.ndindex(*fused.activity.shape[:3]):
        slow = slow_fuse_cell({m: tracks_of(p, cell) for m, p in members.items()}, reference, every)
        for track, expected in enumerate(slow):
            for field, tensor in fused.tensors().items():
                tolerance = 0.05 if field == "azimuth_std_deg" else 1e-5
                got = tensor[cell][track].double().numpy()
                np.testing.assert_allclose(got, expected.get(field, np.nan), rtol=1e-5, atol=tolerance, err_msg=field)


# --- what must not change ------------------------------------------------------------------------------------------


def test_an_ensemble_of_one_is_that_one_unified():
    one = beliefs(0)
    assert_alike(fuse({"a": one}, FusionSettings()), unify(one))


@pytest.mark.parametrize("preset", ["mean", "nercslip"])
def test_a_posterior_fused_with_itself_stays_as_it_is(preset):
    one = unify(beliefs(1))
    twice = fuse({"a": one, "b": one, "c": one}, FusionSettings(preset))
    assert_alike(without_doubt(twice), one)
    assert twice.azimuth_std_deg is not None
    assert twice.azimuth_std_deg.max() < 0.1


def test_the_order_of_members_does_not_matter():
    members = {"a": beliefs(0), "b": beliefs(1), "c": beliefs(2, 1)}
    forth = fuse(members, FusionSettings())
    back = fuse(dict(reversed(members.items())), FusionSettings())
    assert_alike(forth, back, rtol=0, atol=0)


@given(st.permutations(range(3)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_a_members_tracks_does_not_matter(order):
    first, second = unify(beliefs(0)), unify(beliefs(1))
    shuffled = second.map(lambda value: value[:, :, :, list(order)])
    plain = fuse({"a": first, "b": second}, FusionSettings())
    other = fuse({"a": first, "b": shuffled}, FusionSettings())
    sounds = plain.activity > 0.5
    for name in ("activity", "direction", "distance"):
        torch.testing.assert_close(plain.tensors()[name][sounds], other.tensors()[name][sounds])


def test_swapping_left_and_right_mirrors_the_result():
    mirror = torch.tensor([1.0, -1.0, 1.0])
    members = {"a": beliefs(0), "b": beliefs(1), "c": beliefs(2, 1)}
    swapped = {name: replace(member, direction=member.direction * mirror) for name, member in members.items()}
    plain, mirrored = fuse(members, FusionSettings()), fuse(swapped, FusionSettings())
    assert_alike(replace(mirrored, direction=mirrored.direction * mirror), plain)


def test_weights_need_not_add_up_to_one():
    members = {"a": beliefs(0), "b": beliefs(1)}
    weights = {"a": 0.2, "b": 0.6}
    fields = ("activity", *ALL)
    small = FusionSettings(weights={name: dict.fromkeys(fields, weight) for name, weight in weights.items()})
    large = FusionSettings(weights={name: dict.fromkeys(fields, 50 * weight) for name, weight in weights.items()})
    assert_alike(fuse(members, small), fuse(members, large))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives():
    members = {"a": beliefs(0), "b": beliefs(1), "c": beliefs(2, 1)}
    fused = fuse({name: member.to("cuda") for name, member in members.items()}, FusionSettings())
    assert fused.activity.device.type == "cuda"
    assert len(decode(fused)[0]) == len(decode(fuse(members, FusionSettings()))[0])
    assert_alike(fused.to("cpu"), fuse(members, FusionSettings()))


def test_half_precision_files_fuse_in_single_precision():
    fused = fuse({"a": beliefs(0).map(torch.Tensor.half), "b": beliefs(1)}, FusionSettings())
    assert {tensor.dtype for tensor in fused.tensors().values()} == {torch.float32}


def test_the_result_tells_what_it_was_made_of():
    members = {"b": replace(beliefs(0), provenance={"checkpoint": "x"}), "a": beliefs(1)}
    provenance = fuse(members, FusionSettings("nercslip")).provenance
    assert provenance["members"] == {"a": {}, "b": {"checkpoint": "x"}}
    assert provenance["fusion"]["preset"] == "nercslip"


# --- single facts --------------------------------------------------------------------------------------------------


def cell(azimuths_deg, activities, **fields):
    """A posterior of one clip, one frame, one class."""
    azimuth = torch.tensor(azimuths_deg, dtype=torch.float32).reshape(1, 1, 1, -1)
    rest = {name: torch.tensor(value, dtype=torch.float32).reshape(1, 1, 1, -1) for name, value in fields.items()}
    activity = torch.tensor(activities, dtype=torch.float32).reshape(1, 1, 1, -1)
    return Posterior(activity, direction_from_azimuth(azimuth), **rest, labels=LabelSet("one", (Label("cat", "Cat"),)))


def azimuths(posterior):
    return azimuth_from_direction(posterior.direction).flatten().tolist()


@pytest.mark.parametrize(("apart_deg", "merged"), [(14.9, True), (15.1, False)])
def test_copies_merge_when_nearer_than_fifteen_degrees(apart_deg, merged):
    unified = unify(cell([10.0, 10.0 + apart_deg], [0.9, 0.9]))
    assert (unified.activity[0, 0, 0, 1] == 0) == merged


def test_copies_merge_by_way_of_others():
    unified = unify(cell([0.0, 24.0, 12.0], [0.9, 0.8, 0.9], distance=[1.0, 2.0, 6.0], onscreen=[0.1, 0.8, 0.9]))
    assert unified.activity.flatten().tolist() == pytest.approx([0.9, 0, 0])
    assert unified.distance.flatten()[0] == pytest.approx(3.0)
    assert unified.onscreen.flatten()[0] == pytest.approx(0.1)
    assert 11.0 < azimuths(unified)[0] < 12.0


def test_copies_merge_across_the_rear():
    assert abs(azimuths(unify(cell([176.0, -178.0], [0.9, 0.9])))[0]) == pytest.approx(179.0, abs=1e-3)


def test_a_silent_copy_is_left_alone():
    tracks = cell([0.0, 5.0], [0.9, 0.4])
    assert_alike(unify(tracks), tracks)


def test_a_posterior_of_one_track_is_handed_back_untouched():
    one = beliefs(0, 1)
    assert unify(one) is one


def test_a_silent_track_does_not_draw_an_active_one_to_itself():
    fused = fuse({"a": cell([0.0, 90.0], [0.0, 0.8]), "b": cell([5.0, -90.0], [0.8, 0.0])}, FusionSettings())
    assert fused.activity.flatten().tolist() == pytest.approx([0.0, 0.8])


def test_a_member_without_direction_speaks_of_the_most_active_track():
    deaf = replace(cell([0.0], [0.6], distance=[2.0]), direction=None)
    fused = fuse({"a": cell([0.0, 90.0], [0.2, 0.8]), "b": deaf}, FusionSettings())
    assert fused.activity.flatten().tolist() == pytest.approx([0.2, 0.7])
    assert fused.distance.flatten()[1] == pytest.approx(2.0)
    assert fused.distance.flatten()[0].isnan()


def test_directions_average_on_vectors_across_the_rear():
    fused = fuse({"a": cell([170.0], [0.8]), "b": cell([-170.0], [0.8])}, FusionSettings())
    assert abs(azimuths(fused)[0]) == pytest.approx(180.0, abs=1e-3)
    assert fused.azimuth_std_deg.item() == pytest.approx(10.03, abs=0.02)


def test_a_member_that_hears_nothing_does_not_pull_the_direction():
    fused = fuse({"a": cell([40.0], [1.0]), "b": cell([-40.0], [0.0])}, FusionSettings())
    assert azimuths(fused)[0] == pytest.approx(40.0, abs=0.01)


def test_distances_average_as_logarithms():
    fused = fuse({"a": cell([0.0], [0.7], distance=[1.0]), "b": cell([0.0], [0.7], distance=[4.0])}, FusionSettings())
    assert fused.distance.item() == pytest.approx(2.0)


def test_one_frame_more_is_trimmed():
    longer, shorter = beliefs(0, frames=8), beliefs(1, frames=7)
    assert fuse({"a": longer, "b": shorter}, FusionSettings()).frames == 7


def test_the_best_permutation_beats_every_other():
    fit = torch.randn(40, 4, 4, generator=torch.Generator().manual_seed(0))
    order = best_permutation(fit)
    for rows, columns in zip(fit, order, strict=True):
        best = max(sum(rows[r, c] for r, c in enumerate(o)) for o in itertools.permutations(range(4)))
        assert rows[torch.arange(4), columns].sum() == pytest.approx(best.item(), abs=1e-5)


def test_the_reference_has_most_tracks_then_weight_then_the_first_name():
    weight = torch.tensor([[1.0], [1.0], [2.0]]).expand(3, 3)
    assert align({"b": beliefs(0, 2), "a": beliefs(1, 2), "c": beliefs(2, 1)}, weight).reference == "a"
    assert align({"b": beliefs(0, 1), "a": beliefs(1, 1), "c": beliefs(2, 1)}, weight).reference == "c"


OTHER = LabelSet("two", (Label("cat", "Cat"), Label("dog", "Dog"), Label("cow", "Cow")))
UNFIT = {
    "doa and sde do not speak of the same classes; they differ in: cow, hen": lambda p: replace(p, labels=OTHER),
    "doa has a frame every 0.1 s and sde every 0.02 s": lambda p: replace(p, hop_s=0.02),
    "doa holds 2 clips and sde 1": lambda p: p.map(lambda value: value[:1]),
    "doa has 7 frames and sde 5; were they computed from the same clips?": lambda p: p.map(lambda value: value[:, :5]),
}


@pytest.mark.parametrize("message", UNFIT)
def test_members_that_do_not_fit_together_are_named(message):
    with pytest.raises(UsageError) as caught:
        fuse({"doa": beliefs(0), "sde": UNFIT[message](beliefs(1))}, FusionSettings())
    assert str(caught.value) == message


def test_nothing_to_fuse_is_a_usage_error():
    with pytest.raises(UsageError, match="nothing to fuse"):
        fuse({}, FusionSettings())
