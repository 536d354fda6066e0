"""Fusion settings: what a file may say, what it may not, and which weights follow."""

import pytest
import torch

from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion import DecodeSettings, FusionSettings

FILE = """
preset = "nercslip"
unify_angle_deg = 20

[weights.doa]
direction = 2.0
activity = { female_speech = 1.5, default = 0.5 }

[decode]
threshold = { knock = 0.4 }
offset_threshold = 0.3
max_gap_frames = 2
"""


def silence(*fields):
    cells = torch.zeros(1, 2, len(DCASE2025), 1)
    values = dict.fromkeys(fields, cells)
    if "direction" in fields:
        values["direction"] = torch.zeros(*cells.shape, 3)
    return Posterior(cells, **values)


MEMBERS = {
    "sde": silence("distance"),
    "doa": silence("direction"),
    "sce": silence("direction", "distance"),
    "cmc": silence("direction", "distance", "onscreen"),
}


def resolve_weights(settings, members):
    provided = {name: member.provides for name, member in members.items()}
    return settings.resolve_for(provided, DCASE2025, torch.device("cpu")).weights


def read(tmp_path, text):
    path = tmp_path / "fusion.toml"
    path.write_text(text)
    return FusionSettings.read(path)


def one_class(weights, cls="bell"):
    return {field: weight[:, DCASE2025.index(cls)].tolist() for field, weight in weights.items()}


def test_preset_mean_weighs_all_providers_alike():
    weights = one_class(resolve_weights(FusionSettings("mean"), MEMBERS))
    assert weights == {
        "activity": [1, 1, 1, 1],
        "direction": [0, 1, 1, 1],
        "distance": [1, 0, 1, 1],
        "onscreen": [0, 0, 0, 1],
    }


def test_preset_nercslip_takes_direction_and_distance_from_the_specialists():
    weights = one_class(resolve_weights(FusionSettings("nercslip"), MEMBERS))
    assert weights == {
        "activity": [1, 1, 1, 1],
        "direction": [0, 1, 0, 0],
        "distance": [1, 0, 0, 0],
        "onscreen": [0, 0, 0, 1],
    }


def test_preset_nercslip_falls_to_the_generalist_for_what_no_specialist_gives():
    weights = one_class(
        resolve_weights(FusionSettings("nercslip"), {name: MEMBERS[name] for name in ("sde", "sce", "cmc")})
    )
    assert weights["direction"] == [0, 1, 0]
    assert weights["distance"] == [1, 0, 0]


def test_a_file_overrides_its_preset_by_field_and_class(tmp_path):
    settings = read(tmp_path, FILE)
    weights = resolve_weights(settings, MEMBERS)
    assert one_class(weights, "female_speech")["activity"] == [1, 1.5, 1, 1]
    assert one_class(weights, "bell")["activity"] == [1, 0.5, 1, 1]
    assert one_class(weights)["direction"] == [0, 2, 0, 0]
    assert settings.unify_angle_deg == 20
    assert settings.decode == DecodeSettings(threshold={"knock": 0.4}, offset_threshold=0.3, max_gap_frames=2)


def test_a_table_without_default_leaves_other_classes_to_the_preset(tmp_path):
    weights = resolve_weights(read(tmp_path, "[weights.cmc]\ndirection = { bell = 3 }"), MEMBERS)
    assert one_class(weights, "bell")["direction"] == [0, 1, 1, 3]
    assert one_class(weights, "door")["direction"] == [0, 1, 1, 1]


def test_settings_survive_json():
    settings = FusionSettings(
        "nercslip", weights={"doa": {"activity": {"bell": 2.0}}}, decode=DecodeSettings(offset_threshold=0.2)
    )
    assert FusionSettings.from_table(settings.to_json()) == settings


