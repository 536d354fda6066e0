"""Calibration, weights and the fit of all: they find what was put in, and are scored on recordings not fitted to."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from third_party_scores import third_party_scores as third_party_scores
from tuning_worlds import FRAMES, draw_data, draw_estimate, draw_target
from tuning_worlds import folders as folders
from worlds import call

from seldfuse.catalogue.values import PairLimits
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.smooth import SmoothSettings
from seldfuse.fusion.smooth_activity import HmmSettings
from seldfuse.fusion.smooth_tracks import RandomWalkSettings
from seldfuse.fusion.uncertainty import UncertaintySettings
from seldfuse.tune.fit import Objective, PooledMembers, fit_all, fit_members, fit_pooled
from seldfuse.tune.fusion import CANDIDATES, tune_fusion
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.tuning_data import TuningData, read_tuning_data
from seldfuse.tune.weights import fit_weights


def test_calibration_finds_the_temperature_and_the_bias_that_were_put_in() -> None:
    target = draw_target(400, 0)
    estimate = draw_estimate(target, 1, 5.0, temperature=2.5, bias=-1.0)
    found = Reliability.from_posteriors(estimate, target).fit()
    assert isinstance(found.temperature, Mapping)
    assert isinstance(found.bias, Mapping)
    assert list(found.temperature.values()) == pytest.approx([2.5] * 13, rel=0.12)
    assert list(found.bias.values()) == pytest.approx([-1.0] * 13, abs=0.3)


def test_calibration_lowers_the_expected_error_on_other_clips() -> None:
    target, other = draw_target(300, 0), draw_target(300, 5)
    fitted = Reliability.from_posteriors(draw_estimate(target, 1, 5.0, 3.0), target).fit()
    there = Reliability.from_posteriors(draw_estimate(other, 2, 5.0, 3.0), other)
    assert there.compute_expected_error(Calibration()).mean() > 0.05
    assert there.compute_expected_error(fitted).mean() < 0.03
    calibrated = Reliability.from_posteriors(fitted.apply(draw_estimate(other, 2, 5.0, 3.0)), other)
    assert calibrated.compute_expected_error(Calibration()).mean() == pytest.approx(
        float(there.compute_expected_error(fitted).mean()), abs=0.01
    )


def test_a_class_that_hardly_sounds_is_calibrated_as_the_others_are() -> None:
    target = draw_target(400, 0)
    estimate = draw_estimate(target, 1, 5.0, temperature=2.0)
    target.activity[:, :, 4] = 0.0
    target.activity[:2, 3:6, 4, 0] = 1.0
    estimate.activity[:, :, 4] = 0.4  # uninformative
    found = Reliability.from_posteriors(estimate, target).fit()
    assert found.temperature["laughter"] == pytest.approx(2.0, rel=0.25)


def test_a_calibration_of_nothing_changes_nothing_and_silence_stays() -> None:
    estimate = draw_estimate(draw_target(5, 0), 1, 5.0)
    assert torch.allclose(Calibration().apply(estimate).activity, estimate.activity, atol=1e-6)
    silent = replace(estimate, activity=torch.zeros_like(estimate.activity))
    assert torch.equal(Calibration(2.0, 3.0).apply(silent).activity, silent.activity)


def test_the_better_member_gets_the_larger_weight() -> None:
    target = draw_target(200, 0)
    members = {"sharp": draw_estimate(target, 1, 4.0), "blunt": draw_estimate(target, 2, 16.0)}
    weights = fit_weights(members, target)
    ratios = [weights["sharp"]["direction"][name] / weights["blunt"]["direction"][name] for name in DCASE2025.names]
    assert np.median(ratios) == pytest.approx(16.0, rel=0.4)
    assert all(weights["sharp"]["distance"][name] == pytest.approx(1.0, abs=0.01) for name in DCASE2025.names)
    alone = fit_weights({"sharp": members["sharp"], "blunt": replace(members["blunt"], direction=None)}, target)
    assert "direction" not in alone["sharp"]


def test_activities_are_weighed_by_the_mixture_that_makes_the_target_likeliest() -> None:
    target = draw_target(300, 0)
    good, noise = draw_estimate(target, 1, 5.0), draw_estimate(target, 2, 5.0)
    shuffled = replace(noise, activity=noise.activity[torch.randperm(300, generator=torch.Generator().manual_seed(0))])
    weights = fit_weights({"good": good, "noise": shuffled}, target)
    assert all(weights["good"]["activity"][name] > 1.6 for name in DCASE2025.names)
    even = fit_weights({"good": good, "as good": draw_estimate(target, 3, 5.0)}, target)
    assert np.mean(list(even["good"]["activity"].values())) == pytest.approx(1.0, abs=0.15)
    # Of two mixtures none on a grid is likelier than the one that was found.
    sounds, chance = target.activity[..., 0] > 0.5, torch.stack([good.activity, shuffled.activity])[..., 0]
    audible = (chance > 0.05).any(0)

    def surprise(share: float) -> float:
        mixed = share * chance[0] + (1 - share) * chance[1]
        return float(-torch.where(sounds, mixed, 1 - mixed).log()[audible].mean())

    found = np.mean(list(weights["good"]["activity"].values())) / 2
    assert surprise(found) <= min(surprise(share) for share in np.linspace(0.05, 0.999, 30)) + 1e-3


def test_on_screen_is_weighed_where_one_source_sounds() -> None:
    target = draw_target(200, 0)
    onscreen = (target.direction[..., 1] > 0).float()
    target = replace(target, onscreen=onscreen)
    good = replace(draw_estimate(target, 1, 5.0), onscreen=0.1 + 0.8 * onscreen[..., :1])
    blind = replace(draw_estimate(target, 2, 5.0), onscreen=torch.full_like(onscreen[..., :1], 0.5))
    weights = fit_weights({"good": good, "blind": blind}, target)
    assert all(weights["good"]["onscreen"][name] > 1.8 for name in DCASE2025.names)


def test_tuning_pays_on_recordings_that_were_not_fitted_to() -> None:
    result = tune_fusion(draw_data(), FusionSettings(), folds=3)
    best = max(result.candidates, key=lambda candidate: candidate.cross_validated.value)
    assert result.winner.candidate == best
    assert best.parts
    assert best.gain.low > 0
    assert best.cross_validated.value == pytest.approx(result.preset.value + best.gain.value)
    scores = {candidate.parts: candidate.cross_validated.value for candidate in result.candidates}
    assert scores["weights", "decoding"] > scores["decoding",]
    assert scores["decoding",] > scores[()]
    assert max(score for *_, score in result.starts) == pytest.approx(scores[()])
    assert len(result.compared) == len(result.winner.posterior.activity) == 120


def test_of_many_clips_candidates_are_compared_on_some(monkeypatch: pytest.MonkeyPatch) -> None:
    from seldfuse.tune import fusion

    monkeypatch.setattr(fusion, "COMPARED_CLIPS", 60)
    result = tune_fusion(draw_data(), FusionSettings(), folds=3)
    assert len(result.compared) == len(result.winner.posterior.activity) == 60
    assert result.settings != result.winner.settings
    assert result.settings == fit_all(draw_data(), result.start, result.winner.candidate.parts, Objective())[0]


def test_clips_are_sampled_by_recordings() -> None:
    given = draw_data()
    some = given.sample_clips(31, 5)
    assert len(some) == 32
    assert some.recording.bincount().tolist() == [2] * 16
    assert given.sample_clips(31, 5).target.activity.equal(some.target.activity)
    assert given.sample_clips(120, 5) is given


def test_the_preset_stays_where_nothing_is_to_be_learned() -> None:
    target = draw_target(60, 0)
    perfect = replace(target.map(lambda value: value[:, :, :, :1]), activity=0.02 + 0.96 * target.activity[..., :1])
    given = TuningData({"one": perfect}, target, decode_frames(target), torch.arange(60))
    result = tune_fusion(given, FusionSettings(), folds=3)
    assert result.winner.candidate.parts == ()
    assert replace(result.settings, uncertainty=UncertaintySettings()) == FusionSettings()


def test_clips_of_one_recording_are_never_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    from seldfuse.tune import fusion

    given, fitted_on = draw_data(), []
    for name in ("fit_members", "fit_pooled"):
        real = getattr(fusion, name)

        def spy(part: TuningData, *arguments, real=real):
            fitted_on.append(set(part.recording[arguments[-1]].tolist()))
            assert not fitted_on[-1] & set(part.recording[~arguments[-1]].tolist())
            return real(part, *arguments)

        monkeypatch.setattr(fusion, name, spy)
    tune_fusion(given, FusionSettings(), folds=3)
    everything = set(given.recording.tolist())
    parts = [recordings for recordings in fitted_on if recordings != everything]
    assert len(parts) == 2 * 3 * len(CANDIDATES)
    assert sum(len(everything - recordings) for recordings in parts[::2][:3]) == len(everything)


def test_what_a_fold_is_fitted_to_does_not_depend_on_what_it_is_scored_on() -> None:
    given = draw_data()
    train = given.recording % 3 != 0
    other = replace(given, target=given.target.map(torch.clone))
    other.target.activity[~train] = other.target.activity[~train].flip(2)
    found = []
    for one in (given, other):
        parts = CANDIDATES[-2]
        upstream = fit_members(one, FusionSettings(), parts, train)
        found.append(
            fit_pooled(one, PooledMembers.from_members(one, upstream, Objective()), parts, Objective(), train)[0]
        )
    assert found[0] == found[1]


def test_what_is_smoothed_afterwards_is_as_if_pooled_so() -> None:
    given = draw_data()
    smooth = SmoothSettings(HmmSettings(), RandomWalkSettings(), RandomWalkSettings())
    later = PooledMembers.from_members(given, FusionSettings(), Objective()).smooth_with(smooth)
    at_once = PooledMembers.from_members(given, FusionSettings(smooth=smooth), Objective())
    assert later.settings == at_once.settings
    for name, value in at_once.posterior.tensors().items():
        assert torch.equal(later.posterior.tensors()[name], value)
    assert torch.equal(later.evidence.log_odds, at_once.evidence.log_odds)
    assert later.rows.hits.equal(at_once.rows.hits)


def test_too_few_recordings_are_refused_with_a_reason() -> None:
    given = draw_data(30)
    with pytest.raises(UsageError, match=r"expected at least 20 recordings to fit on.*got 15; fewer would fit"):
        tune_fusion(given, FusionSettings())


def test_a_score_that_no_member_can_have_is_refused() -> None:
    given = draw_data(60)
    without_distance = replace(given, members={"sharp": replace(given.members["sharp"], distance=None)})
    with pytest.raises(UsageError, match="f20_1 needs what no member, or no label, has"):
        tune_fusion(without_distance, FusionSettings(), folds=3)


def test_the_error_names_all_fields_that_the_score_needs() -> None:
    given = draw_data(60)
    without_direction = replace(given, members={"sharp": replace(given.members["sharp"], direction=None)})
    with pytest.raises(UsageError, match=r"f20_1_on needs .* has: direction, distance or on-screen; add a member"):
        tune_fusion(without_direction, FusionSettings(), Objective("f20_1_on"), folds=3)


def test_a_score_that_cannot_be_fitted_to_is_refused_with_those_that_can(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"cannot be fitted to doae_deg; --criterion takes f20_1, f20_1_on, f20, f1,"):
        Objective("doae_deg")
    given = [str(folders / "sharp"), "--reference", str(folders / "reference")]
    assert call("tune", *given, "--criterion", "rde") == 2
    assert call("tune", *given, "--criterion", "f99") == 3
    shown = " ".join(capsys.readouterr().err.split())
    assert "--criterion takes f20_1, f20_1_on" in shown
    assert "there is no score 'f99'" in shown


@pytest.mark.usefixtures("third_party_scores")
def test_of_what_is_fitted_to_a_plugins_error_the_least_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from seldfuse.tune import fusion

    monkeypatch.setattr(fusion, "CANDIDATES", ((), ("weights", "decoding")))
    objective = Objective("acme_rms_deg")
    assert objective.limits == PairLimits(azimuth_deg=20.0)
    result = tune_fusion(draw_data(60), FusionSettings(), objective, folds=2)
    errors_deg = [value for _, _, value in result.starts]
    chosen = (result.start.preset, result.start.combine)
    assert next(value for *kind, value in result.starts if tuple(kind) == chosen) == min(errors_deg)
    found_deg = [candidate.cross_validated.value for candidate in result.candidates]
    assert result.winner.candidate.cross_validated.value == min(found_deg)
    assert result.winner.candidate.gain.value < 0
    assert result.winner.candidate.parts == ("weights", "decoding")


def test_near_sources_of_one_class_become_one_where_that_scores() -> None:
    target = draw_target(60, 0)
    pair_deg = torch.tensor([0.0, 20.0]) + torch.zeros(60, FRAMES, 13, 2)
    azimuth_deg = torch.rad2deg(torch.atan2(target.direction[..., :1, 1], target.direction[..., :1, 0]))
    estimate = Posterior(
        0.02 + 0.9 * target.activity[..., :1].repeat(1, 1, 1, 2),
        direction_from_azimuth(azimuth_deg - 5 + pair_deg),
        2.0 * torch.ones(60, FRAMES, 13, 2),
    )
    given = TuningData({"double": estimate}, target, decode_frames(target), torch.arange(60))
    everything = torch.ones(60, dtype=torch.bool)
    pooled = PooledMembers.from_members(given, FusionSettings(), Objective())
    settings, _ = fit_pooled(given, pooled, ("decoding",), Objective(), everything)
    assert settings.decode.unify_angle_deg >= 25.0


def test_the_command_writes_settings_that_fuse_takes(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = [str(folders / "sharp"), str(folders / "blunt")]
    out = folders / "fusion.toml"
    given = ["--reference", str(folders / "reference"), "-o", str(out), "--folds", "3"]
    assert call("tune", "fusion", *members, *given, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [tuple(candidate["parts"]) for candidate in printed["candidates"]] == list(CANDIDATES)
    assert printed["chosen"]
    settings = FusionSettings.read(out)
    assert settings.to_json() == printed["settings"] == tomllib.loads(out.read_text())
    assert call("fuse", *members, "--fusion", str(out), "-o", str(folders / "merged")) == 0
    read = read_tuning_data([folders / "sharp", folders / "blunt"], folders / "reference", print)
    (first, *_) = decode_frames(fuse_posteriors(read.members, settings), settings.decode)
    written = folders / "merged" / "fold4_room1_mix000_deg000_start0000.csv"
    assert len(written.read_text().splitlines()) - 1 == len(first)


def test_views_of_one_recording_count_as_one(folders: Path) -> None:
    read = read_tuning_data([folders / "sharp"], folders / "reference", print)
    assert read.recording.tolist() == [clip // 2 for clip in range(60)]


def test_clips_that_are_not_everywhere_are_left_out_and_reported(folders: Path) -> None:
    next((folders / "sharp").glob("*_mix003_deg001*")).unlink()
    next((folders / "reference").glob("*_mix004_deg000*")).unlink()
    warnings: list[str] = []
    read = read_tuning_data([folders / "sharp", folders / "blunt"], folders / "reference", warnings.append)
    assert len(read) == 58
    assert warnings == ["2 clips were left out: a member or the reference lacks them"]
    for path in (folders / "reference").glob("*.csv"):
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(UsageError, match="expected clips that all members and the reference have, found none"):
        read_tuning_data([folders / "sharp"], folders / "reference", print)


def test_official_scoring_leaves_out_what_the_scorer_does(folders: Path) -> None:
    read = read_tuning_data([folders / "sharp"], folders / "reference", print)
    scored = read.keep_scored(official=True)
    for clip, rows in enumerate(read.references):
        last = int(rows[:, 0].max()) if len(rows) else 0
        assert scored[clip].tolist() == [frame < last for frame in range(read.target.frames)]
    assert read.keep_scored(official=False) is None
