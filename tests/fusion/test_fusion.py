"""Fusing, fact by fact; `test_fusion_twin` compares the whole with a slow twin, `test_fusion_properties` its laws."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from benchmarks.baseline.fusion import POSITION_FIELDS, assert_alike, draw_posterior
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors, merge_duplicate_tracks
from seldfuse.fusion.align import align
from seldfuse.fusion.tracks import find_best_permutation


def test_weights_need_not_add_up_to_one():
    members = {"a": draw_posterior(0), "b": draw_posterior(1)}
    weights = {"a": 0.2, "b": 0.6}
    fields = ("activity", *POSITION_FIELDS)
    small = FusionSettings(weights={name: dict.fromkeys(fields, weight) for name, weight in weights.items()})
    large = FusionSettings(weights={name: dict.fromkeys(fields, 50 * weight) for name, weight in weights.items()})
    assert_alike(fuse_posteriors(members, small), fuse_posteriors(members, large))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives():
    members = {"a": draw_posterior(0), "b": draw_posterior(1), "c": draw_posterior(2, 1)}
    fused = fuse_posteriors({name: member.to("cuda") for name, member in members.items()}, FusionSettings())
    assert fused.activity.device.type == "cuda"
    assert len(decode_frames(fused)[0]) == len(decode_frames(fuse_posteriors(members, FusionSettings()))[0])
    assert_alike(fused.to("cpu"), fuse_posteriors(members, FusionSettings()))


def test_half_precision_files_fuse_in_single_precision():
    fused = fuse_posteriors({"a": draw_posterior(0).map(torch.Tensor.half), "b": draw_posterior(1)}, FusionSettings())
    assert {tensor.dtype for tensor in fused.tensors().values()} == {torch.float32}


def test_the_result_tells_what_it_was_made_of():
    members = {"b": replace(draw_posterior(0), provenance={"checkpoint": "x"}), "a": draw_posterior(1)}
    provenance = fuse_posteriors(members, FusionSettings("nercslip")).provenance
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
    unified = merge_duplicate_tracks(cell([10.0, 10.0 + apart_deg], [0.9, 0.9]))
    assert (unified.activity[0, 0, 0, 1] == 0) == merged


def test_copies_merge_by_way_of_others():
    unified = merge_duplicate_tracks(
        cell([0.0, 24.0, 12.0], [0.9, 0.8, 0.9], distance=[1.0, 2.0, 6.0], onscreen=[0.1, 0.8, 0.9])
    )
    assert unified.activity.flatten().tolist() == pytest.approx([0.9, 0, 0])
    assert unified.distance.flatten()[0] == pytest.approx(3.0)
    assert unified.onscreen.flatten()[0] == pytest.approx(0.1)
    assert 11.0 < azimuths(unified)[0] < 12.0


def test_copies_merge_across_the_rear():
    assert abs(azimuths(merge_duplicate_tracks(cell([176.0, -178.0], [0.9, 0.9])))[0]) == pytest.approx(179.0, abs=1e-3)


def test_a_silent_copy_is_left_alone():
    tracks = cell([0.0, 5.0], [0.9, 0.4])
    assert_alike(merge_duplicate_tracks(tracks), tracks)


def test_a_posterior_of_one_track_is_handed_back_untouched():
    one = draw_posterior(0, 1)
    assert merge_duplicate_tracks(one) is one


def test_a_silent_track_does_not_draw_an_active_one_to_itself():
    fused = fuse_posteriors({"a": cell([0.0, 90.0], [0.0, 0.8]), "b": cell([5.0, -90.0], [0.8, 0.0])}, FusionSettings())
    assert fused.activity.flatten().tolist() == pytest.approx([0.0, 0.8])


def test_a_member_without_direction_speaks_of_the_most_active_track():
    deaf = replace(cell([0.0], [0.6], distance=[2.0]), direction=None)
    fused = fuse_posteriors({"a": cell([0.0, 90.0], [0.2, 0.8]), "b": deaf}, FusionSettings())
    assert fused.activity.flatten().tolist() == pytest.approx([0.2, 0.7])
    assert fused.distance.flatten()[1] == pytest.approx(2.0)
    assert fused.distance.flatten()[0].isnan()


def test_directions_average_on_vectors_across_the_rear():
    fused = fuse_posteriors({"a": cell([170.0], [0.8]), "b": cell([-170.0], [0.8])}, FusionSettings())
    assert abs(azimuths(fused)[0]) == pytest.approx(180.0, abs=1e-3)
    assert fused.azimuth_std_deg.item() == pytest.approx(10.03, abs=0.02)


def test_a_member_that_hears_nothing_does_not_pull_the_direction():
    fused = fuse_posteriors({"a": cell([40.0], [1.0]), "b": cell([-40.0], [0.0])}, FusionSettings())
    assert azimuths(fused)[0] == pytest.approx(40.0, abs=0.01)


def test_distances_average_as_logarithms():
    fused = fuse_posteriors(
        {"a": cell([0.0], [0.7], distance=[1.0]), "b": cell([0.0], [0.7], distance=[4.0])}, FusionSettings()
    )
    assert fused.distance.item() == pytest.approx(2.0)


def test_the_spread_is_that_of_all_who_hear_whatever_their_weight():
    near, far = cell([0.0], [0.8], distance=[1.0]), cell([90.0], [0.8], distance=[4.0])
    fused = fuse_posteriors({"a": near, "b": far}, FusionSettings(weights={"b": {"direction": 0.0, "distance": 0.0}}))
    assert azimuths(fused)[0] == pytest.approx(0.0, abs=1e-4)
    assert fused.azimuth_std_deg.item() == pytest.approx(math.degrees(math.sqrt(math.log(2))))
    assert fused.distance_log_std.item() == pytest.approx(math.log(2))


def test_the_members_own_doubts_are_part_of_the_mixtures():
    fused = fuse_posteriors(
        {
            "a": cell([20.0], [0.8], distance=[1.0], azimuth_std_deg=[10.0], distance_log_std=[0.3]),
            "b": cell([20.0], [0.8], distance=[4.0], azimuth_std_deg=[20.0], distance_log_std=[0.4]),
        },
        FusionSettings(),
    )
    # Of variances that small, degrees on a circle are those on a line.
    assert fused.azimuth_std_deg.item() == pytest.approx(math.sqrt((10**2 + 20**2) / 2), abs=0.1)
    assert fused.distance_log_std.item() == pytest.approx(math.sqrt(math.log(2) ** 2 + (0.3**2 + 0.4**2) / 2))


def test_the_spread_leans_to_those_that_hear_more():
    fused = fuse_posteriors(
        {"a": cell([0.0], [0.9], distance=[1.0]), "b": cell([0.0], [0.3], distance=[4.0])}, FusionSettings()
    )
    assert fused.distance_log_std.item() == pytest.approx(math.log(4) * math.sqrt(0.75 * 0.25))


def test_one_frame_more_is_trimmed():
    longer, shorter = draw_posterior(0, frames=8), draw_posterior(1, frames=7)
    assert fuse_posteriors({"a": longer, "b": shorter}, FusionSettings()).frames == 7


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_the_best_permutation_beats_every_other(columns):
    fit = torch.randn(40, 4, columns, generator=torch.Generator().manual_seed(0))
    order = find_best_permutation(fit)
    padded = F.pad(fit, (0, 4 - columns))
    assert order.equal(find_best_permutation(padded))
    for rows, chosen in zip(padded, order, strict=True):
        best = max(sum(rows[r, c] for r, c in enumerate(o)) for o in itertools.permutations(range(4)))
        assert rows[torch.arange(4), chosen].sum() == pytest.approx(best.item(), abs=1e-5)


def test_the_reference_has_most_tracks_then_weight_then_the_first_name():
    weight = torch.tensor([[1.0], [1.0], [2.0]]).expand(3, 3)
    assert (
        align({"b": draw_posterior(0, 2), "a": draw_posterior(1, 2), "c": draw_posterior(2, 1)}, weight).reference
        == "a"
    )
    assert (
        align({"b": draw_posterior(0, 1), "a": draw_posterior(1, 1), "c": draw_posterior(2, 1)}, weight).reference
        == "c"
    )


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
        fuse_posteriors({"doa": draw_posterior(0), "sde": UNFIT[message](draw_posterior(1))}, FusionSettings())
    assert str(caught.value) == message


def test_nothing_to_fuse_is_a_usage_error():
    with pytest.raises(UsageError, match="nothing to fuse"):
        fuse_posteriors({}, FusionSettings())