REFUSED_FILES = {
    'preset = "nercslp"': "'nercslp' is no fusion preset (mean, nercslip); did you mean 'nercslip'?",
    "wieghts = 1": "'wieghts' is no fusion setting (preset, combine, weights, calibration, unify_angle_deg, "
    "smooth, uncertainty, decode, events); did you mean 'weights'?",
    "[calibration.doa]\nbais = 1": "'bais' is no setting of calibration.doa (temperature, bias); did you mean 'bias'?",
    "[calibration.doa]\ntemperature = 0": "calibration.doa.temperature must be a number, 0.01 or more, got 0",
    '[calibration.doa]\nbias = "low"': "calibration.doa.bias must be a number, got 'low'",
    "weights = 1": "weights must be a table, got 1",
    "[weights]\ndoa = 2": "weights.doa must be a table, got 2",
    "[weights.doa]\nactvity = 2": "'actvity' is no setting of weights.doa (activity, direction, "
    "distance, onscreen); did you mean 'activity'?",
    "[weights.doa]\nactivity = -1": "weights.doa.activity must be a number, 0 or more, got -1",
    "[weights.doa]\nactivity = { bell = nan }": "weights.doa.activity.bell must be a number, 0 or more, got nan",
    "[weights.doa]\nactivity = true": "weights.doa.activity must be a number, 0 or more, got True",
    "[decode]\ntreshold = 0.4": "'treshold' is no setting of decode (threshold, offset_threshold, "
    "max_gap_frames, min_frames, unify_angle_deg); did you mean 'threshold'?",
    'combine = "harmonic"': "'harmonic' is no way to combine (arithmetic, log-odds, geometric)",
    "[smooth]\nonscreen = 1": "'onscreen' is no setting of smooth (activity, direction, distance)",
    "preset = 3": "preset must be a text, got 3",
    '[decode]\noffset_threshold = "0.2"': "decode.offset_threshold must be a number, 0 or more, got '0.2'",
    "[decode]\nunify_angle_deg = { bell = 3 }": "decode.unify_angle_deg must be a number, 0 or more, got {'bell': 3}",
}


@pytest.mark.parametrize("text", REFUSED_FILES)
def test_a_file_with_a_mistake_is_refused_with_what_to_type(tmp_path, text):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{REFUSED_FILES[text]}: {tmp_path / 'fusion.toml'}"


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path):
    missing = tmp_path / "none.toml"
    with pytest.raises(UsageError) as caught:
        FusionSettings.read(missing)
    expected = "expected a preset (mean, nercslip) or a TOML file that can be read (No such file or directory)"
    assert str(caught.value) == f"{expected}: {missing}"
    message = r"^expected a preset \(mean, nercslip\) or a TOML file, but this is no TOML \(.*\): .*fusion\.toml$"
    with pytest.raises(UsageError, match=message):
        read(tmp_path, "preset = ")


REFUSED_FOR_THE_RUN = {
    "[weights.daa]\nactivity = 2": r"'daa' is no member of this run \(cmc, doa, sce, sde\); did you mean 'doa'\?",
    "[weights.doa]\nactivity = { bel = 2 }": r"'bel' is no class of dcase2025 .*; did you mean 'bell'\?",
    "[weights.doa]\ndistance = { bel = 2 }": r"'bel' is no class of dcase2025 .*; did you mean 'bell'\?",
    "[decode]\nthreshold = { bel = 2 }": r"'bel' is no class of dcase2025 .*; did you mean 'bell'\?",
    "[decode]\nmin_frames = { bel = 2 }": r"'bel' is no class of dcase2025 .*; did you mean 'bell'\?",
    "[decode]\noffset_threshold = { bell = 0.6 }": "decode.offset_threshold must not exceed decode.threshold, "
    "but does for bell",
    "[weights.cmc]\nonscreen = { bell = 0 }": "onscreen of bell gets no weight from any of cmc; give one .* than 0",
}


@pytest.mark.parametrize("text", REFUSED_FOR_THE_RUN)
def test_settings_that_do_not_fit_the_run_are_refused(tmp_path, text):
    with pytest.raises(UsageError, match=REFUSED_FOR_THE_RUN[text]):
        resolve_weights(read(tmp_path, text), MEMBERS)
