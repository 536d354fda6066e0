"""Laws of fusion, for every way to combine: what must not change the result does not."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baseline.fusion import POSITION_FIELDS, assert_alike, draw_posterior
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import FusionSettings, fuse_posteriors, merge_duplicate_tracks
from seldfuse.fusion.combiners import COMBINERS
from seldfuse.fusion.smooth import SmoothSettings, smooth_posterior
from seldfuse.fusion.smooth_activity import HmmSettings
from seldfuse.fusion.smooth_tracks import RandomWalkSettings
from seldfuse.fusion.uncertainty import UncertaintyModel, UncertaintySettings

# The same examples every time: now and then two tracks would fit a third equally well, within rounding.
few = settings(max_examples=25, deadline=None, derandomize=True)

SMOOTH = SmoothSettings(HmmSettings(0.1, 0.2, trust=0.7), RandomWalkSettings(0.05), RandomWalkSettings(0.05))
DOUBT = UncertaintySettings(
    UncertaintyModel({"cat": 0.2, "default": -0.1}, 0.8, -0.05, 0.1),
    UncertaintyModel(2.5, -0.08, 0.4, -0.1, 0.7),
    UncertaintyModel(-1.0, -0.1, 0.5, -0.05, 0.3),
)
# Doubt by the activity alone, whoever else speaks.
LONELY = UncertaintySettings(UncertaintyModel(0.1, 0.8), UncertaintyModel(2.5, -0.08), UncertaintyModel(-1.0, -0.1))
MIRROR = torch.tensor([1.0, -1.0, 1.0])

ways = st.sampled_from(list(COMBINERS))
orders = st.permutations(range(3))
some_tracks = st.integers(1, 3)
some_fields = st.sets(st.sampled_from(POSITION_FIELDS))


def stages(uncertainty):
    """Settings with nothing but a way to combine, or with smoothing and uncertainty as well."""
    more = st.sampled_from([{}, {"smooth": SMOOTH, "uncertainty": uncertainty}])
    return st.builds(lambda way, rest: FusionSettings(combine=way, **rest), ways, more)


def posteriors(tracks=some_tracks, fields=some_fields):
    drawn = st.tuples(st.integers(0, 2**16), tracks, fields)
    return drawn.map(lambda it: draw_posterior(it[0], it[1], sorted(it[2]), frames=5))


def with_tracks(posterior, order):
    return posterior.map(lambda value: value[:, :, :, list(order)])


def clip(posterior, number, fields):
    """One clip with some of its fields."""
    kept = {name: value[number : number + 1] for name, value in posterior.tensors().items() if name in fields}
    return Posterior(**kept, labels=posterior.labels)


@few
@given(posteriors(), ways, st.sampled_from([SmoothSettings(), SMOOTH]))
def test_an_ensemble_of_one_is_that_one_unified(one, way, smooth):
    fused = fuse_posteriors({"a": one}, FusionSettings(combine=way, smooth=smooth))
    # Logarithms know no activity below a millionth.
    assert_alike(fused, smooth_posterior(merge_duplicate_tracks(one), smooth), atol=2e-6)


@few
@given(posteriors(), stages(LONELY), st.integers(2, 4), st.sampled_from(["mean", "nercslip"]))
def test_a_posterior_fused_with_itself_stays_as_it_is(one, stage, times, preset):
    """The members are no distance apart."""
    fused = fuse_posteriors(dict.fromkeys("abcd"[:times], one), replace(stage, preset=preset))
    alone = fuse_posteriors({"a": one}, replace(stage, preset=preset))
    if stage.uncertainty == UncertaintySettings():
        assert (fused.azimuth_std_deg is not None) == (one.direction is not None)
        for name, atol in (("azimuth_std_deg", 0.1), ("distance_log_std", 1e-3)):
            mixed, own = getattr(fused, name), getattr(alone, name)
            expected = torch.zeros_like(fused.activity) if own is None else own.nan_to_num()
            assert mixed is None or torch.allclose(mixed.nan_to_num(), expected, atol=atol)
        fused, alone = (replace(one, azimuth_std_deg=None, distance_log_std=None) for one in (fused, alone))
    assert_alike(fused, alone, atol=2e-6)


@few
@given(st.lists(posteriors(), min_size=2, max_size=4), stages(DOUBT), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(drawn, stage, random):
    members = list(zip("abcd", drawn, strict=False))
    forth = fuse_posteriors(dict(members), stage)
    random.shuffle(members)
    assert_alike(fuse_posteriors(dict(members), stage), forth, rtol=0, atol=0)


@few
@given(st.lists(posteriors(st.just(1)), min_size=2, max_size=4), stages(LONELY), st.randoms(use_true_random=False))
def test_the_names_of_members_of_one_track_do_not_matter(drawn, stage, random):
    plain = fuse_posteriors(dict(zip("abcd", drawn, strict=False)), stage)
    random.shuffle(drawn)
    assert_alike(fuse_posteriors(dict(zip("abcd", drawn, strict=False)), stage), plain)


@few
@given(st.lists(posteriors(st.just(3)), min_size=2, max_size=2), stages(DOUBT), orders, orders)
def test_the_order_of_tracks_does_not_matter(drawn, stage, first, second):
    """The result has the tracks in the reference's order. Nothing is unified, for that keeps the first of several."""
    stage = replace(stage, unify_angle_deg=0.0)
    plain = fuse_posteriors(dict(zip("ab", drawn, strict=True)), stage)
    members = {"a": with_tracks(drawn[0], first), "b": with_tracks(drawn[1], second)}
    assert_alike(fuse_posteriors(members, stage), with_tracks(plain, first))


@few
@given(st.lists(posteriors(), min_size=2, max_size=3), posteriors(), st.sampled_from("0z"), stages(DOUBT))
def test_a_member_that_knows_nothing_of_a_clip_leaves_it_to_the_others(drawn, other, name, stage):
    others = dict(zip("abc", drawn, strict=False))
    tracks = max(member.tracks for member in drawn)
    other = with_tracks(other, range(min(tracks, other.tracks)))
    silent = other.map(lambda value: torch.cat([torch.full_like(value[:1], torch.nan), value[1:]]))
    without, with_silent = fuse_posteriors(others, stage), fuse_posteriors(others | {name: silent}, stage)
    fields = without.provides
    assert_alike(clip(with_silent, 0, fields), clip(without, 0, fields))
    whole = fuse_posteriors(others | {name: other}, stage)
    assert_alike(clip(with_silent, 1, whole.provides), clip(whole, 1, whole.provides))


@few
@given(st.lists(posteriors(), min_size=1, max_size=3), posteriors(fields=st.just(())), stages(LONELY))
def test_a_member_without_a_field_leaves_it_to_the_others(drawn, deaf, stage):
    others = dict(zip("abc", drawn, strict=False))
    tracks = max(member.tracks for member in drawn)
    deaf = with_tracks(deaf, range(min(tracks, deaf.tracks)))
    fused = fuse_posteriors(others | {"z": deaf}, replace(stage, weights={"z": {"activity": 0.0}}))
    assert_alike(fused, fuse_posteriors(others, stage))


@few
@given(st.lists(posteriors(), min_size=1, max_size=3), stages(DOUBT))
def test_swapping_left_and_right_mirrors_the_result(drawn, stage):
    def mirrored(posterior):
        return posterior if posterior.direction is None else replace(posterior, direction=posterior.direction * MIRROR)

    members = dict(zip("abc", drawn, strict=False))
    swapped = fuse_posteriors({name: mirrored(member) for name, member in members.items()}, stage)
    assert_alike(mirrored(swapped), fuse_posteriors(members, stage))
