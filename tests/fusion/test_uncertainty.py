"""Doubts that are fitted hold on scenes that were not fitted on."""

from dataclasses import replace

import pytest
import torch

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors, pool
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.uncertainty import UncertaintyModel, UncertaintySettings
from seldfuse.tune.errors import compute_errors, rank_active_tracks
from seldfuse.tune.reliability import Reliability
from seldfuse.tune.uncertainty import LEVELS, fit_uncertainty

SETTINGS = FusionSettings()


def scenes(seed: int, clips: int = 250) -> tuple[dict[str, Posterior], Posterior]:
    """Two members that err together, now little, now much, with heavy tails, and are further apart where they err more.

    Class 0 is told three times as badly as the others, and the members are too sure of what they hear.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (clips, 10, 13, 1)

    def normal() -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    sounds = (torch.rand(shape, generator=generator) < 0.2).float()
    azimuth_deg = 120 * torch.rand(shape, generator=generator) - 60
    distance_m = 1 + 3 * torch.rand(shape, generator=generator)
    truth = Posterior(sounds, direction_from_azimuth(azimuth_deg), distance_m)
    hard = (0.7 * normal()).exp()
    hard[:, :, 0] *= 3.0
    common_deg = 3.0 * hard * normal() * (1 + 2 * (torch.rand(shape, generator=generator) < 0.1))
    common = common_deg / 40
    members = {}
    for name in ("one", "other"):
        log_odds = 1.8 * ((2 * sounds - 1) * 2.0 + 2.0 * normal() - 1.4)
        own_deg = 3.0 * hard * normal()
        members[name] = Posterior(
            log_odds.sigmoid(),
            direction_from_azimuth(azimuth_deg + common_deg + own_deg),
            distance_m * (common + own_deg / 40).exp(),
        )
    return members, truth


def fitted(seed: int = 0) -> UncertaintySettings:
    members, truth = scenes(seed)
    return fit_uncertainty(*pool(members, SETTINGS), truth)


def test_intervals_hold_what_they_say_on_other_scenes() -> None:
    settings = replace(SETTINGS, uncertainty=fitted(0))
    members, truth = scenes(1)
    said = fuse_posteriors(members, settings)
    for field, name, doubt in (
        ("direction", "azimuth_std_deg", settings.uncertainty.azimuth),
        ("distance", "distance_log_std", settings.uncertainty.distance),
    ):
        error, std = compute_errors(said, truth, field), said.tensors()[name]
        known = ~error.isnan()
        for level in LEVELS:
            inside = (error.abs() <= doubt.intervals[str(level)] * std)[known].float().mean()
            assert inside == pytest.approx(level / 100, abs=0.03)
        assert (error / std)[known].square().mean().sqrt() == pytest.approx(1.0, abs=0.1)
        # Where it is said that they err more, they do.
        doubtful = std > std[known].median()
        rough, fine = (error[known & part].abs().mean() for part in (doubtful, ~doubtful))
        assert rough > 1.5 * fine


def test_members_that_err_together_are_not_taken_for_independent() -> None:
    settings = replace(SETTINGS, uncertainty=fitted(0))
    members, truth = scenes(1)
    apart, told = fuse_posteriors(members, SETTINGS), fuse_posteriors(members, settings)
    known = ~compute_errors(apart, truth, "direction").isnan()
    error = compute_errors(apart, truth, "direction")[known]
    # The members' spread misses what they share: it is too small, the fitted doubt is not.
    assert (error / apart.azimuth_std_deg[known].clamp_min(0.1)).square().mean() > 2.0
    assert (error / told.azimuth_std_deg[known]).square().mean() < 1.3


def test_a_class_that_is_told_badly_gets_more_doubt() -> None:
    doubt = fitted(0).azimuth
    constants = list(doubt.constant.values())
    assert constants[0] > max(constants[1:]) + 0.3
    assert doubt.spread > 0.1


def test_the_probability_holds_on_other_scenes() -> None:
    plain = FusionSettings(combine="log-odds")
    members, truth = scenes(0)
    settings = replace(plain, uncertainty=fit_uncertainty(*pool(members, plain), truth))
    members, truth = scenes(1)
    before, after = (
        Reliability.from_posteriors(fuse_posteriors(members, one), truth).compute_expected_error(Calibration()).mean()
        for one in (plain, settings)
    )
    assert after < 0.5 * before
    alone = fit_uncertainty(*pool(*scenes(0)[:1], SETTINGS), scenes(0)[1], activity=False)
    assert alone.activity is None


def test_a_member_alone_has_a_doubt_too() -> None:
    members, truth = scenes(0)
    lone = {"one": members["one"]}
    settings = replace(SETTINGS, uncertainty=fit_uncertainty(*pool(lone, SETTINGS), truth))
    other, other_truth = scenes(1)
    said = fuse_posteriors({"one": other["one"]}, settings)
    error = compute_errors(said, other_truth, "direction")
    inside = (error.abs() <= settings.uncertainty.azimuth.intervals["80"] * said.azimuth_std_deg)[~error.isnan()]
    assert inside.float().mean() == pytest.approx(0.8, abs=0.03)
    assert settings.uncertainty.azimuth.spread == 0.0


def test_what_is_not_told_has_no_doubt() -> None:
    members, truth = scenes(0, 60)
    deaf = {name: replace(member, direction=None) for name, member in members.items()}
    doubt = fit_uncertainty(*pool(deaf, SETTINGS), truth)
    assert doubt.azimuth is None
    assert doubt.distance is not None
    silent = replace(truth, activity=torch.zeros_like(truth.activity))
    assert fit_uncertainty(*pool(members, SETTINGS), silent).azimuth is None


def test_doubts_come_into_the_events_and_silence_stays_silent() -> None:
    members, _ = scenes(0, 4)
    members = {name: replace(one, activity=one.activity * (one.activity > 0.5)) for name, one in members.items()}
    settings = replace(
        SETTINGS, uncertainty=UncertaintySettings(UncertaintyModel(3.0), UncertaintyModel(2.0), UncertaintyModel(-1.0))
    )
    said = fuse_posteriors(members, settings)
    assert said.activity[fuse_posteriors(members, SETTINGS).activity == 0].eq(0).all()
    (first, *_) = decode_frames(said)
    assert first.table["azimuth_std_deg"].to_numpy() == pytest.approx(7.389, abs=1e-3)
    ratio = first.table["distance_std_m"] / first.table["distance_m"]
    assert ratio.to_numpy() == pytest.approx(0.3679, abs=1e-3)


def test_a_doubt_survives_its_file(tmp_path) -> None:
    import tomli_w

    settings = replace(SETTINGS, uncertainty=fitted(0), combine="log-odds")
    path = tmp_path / "fusion.toml"
    path.write_text(tomli_w.dumps(settings.to_json()))
    assert FusionSettings.read(path) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[uncertainty.elevation]\n", "elevation"),
        ("[uncertainty.azimuth]\nslope = 1", "slope"),
        ("[uncertainty.azimuth]\nspread = 'wide'", "must be a number"),
        ("[uncertainty]\nazimuth = 3", "must be a table"),
        ("[uncertainty.azimuth]\nintervals = { 120 = 1.0 }", "between 0 and 100"),
        ("[uncertainty.azimuth]\nintervals = 4", "azimuth.intervals must be a table, got 4"),
        ("combine = 'harmonic'", "harmonic"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "fusion.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        FusionSettings.read(path)


def test_an_unknown_class_is_refused() -> None:
    members, _ = scenes(0, 2)
    settings = replace(SETTINGS, uncertainty=UncertaintySettings(azimuth=UncertaintyModel(constant={"trumpet": 1.0})))
    with pytest.raises(UsageError, match="trumpet"):
        fuse_posteriors(members, settings)


def test_ranks_count_sources_by_loudness() -> None:
    said = Posterior(torch.tensor([0.2, 0.9, 0.9]).expand(1, 1, 13, 3))
    truth = Posterior(torch.tensor([0.0, 1.0, 1.0]).expand(1, 1, 13, 3))
    assert rank_active_tracks(said, truth)[0, 0, 0].tolist() == [0.0, 1.0, 1.0]
    one = replace(truth, activity=torch.tensor([0.0, 0.0, 1.0]).expand(1, 1, 13, 3))
    assert rank_active_tracks(said, one)[0, 0, 0].tolist() == [0.0, 1.0, 0.0]
