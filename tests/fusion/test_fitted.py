"""Which settings of fusion a run gets where nobody named any."""

from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from seldfuse.errors import UsageError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.calibrate import Calibration
from seldfuse.fusion.fitted import EACH, FITTED, choose_fusion, find_path, list_fitted

PAIR = FusionSettings(
    combine="log-odds", weights={"doa": {"direction": 2.0}}, calibration={"sce": Calibration(temperature=1.5)}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    each = FusionSettings(calibration={"doa": Calibration(temperature=1.2), "cmc": Calibration(temperature=1.4)})
    for name, settings in (("doa+sce", PAIR), (EACH, each)):
        (tmp_path / f"{name}.toml").write_text(tomli_w.dumps(settings.to_json()))
    return tmp_path


def test_exactly_the_fitted_set_gets_its_settings_by_any_name_and_in_any_order(folder: Path) -> None:
    chosen = choose_fusion("auto", {"sed-sce": "sce", "doa": "doa"}, folder)
    expected = replace(PAIR, calibration={"sed-sce": PAIR.calibration["sce"]})
    assert chosen.settings == expected == choose_fusion("tuned", {"doa": "doa", "sed-sce": "sce"}, folder).settings
    assert (chosen.note, chosen.to_json()) == ("fusion: fitted for sed-sce, doa", {"fusion_fitted_for": ["doa", "sce"]})


def test_another_set_gets_equal_weights_and_each_members_own_calibration(folder: Path) -> None:
    chosen = choose_fusion("auto", {"cmc": "cmc", "sed-doa": "doa"}, folder)
    calibration = {"cmc": Calibration(temperature=1.4), "sed-doa": Calibration(temperature=1.2)}
    assert chosen.settings == FusionSettings(calibration=calibration)
    assert "each member calibrated by itself; nothing was fitted to cmc, sed-doa together" in chosen.note
    assert chosen.to_json() == {"fusion_calibrated": ["cmc", "doa"]}


@pytest.mark.parametrize("members", [{"cmc@mine": None}, {"sce": "sce"}, {"theirs": None, "doa": "doa"}])
def test_a_member_without_a_calibration_means_the_mean(members: dict[str, str | None], folder: Path) -> None:
    chosen = choose_fusion("auto", members, folder)
    assert chosen.settings == FusionSettings()
    assert chosen.note.startswith("fusion: mean; nothing was fitted to ")
    assert not chosen.to_json()


def test_the_same_backend_twice_is_no_fitted_set(folder: Path) -> None:
    assert not choose_fusion("auto", {"doa": "doa", "sce": "sce", "sed-sce": "sce"}, folder).fitted_for


def test_tuned_for_a_set_without_a_fit_says_what_to_type(folder: Path) -> None:
    message = (
        r"no settings were fitted for doa, sce@mine \(sce@mine: not a bundled backend with its bundled checkpoint\); "
        r"fitted are doa,sce\. Type --fusion auto, or fit your own: seldfuse tune fusion"
    )
    with pytest.raises(UsageError, match=message):
        choose_fusion("tuned", {"doa": "doa", "sce@mine": None}, folder)


def test_what_is_named_is_taken_as_it_is(folder: Path) -> None:
    for named in ("nercslip", {"preset": "nercslip"}, FusionSettings("nercslip")):
        chosen = choose_fusion(named, {"doa": "doa", "sce": "sce"}, folder)
        assert (chosen.settings, chosen.note) == (FusionSettings("nercslip"), "")


def test_what_ships_can_be_read() -> None:
    assert ("doa", "sce", "sde") in list_fitted()
    for backends in list_fitted():
        settings = FusionSettings.read(find_path(backends))
        assert {*settings.weights, *settings.calibration} <= set(backends)
    assert all(path.stem == "+".join(sorted(path.stem.split("+"))) for path in FITTED.glob("*.toml"))
