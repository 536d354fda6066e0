"""Smoothing along time: against slow readable twins, its symmetries, and what it wins on simulated tracks."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.baseline import fusion
from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.smooth import SmoothSettings, filter_median, smooth_posterior
from seldfuse.fusion.smooth_activity import TRUSTS, HmmSettings, fit_hmm
from seldfuse.fusion.smooth_activity import smooth_activity as smooth_by_rates
from seldfuse.fusion.smooth_tracks import ACTIVE_ABOVE, RandomWalkSettings, fit_random_walk, smooth_track
from seldfuse.tune.smoothing import fit_smoothing

PAIR = LabelSet("pair", (Label("cat", "Cat"), Label("dog", "Dog")))
HMM = HmmSettings(start={"cat": 0.1, "dog": 0.02}, stop={"cat": 0.2, "dog": 0.5}, trust={"cat": 0.6, "default": 1.0})
WALK = RandomWalkSettings(step={"cat": 0.05, "dog": 0.2}, error=0.3, silent_step={"cat": 1.0, "dog": 0.4})
ALL = SmoothSettings(HMM, WALK, WALK)
DEFAULTS = SmoothSettings(HmmSettings(), RandomWalkSettings(), RandomWalkSettings())


def read(table):
    return FusionSettings.from_table({"smooth": table}).smooth


def smooth_activity(activity, settings, labels):
    return smooth_by_rates(activity, settings.resolve_rates(labels))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_posterior(clips=2, frames=12, tracks=2, labels=PAIR, seed=0):
    shape, generator = (clips, frames, len(labels), tracks), seeded(seed)
    azimuth_deg = 180 * torch.rand(shape, generator=generator) - 90
    return Posterior(
        torch.rand(shape, generator=generator),
        direction_from_azimuth(azimuth_deg),
        torch.rand(shape, generator=generator) * 5 + 0.5,
        onscreen=torch.rand(shape, generator=generator),
        azimuth_std_deg=torch.rand(shape, generator=generator),
        labels=labels,
        provenance={"from": "here"},
    )


def lane(values, cls=0, dtype=torch.float64):
    """A tensor in which one track of one class has these values, in one clip; others are 0."""
    tensor = torch.zeros(1, len(values), 2, 1, dtype=dtype)
    tensor[0, :, cls, 0] = torch.as_tensor(values, dtype=dtype)
    return tensor


def track(azimuth_deg, activity, **fields):
    azimuth = torch.full((1, len(activity), 2, 1), torch.nan)
    azimuth[0, :, 0, 0] = torch.tensor(azimuth_deg)
    return Posterior(lane(activity, dtype=torch.float32), direction_from_azimuth(azimuth), labels=PAIR, **fields)


def same(one, other, **tolerance):
    assert one.provides == other.provides
    for name, value in one.tensors().items():
        torch.testing.assert_close(value, other.tensors()[name], equal_nan=True, msg=name, **tolerance)


# Activity


def enumerated(activity, start, stop, prior, trust):
    """Every sequence of states there is, weighed, and added up by what it says of each frame."""
    odds = np.clip(activity, 1e-6, 1 - 1e-6)
    evidence = ((odds / (1 - odds)) / (prior / (1 - prior))) ** trust
    first, step = {0: stop, 1: start}, {(0, 0): 1 - start, (0, 1): start, (1, 0): stop, (1, 1): 1 - stop}
    sounding, every = np.zeros(len(activity)), 0.0
    for states in product([0, 1], repeat=len(activity)):
        weight = first[states[0]] * np.prod([step[pair] for pair in pairwise(states)])
        weight *= np.prod([ratio for ratio, state in zip(evidence, states, strict=True) if state])
        sounding += weight * np.array(states)
        every += weight
    return sounding / every


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@pytest.mark.parametrize("prior", [None, 0.3])
def test_activity_agrees_with_all_sequences_of_states(frames, prior):
    activity = torch.rand(2, frames, 2, 2, generator=seeded(), dtype=torch.float64) ** 3
    activity[0, 0, 0, 0], activity[1, -1, 1, 1] = 0.0, 1.0
    result = smooth_activity(activity, replace(HMM, prior=prior), PAIR)
    for clip, cls, number in np.ndindex(2, 2, 2):
        start, stop, trust = (0.1, 0.02)[cls], (0.2, 0.5)[cls], (0.6, 1.0)[cls]
        numbers = (start, stop, prior or start / (start + stop), trust)
        lane = activity[clip, :, cls, number].numpy()
        expected = enumerated(lane, *numbers)
        np.testing.assert_allclose(result[clip, :, cls, number].numpy(), expected, rtol=1e-5)
        np.testing.assert_allclose(fusion.forward_backward(lane, *numbers), expected)


def test_a_flicker_goes_and_a_dropout_is_filled():
    settings = HmmSettings(start=0.01, stop=0.05)
    flicker = smooth_activity(lane([0.02] * 5 + [0.7] + [0.02] * 5), settings, PAIR)[0, :, 0, 0]
    dropout = smooth_activity(lane([0.9] * 5 + [0.1] + [0.9] * 5), settings, PAIR)[0, :, 0, 0]
    assert flicker.max() < 0.3
    assert dropout.min() > 0.7


def test_a_chain_without_memory_leaves_probabilities_as_they_are():
    activity = some_posterior().activity
    torch.testing.assert_close(smooth_activity(activity, HmmSettings(0.5, 0.5), PAIR), activity)


@pytest.mark.parametrize("rates", [(1e-9, 1e-9), (1 - 1e-9, 1 - 1e-9), (1e-9, 0.9), (0.9, 1e-9)])
@pytest.mark.parametrize("prior", [None, 1e-9, 1 - 1e-9])
def test_extremes_stay_finite_over_a_long_clip(rates, prior):
    for value in (0.0, 0.5, 1.0):
        result = smooth_activity(lane([value] * 300, dtype=torch.float32), HmmSettings(*rates, prior=prior), PAIR)
        assert ((result >= 0) & (result <= 1)).all()


def test_certainty_stays_certain_over_a_long_clip():
    for value in (0.0, 1.0):
        result = smooth_activity(lane([value] * 300, dtype=torch.float32), HmmSettings(1e-9, 1e-9), PAIR)[0, :, 0, 0]
        torch.testing.assert_close(result, torch.full_like(result, value), atol=1e-5, rtol=0)


def test_a_frame_that_says_nothing_is_bridged():
    settings = HmmSettings(start=0.01, stop=0.05)
    nan = float("nan")
    assert smooth_activity(lane([0.9, 0.9, nan, 0.9]), settings, PAIR)[0, 2, 0, 0] > 0.9
    silent = smooth_activity(lane([nan, nan, nan]), settings, PAIR)[0, :, 0, 0]
    torch.testing.assert_close(silent, torch.full_like(silent, 0.01 / 0.06))


def test_less_trust_is_less_sure():
    activity = lane([0.6] * 20)
    sure, wary = (
        smooth_activity(activity, HmmSettings(0.1, 0.1, trust=trust), PAIR)[0, 10, 0, 0] for trust in (1, 0.2)
    )
    assert 0.5 < wary < sure


# Direction and distance


def test_distance_and_direction_agree_with_a_dense_gaussian():
    posterior = some_posterior(frames=15)
    posterior.distance[0, 3:6, 0, 0] = torch.nan
    sounding = torch.rand(posterior.activity.shape, generator=seeded(1))
    distance, direction = (
        smooth_track(name, posterior, sounding, WALK.resolve_growth(posterior.labels))
        for name in ("distance", "direction")
    )
    for clip, cls, number in np.ndindex(2, 2, 2):
        here = (clip, slice(None), cls, number)
        activity, metres = posterior.activity[here].double().numpy(), posterior.distance[here].double().numpy()
        numbers = (sounding[here].numpy(), (0.05, 0.2)[cls], 0.3, (1.0, 0.4)[cls])
        weight = np.where(activity > ACTIVE_ABOVE, activity, 0)
        known = np.where(np.isnan(metres), 0, weight)
        expected = np.exp(fusion.walked(np.log(np.nan_to_num(metres, nan=1.0)), known, *numbers))
        np.testing.assert_allclose(distance[here].numpy(), expected, rtol=1e-4)
        vectors = posterior.direction[here].double().numpy()
        mean = fusion.walked(vectors, weight, *numbers)
        expected = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
        np.testing.assert_allclose(direction[here].numpy(), expected, atol=1e-4)


def test_between_heard_frames_it_moves_evenly_and_outside_it_stands_still():
    nan = float("nan")
    posterior = track([nan, 0.0, 55.0, nan, 20.0, nan], [0.9, 0.9, 0.1, 0.9, 0.9, 0.0])
    settings = RandomWalkSettings(step=1.0, error=1e-3, silent_step=1.0)
    result = smooth_posterior(posterior, SmoothSettings(direction=settings))
    azimuth = azimuth_from_direction(result.direction)[0, :, 0, 0]
    assert azimuth.tolist() == pytest.approx([0, 0, 20 / 3, 40 / 3, 20, 20], abs=0.1)


def test_a_track_that_is_never_heard_stays_as_it_is():
    posterior = track([10.0, -70.0, 30.0], [0.1, ACTIVE_ABOVE, 0.0])
    same(smooth_posterior(posterior, SmoothSettings(direction=WALK)), posterior)


def test_events_far_apart_do_not_attract_each_other():
    azimuth, activity = [-60.0] * 10 + [0.0] * 20 + [60.0] * 10, [0.9] * 10 + [0.0] * 20 + [0.9] * 10
    apart = smooth_posterior(track(azimuth, activity), SmoothSettings(direction=RandomWalkSettings(0.01, 0.3, 0.5)))
    alike = smooth_posterior(track(azimuth, activity), SmoothSettings(direction=RandomWalkSettings(0.01, 0.3, 0.01)))
    ends = [9, 30]
    assert azimuth_from_direction(apart.direction)[0, ends, 0, 0].tolist() == pytest.approx([-60, 60], abs=1.5)
    assert azimuth_from_direction(alike.direction)[0, ends, 0, 0].abs().max() < 50


def test_a_dropout_that_activity_fills_does_not_break_the_track():
    activity = [0.9] * 8
    activity[4] = 0.1
    posterior = track([0.0] * 4 + [80.0] + [20.0] * 3, activity)
    walk = RandomWalkSettings(0.001, 0.3, 5.0)
    broken, whole = (
        azimuth_from_direction(smooth_posterior(posterior, SmoothSettings(hmm, walk)).direction)[0, :, 0, 0]
        for hmm in (None, HmmSettings(0.01, 0.05))
    )
    assert broken[[0, 7]].tolist() == pytest.approx([0, 20], abs=0.5)
    assert whole[[0, 7]].tolist() == pytest.approx([60 / 7] * 2, abs=0.5)


# Both


def test_time_turned_round_is_the_result_turned_round():
    posterior = some_posterior()
    turned = posterior.map(lambda value: value.flip(1))
    same(
        smooth_posterior(turned, ALL),
        smooth_posterior(posterior, ALL).map(lambda value: value.flip(1)),
        atol=1e-5,
        rtol=1e-4,
    )


def test_left_and_right_swapped_mirror_the_result():
    posterior, mirror = some_posterior(), torch.tensor([1.0, -1.0, 1.0])
    mirrored = smooth_posterior(replace(posterior, direction=posterior.direction * mirror), ALL)
    result = smooth_posterior(posterior, ALL)
    same(mirrored, replace(result, direction=result.direction * mirror))


def test_clips_classes_and_tracks_do_not_influence_each_other():
    one, other = some_posterior(clips=4, tracks=3), some_posterior(clips=4, tracks=3, seed=1)
    mixed = one.map(torch.clone)
    for name, value in mixed.tensors().items():
        value[2, :, 1, 0] = other.tensors()[name][2, :, 1, 0]
    expected = smooth_posterior(one, ALL)
    for name, value in expected.tensors().items():
        value[2, :, 1, 0] = smooth_posterior(other, ALL).tensors()[name][2, :, 1, 0]
    same(smooth_posterior(mixed, ALL), expected)
    same(
        smooth_posterior(one, ALL).map(lambda value: value[1:2]),
        smooth_posterior(one.map(lambda value: value[1:2]), ALL),
    )


def test_what_is_not_smoothed_comes_through():
    posterior = some_posterior()
    result = smooth_posterior(posterior, ALL)
    assert (result.labels, result.hop_s, result.provenance) == (posterior.labels, posterior.hop_s, posterior.provenance)
    assert result.onscreen.equal(posterior.onscreen)
    assert result.azimuth_std_deg.equal(posterior.azimuth_std_deg)
    same(smooth_posterior(posterior, SmoothSettings()), posterior)
    assert smooth_posterior(Posterior(posterior.activity, labels=PAIR), ALL).provides == ("activity",)


def test_half_precision_and_single_frames_are_smoothed():
    half = some_posterior(frames=1).map(torch.Tensor.half)
    assert smooth_posterior(half, ALL).activity.dtype == torch.float32


class Counted(TorchDispatchMode):
    """How many operations of torch run."""

    calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        return func(*args, **(kwargs or {}))


def operations(posterior, work):
    with Counted() as counted:
        work(posterior)
    return counted.calls


@pytest.mark.parametrize("work", [lambda it: smooth_posterior(it, DEFAULTS), lambda it: filter_median(it, 5)])
def test_no_loop_runs_over_clips_classes_or_tracks(work):
    few = some_posterior(clips=1, frames=6, tracks=1, labels=DCASE2025)
    many = some_posterior(clips=40, frames=6, tracks=3, labels=DCASE2025)
    assert operations(few, work) == operations(many, work)


# Fitting, on tracks that are simulated


def simulated_chains(clips, frames, start, stop, seed=0, tracks=1):
    """0 and 1, `[clip, frame, cls, track]`, from equilibrium."""
    generator, start, stop = seeded(seed), torch.tensor(start)[:, None], torch.tensor(stop)[:, None]
    chance = torch.rand(frames, clips, len(start), tracks, generator=generator)
    states = [chance[0] < start / (start + stop)]
    for now in chance[1:]:
        states.append(torch.where(states[-1], now >= stop, now < start))
    return torch.stack(states, 1).float()


def seen(truth, noise, seed=1, repeated=1):
    """Probabilities that are right given their prior; the noise of `repeated` frames in a row is the same."""
    noises = torch.randn(truth[:, ::repeated].shape, generator=seeded(seed)).repeat_interleave(repeated, 1)
    share = truth.mean((0, 1, 3))[:, None]
    return ((truth - 0.5) / noise**2 + noises[:, : truth.shape[1]] / noise + share.logit()).sigmoid()


def test_transitions_of_a_simulated_chain_are_recovered():
    truth = simulated_chains(400, 100, [0.02, 0.1], [0.05, 0.3])
    settings = fit_hmm(truth, PAIR)
    assert settings.start == pytest.approx({"cat": 0.02, "dog": 0.1}, rel=0.1)
    assert settings.stop == pytest.approx({"cat": 0.05, "dog": 0.3}, rel=0.1)
    assert fit_hmm(truth > 0, PAIR) == settings


def test_a_step_from_clip_to_clip_is_no_transition():
    truth = torch.zeros(20, 10, 2, 1)
    truth[::2] = 1
    for rates in (fit_hmm(truth, PAIR).start, fit_hmm(truth, PAIR).stop):
        assert max(rates.values()) < 0.01


def test_a_rare_class_leans_on_the_others():
    truth = simulated_chains(100, 100, [0.02, 0.02], [0.05, 0.05])
    truth[..., 1, :] = 0
    truth[0, 4, 1, 0] = 1
    settings = fit_hmm(truth, PAIR)
    assert settings.stop["cat"] == pytest.approx(0.05, rel=0.2)
    assert settings.stop["dog"] == pytest.approx(6 * settings.stop["cat"] / (5 + settings.stop["cat"]), rel=0.05)
    assert 0 < settings.start["dog"] < settings.start["cat"] / 2


def test_trust_is_full_for_independent_frames_and_less_for_repeated_ones():
    truth = simulated_chains(150, 60, [0.05, 0.05], [0.1, 0.1])
    alone = fit_hmm(truth, PAIR, seen(truth, 0.8))
    repeated = fit_hmm(truth, PAIR, seen(truth, 0.8, repeated=5))
    assert alone.trust == {"cat": 1.0, "dog": 1.0}
    assert max(repeated.trust.values()) <= 0.5
    assert set(repeated.trust.values()) <= set(TRUSTS)
    assert alone.prior == pytest.approx({"cat": 1 / 3, "dog": 1 / 3}, rel=0.1)


def test_a_prior_that_the_members_assume_is_found():
    truth = simulated_chains(150, 60, [0.02, 0.02], [0.1, 0.1])
    eager = (seen(truth, 0.8).logit(1e-6) + np.log(4)).sigmoid()
    odds = [prior / (1 - prior) for prior in fit_hmm(truth, PAIR, eager).prior.values()]
    assert odds == pytest.approx([0.8, 0.8], rel=0.1)


@pytest.mark.parametrize("repeated", [1, 3])
def test_activity_is_nearer_to_the_truth_than_any_median(repeated):
    rates = ([0.02, 0.05], [0.05, 0.2])
    before, truth = simulated_chains(200, 50, *rates), simulated_chains(200, 50, *rates, seed=2)
    settings = SmoothSettings(fit_hmm(before, PAIR, seen(before, 0.7, repeated=repeated)))
    said = Posterior(seen(truth, 0.7, seed=3, repeated=repeated), labels=PAIR)

    def mistakes(posterior):
        return ((posterior.activity > 0.5) != (truth > 0.5)).float().mean().item()

    assert mistakes(smooth_posterior(said, settings)) < 0.9 * min(
        mistakes(filter_median(said, size)) for size in (1, 3, 5, 7, 9, 11)
    )


def simulated_walk(clips=60, frames=60, step_deg=1.5, error_deg=12.0, seed=0):
    """True tracks with pauses, after which the source is elsewhere, and what is said of them."""
    generator = seeded(seed)
    sounds = simulated_chains(clips, frames, [0.05, 0.05], [0.05, 0.05], seed)
    event = (sounds.diff(dim=1, prepend=sounds[:, :1]) > 0).cumsum(1)
    begins = 120 * torch.rand(clips, frames + 1, 2, 1, generator=generator) - 60
    walk = (step_deg * torch.randn(sounds.shape, generator=generator)).cumsum(1)
    azimuth = begins.gather(1, event) + walk
    error = error_deg * torch.randn(sounds.shape, generator=generator)
    distance = (0.02 * torch.randn(sounds.shape, generator=generator)).cumsum(1).exp() * 2
    noisy = distance * (0.3 * torch.randn(sounds.shape, generator=generator)).exp()
    lost = torch.rand(sounds.shape, generator=generator)
    truth = Posterior(sounds, direction_from_azimuth(azimuth), distance, labels=PAIR)
    said = Posterior(0.9 * sounds, direction_from_azimuth(azimuth + error), noisy, labels=PAIR)
    nowhere = said.direction.where(lost.unsqueeze(-1) > 0.05, torch.nan)
    return truth, replace(said, direction=nowhere)


def test_steps_and_errors_of_a_simulated_walk_are_recovered():
    truth, said = simulated_walk(clips=200)
    direction, distance = fit_random_walk(truth, said), fit_random_walk(truth, said, "distance")
    fully = 0.9**0.5  # errors are told for an activity of 1
    for name in PAIR.names:
        assert np.degrees(direction.step[name]) == pytest.approx(1.5, rel=0.05)
        assert np.degrees(direction.error[name]) == pytest.approx(12 * fully, rel=0.05)
        assert direction.silent_step[name] > 10 * direction.step[name]
        assert distance.step[name] == pytest.approx(0.02, rel=0.05)
        assert distance.error[name] == pytest.approx(0.3 * fully, rel=0.05)
        assert distance.silent_step[name] == pytest.approx(0.02, rel=0.1)


def median_of_azimuths(azimuth_deg, heard, size):
    """The running median of the heard azimuths around each frame."""
    result, known = np.full(azimuth_deg.shape, np.nan), np.where(heard, azimuth_deg, np.nan)
    for clip, frame, cls, number in np.argwhere(heard):
        window = known[clip, max(frame - size // 2, 0) : frame + size // 2 + 1, cls, number]
        result[clip, frame, cls, number] = np.nanmedian(window)
    return result


def test_tracks_are_nearer_to_the_truth_than_raw_or_any_median():
    settings = fit_smoothing(*simulated_walk())
    truth, said = simulated_walk(clips=10, seed=5)
    result = smooth_posterior(said, settings)
    true_deg, said_deg, smooth_deg = (azimuth_from_direction(it.direction).numpy() for it in (truth, said, result))
    heard = (truth.activity.numpy() > 0.5) & ~np.isnan(said_deg)

    def rms(error):
        return np.sqrt(np.mean(error[heard] ** 2))

    best = min(rms(median_of_azimuths(said_deg, heard, size) - true_deg) for size in (3, 5, 7, 9, 11, 15))
    assert best < rms(said_deg - true_deg)
    assert rms(smooth_deg - true_deg) < 0.9 * best
    assert not np.isnan(smooth_deg[truth.activity.numpy() > 0.5]).any()
    raw, smooth = (np.log(it.distance.numpy() / truth.distance.numpy()) for it in (said, result))
    assert rms(smooth) < 0.5 * rms(raw)


def test_nothing_in_common_is_nothing_to_fit():
    truth, said = simulated_walk(clips=2)
    with pytest.raises(UsageError, match="no frame in which truth and estimate of the direction are both active"):
        fit_random_walk(truth, replace(said, activity=torch.zeros_like(said.activity)))
    with pytest.raises(ValueError, match=r"an estimate of the same shape, got \(2, 60, 2, 1\) and \(2, 59, 2, 1\)"):
        fit_hmm(truth.activity, PAIR, said.activity[:, 1:])


def test_one_true_event_of_a_class_is_enough():
    posterior = track([5.0, 5.0, 5.0], [1.0, 1.0, 0.0])
    settings = fit_random_walk(posterior, posterior)
    assert settings.step == {"cat": 0.0, "dog": 0.0}
    assert settings.error == {"cat": 0.001, "dog": 0.001}
    assert settings.silent_step == {"cat": 0.5, "dog": 0.5}


# The yardstick, and what a file may say


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_median_is_that_of_each_window(size):
    posterior = some_posterior()
    padded = np.pad(posterior.activity.numpy(), [(0, 0), (size // 2, size // 2), (0, 0), (0, 0)], "edge")
    expected = np.stack([np.median(padded[:, frame : frame + size], axis=1) for frame in range(12)], 1)
    result = filter_median(posterior, size)
    np.testing.assert_array_equal(result.activity.numpy(), expected)
    same(replace(result, activity=posterior.activity), posterior)


@pytest.mark.parametrize("size", [-1, 0, 4])
def test_a_median_of_an_even_number_is_refused(size):
    with pytest.raises(ValueError, match=f"a median needs an odd number of frames, got {size}"):
        filter_median(some_posterior(), size)


TABLE = {
    "activity": {"start": 0.01, "stop": {"dog": 0.2, "default": 0.05}, "trust": 1},
    "direction": {"step": 0.02, "error": {"cat": 0.1}},
}


def test_a_table_is_read_and_written_back():
    settings = read(TABLE)
    assert settings.activity == HmmSettings(0.01, {"dog": 0.2, "default": 0.05}, None, 1)
    assert settings.direction == RandomWalkSettings(0.02, {"cat": 0.1})
    assert settings.distance is None
    assert read(settings.to_json()) == settings
    assert "prior" not in settings.to_json()["activity"]
    assert read({}).to_json() == {}


def test_fitted_settings_are_written_and_read():
    settings = fit_smoothing(*simulated_walk(clips=5))
    assert read(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"activty": {}},
            r"'activty' is no setting of smooth \(activity, direction, distance\); did you mean 'activity'?",
        ),
        ({"activity": 3}, r"smooth.activity must be a table, got 3"),
        ({"activity": {"begin": 1}}, r"'begin' is no setting of smooth.activity \(start, stop, prior, trust\)"),
        ({"activity": {"stop": "soon"}}, r"smooth.activity.stop must be a number between 0 and 1, got 'soon'"),
        ({"activity": {"start": 1.0}}, r"smooth.activity.start must be a number between 0 and 1, got 1.0"),
        ({"activity": {"prior": {"cat": 0}}}, r"smooth.activity.prior.cat must be a number between 0 and 1, got 0"),
        ({"activity": {"trust": 1.5}}, r"smooth.activity.trust must be a number above 0, at most 1, got 1.5"),
        ({"distance": {"error": {"cat": 0.0}}}, r"smooth.distance.error.cat must be a number above 0, got 0.0"),
        ({"direction": {"step": -1}}, r"smooth.direction.step must be a number, 0 or more, got -1"),
    ],
)
def test_a_table_says_what_is_wrong_with_it(table, message):
    with pytest.raises(UsageError, match=message):
        read(table)


@pytest.mark.parametrize("field", ["activity", "direction", "distance"])
def test_an_unknown_class_is_refused(field):
    numbers = {"stop": {"cow": 0.1}} if field == "activity" else {"step": {"cow": 0.1}}
    settings = read({field: numbers})
    with pytest.raises(UsageError, match="'cow' is no class of pair"):
        settings.resolve_for(PAIR, torch.device("cpu"))
    read(TABLE).resolve_for(PAIR, torch.device("cpu"))
