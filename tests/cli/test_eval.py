"""`seldfuse eval` from the outside."""

import json
from pathlib import Path

import pytest
from third_party_scores import third_party_scores as third_party_scores

from seldfuse.cli import main
from seldfuse.metrics.skill import MEANINGS

HEADER = "frame,class,source,azimuth,distance,onscreen\n"
SPEECH = "".join(f"{frame},0,0,10,200,1\n" for frame in range(6))
SCORES = {"f20_1", "f20_1_on", "f20", "f1", "f20_03", "f03", "f_class", "doae_deg", "rde", "distance_error_m", "osa"}


class Folders:
    """A reference of two splits, perfect predictions for it, and a way to run the command on them."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.reference, self.predictions, self.other = root / "reference", root / "predictions", root / "other"
        self.capsys = capsys
        for number, split in enumerate(("dev-test-sony", "dev-test-tau", "dev-test-tau")):
            self.write(self.reference / split / f"clip{number}.csv", SPEECH)
            self.write(self.predictions / f"clip{number}.csv", SPEECH)
            self.write(self.other / f"clip{number}.csv", SPEECH[: (number + 1) * len(SPEECH) // 6])

    def write(self, path: Path, rows: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER + rows)

    def run(self, *options: str) -> tuple[str, str, int]:
        code = 0
        try:
            main(["eval", str(self.predictions), str(self.reference), *options])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self.capsys.readouterr()
        return out, err, code

    def json(self, *options: str) -> dict:
        out, _, code = self.run("--json", *options)
        assert code == 0
        return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.fixture
def folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folders:
    return Folders(tmp_path, capsys)


def test_json_holds_the_scores_their_intervals_and_those_of_every_class(folders: Folders) -> None:
    document = folders.json()
    assert document.keys() == SCORES | {
        *("mode", "average", "clips", "classes", "classes_present", "classes_absent", "intervals", "skill", "events")
    }
    assert (document["mode"], document["average"], document["clips"]) == ("official", "macro", 3)
    assert document["f20_1"] == pytest.approx(1 / 13)
    assert document["classes"]["female_speech"].keys() == SCORES
    assert document["classes"]["female_speech"]["f20_1"] == pytest.approx(1)
    assert document["classes"]["music"]["doae_deg"] is None
    assert document["intervals"].keys() == SCORES
    assert document["intervals"]["doae_deg"] == {"value": 0, "estimate": 0, "low": 0, "high": 0}


def test_micro_pools_the_classes(folders: Folders) -> None:
    assert folders.json("--average", "micro")["f20_1"] == pytest.approx(1)


def test_official_mode_leaves_a_missing_prediction_out_and_strict_mode_counts_it(folders: Folders) -> None:
    (folders.predictions / "clip1.csv").unlink()
    assert folders.json("--average", "micro")["f20_1"] == pytest.approx(1)
    assert folders.json("--average", "micro", "--mode", "strict")["f20_1"] == pytest.approx(12 / 15)
    _, official, _ = folders.run()
    assert official == (
        "note: 1 of 3 clips have no prediction and are left out, as the challenge does (clip1): "
        f"{folders.predictions}\n"
    )
    _, strict, _ = folders.run("--mode", "strict")
    assert "1 of 3 clips have no prediction and are counted as without events (clip1)" in strict


def test_a_reference_is_perfect_in_strict_mode_whatever_classes_are_absent(folders: Folders) -> None:
    document = folders.json("--mode", "strict")
    assert [document[name] for name in ("f20_1", "f_class")] == pytest.approx([1, 1])
    assert document["events"]["event_f"]["value"] == pytest.approx(1)
    assert (document["classes_present"], len(document["classes_absent"])) == (1, 12)
    out, _, _ = folders.run("--mode", "strict")
    assert "means are over 1 of 13 classes: those that the reference has or the prediction says; absent:" in out
    assert "12 are absent and weigh as 0" in folders.run()[0]


def test_predictions_without_a_reference_are_named_and_ignored(folders: Folders) -> None:
    for number in range(7):
        folders.write(folders.predictions / f"extra{number}.csv", SPEECH)
    out, err, _ = folders.run("--json", "--average", "micro")
    assert json.loads(out)["f20_1"] == pytest.approx(1)
    assert err == (
        "note: 7 predictions have no reference and are ignored "
        f"(extra0, extra1, extra2, extra3, extra4 and 2 more): {folders.predictions}\n"
    )


def test_predictions_may_lie_in_folders_too(folders: Folders) -> None:
    (folders.predictions / "below").mkdir()
    (folders.predictions / "clip1.csv").rename(folders.predictions / "below" / "clip1.csv")
    assert folders.json("--average", "micro", "--mode", "strict")["f20_1"] == pytest.approx(1)


def test_two_systems_are_compared_clip_by_clip(folders: Folders) -> None:
    document = folders.json("--against", str(folders.other), "--average", "micro", "--mode", "strict")
    difference = document["against"]["f20_1"]
    found = (1 + 2 + 3) / 18
    assert difference["difference"] == pytest.approx(1 - 2 * found / (1 + found))
    assert 0 < difference["low"] < difference["high"] < 1


def test_the_table_shows_scores_with_intervals_and_the_classes_below(folders: Folders) -> None:
    out, err, code = folders.run("--average", "micro", "--against", str(folders.other))
    assert (err, code) == ("", 0)
    lines = [line.split() for line in out.splitlines() if line]
    assert out.startswith("3 clips, official counting, micro average\n")
    row = next(line for line in lines if line[0] == "f20_1")
    assert row[-8:-4] == ["1.000", "1.000", "…", "1.000"]
    assert row[-4].startswith("+0.")
    speech = next(line for line in lines if line[0] == "female_speech")
    assert speech[1:] == ["15", *["1.000"] * 7, "0.0", "0.000", "0.00", "1.000"]
    music = next(line for line in lines if line[0] == "music")
    assert music[1:] == ["0", *["0.000"] * 7, *["–"] * 4]


def test_json_holds_the_skill_and_the_azimuth_in_six_bins(folders: Folders) -> None:
    for number, path in enumerate(sorted(folders.predictions.iterdir())):
        truth = "".join(f"{frame},0,0,{10 * frame},{100 + 50 * number},1\n" for frame in range(6))
        folders.write(next(folders.reference.rglob(path.name)), truth)
        folders.write(path, truth.replace(",0,0,50,", ",0,0,44,"))
    skill = folders.json("--mode", "strict")["skill"]
    assert set(skill) == {*MEANINGS, "azimuth_bins"}
    assert skill["doae_deg"] == {"value": 1, "estimate": 1, "low": 1, "high": 1}
    assert skill["doae_side_deg"]["value"] == pytest.approx(15)
    assert skill["doae_skill"]["value"] == pytest.approx(1 - 1 / 15)
    assert skill["rde_skill"]["value"] == skill["distance_rank"]["value"] == 1
    assert skill["distance_slope"]["value"] == pytest.approx(1)
    bins = skill["azimuth_bins"]
    assert [(part["low_deg"], part["pairs"], part["true_deg"]) for part in bins] == [
        (0, 6, 0), (15, 3, 20), (30, 6, 30), (45, 3, 50), (60, 0, None), (75, 0, None)
    ]  # fmt: skip
    assert bins[3]["predicted_deg"] == {"value": 44, "estimate": 44, "low": 44, "high": 44}
    out, _, _ = folders.run("--mode", "strict")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "doae_skill azimuth beyond the side: 1 perfect, 0 nothing 0.933 0.933 … 0.933" in lines
    assert "45 … 60 3 50.0 44.0 44.0 … 44.0" in lines
    assert "75 … 90 0 – – – … –" in lines


def test_the_skill_of_two_systems_is_compared(folders: Folders) -> None:
    for number, path in enumerate(sorted(folders.predictions.iterdir())):
        truth = "".join(f"{frame},0,0,{10 * frame},{100 + 50 * number},1\n" for frame in range(6))
        folders.write(next(folders.reference.rglob(path.name)), truth)
        folders.write(path, truth)
        folders.write(folders.other / path.name, truth.replace(",0,0,50,", ",0,0,44,"))
    options = ("--mode", "strict", "--against", str(folders.other))
    difference = folders.json(*options)["skill"]["against"]
    assert set(difference) == set(MEANINGS)
    assert difference["doae_deg"]["difference"] == -1
    assert difference["doae_skill"]["difference"] == pytest.approx(1 / 15)
    assert difference["distance_rank"] == {"difference": 0, "estimate": 0, "low": 0, "high": 0}
    lines = [" ".join(line.split()) for line in folders.run(*options)[0].splitlines()]
    assert "doae_deg mean azimuth error (°) 0.0 0.0 … 0.0 -1.0 -1.0 … -1.0" in lines


@pytest.mark.parametrize(("azimuth", "distance", "found"), [("5", "0.5", 1), ("3.9", None, 0), (None, "0", 1)])
def test_f_has_limits_of_ones_own(folders: Folders, azimuth: str | None, distance: str | None, found: float) -> None:
    for path in folders.predictions.iterdir():
        path.write_text(path.read_text().replace("0,0,10,200", "0,0,14,200"))
    options = [*(["--azimuth-threshold", azimuth] if azimuth else []), "--average", "micro", "--mode", "strict"]
    options += ["--distance-threshold", distance] if distance else []
    document = folders.json(*options, "--against", str(folders.other))
    assert document.keys() >= SCORES | {"f_limits"}
    assert document["f_limits"] == pytest.approx(found)
    assert document["intervals"]["f_limits"]["value"] == document["classes"]["female_speech"]["f_limits"]
    assert "f_limits" in document["against"]


def test_limits_say_what_they_mean_and_are_refused_where_negative(folders: Folders) -> None:
    out, _, _ = folders.run("--azimuth-threshold", "5", "--distance-threshold", "0.5")
    row = " ".join(next(line for line in out.splitlines() if line.startswith("f_limits")).split())
    assert row.startswith("f_limits F: at most 5° off and distance off by at most 0.5 of itself ")
    _, err, code = folders.run("--azimuth-threshold=-1")
    assert code == 2
    assert "the azimuth threshold must be 0 or more, got -1" in err
    _, err, code = folders.run("--distance-threshold=nan")
    assert code == 2
    assert "the distance threshold must be 0 or more, got nan" in err


@pytest.mark.usefixtures("third_party_scores")
def test_scores_of_a_plugin_stand_beside_the_others(folders: Folders) -> None:
    for path in folders.predictions.iterdir():
        path.write_text(path.read_text().replace("0,0,10,200", "0,0,14,200"))
    options = ("--average", "micro", "--mode", "strict", "--against", str(folders.other))
    document = folders.json(*options)
    mine = {"acme_rms_deg", "acme_missed"}
    assert document.keys() == SCORES | mine | {
        "mode",
        "average",
        "clips",
        "classes",
        "classes_present",
        "classes_absent",
        "intervals",
        "skill",
        "events",
        "against",
    }
    assert (document["acme_rms_deg"], document["acme_missed"]) == (4, 0)
    assert document["classes"]["female_speech"]["acme_rms_deg"] == 4
    assert document["classes"]["music"]["acme_missed"] is None
    assert document["intervals"]["acme_rms_deg"] == {"value": 4, "estimate": 4, "low": 4, "high": 4}
    assert document["against"]["acme_missed"]["difference"] == pytest.approx(-12 / 18)
    lines = [line.split() for line in folders.run(*options)[0].splitlines() if line]
    row = " ".join(next(line for line in lines if line[0] == "acme_rms_deg"))
    assert row == "acme_rms_deg root mean square azimuth error (°) 4.00 4.00 … 4.00 +4.00 +4.00 … +4.00"
    heading = next(line for line in lines if line[:2] == ["class", "frames"])
    assert heading[-2:] == ["acme_rms_deg", "acme_missed"]
    speech = next(line for line in lines if line[0] == "female_speech")
    assert speech[-3:] == ["1.000", "4.00", "0.000"]


def test_two_predictions_of_one_name_are_a_usage_error(folders: Folders) -> None:
    folders.write(folders.predictions / "below" / "clip1.csv", SPEECH)
    out, err, code = folders.run()
    assert (out, code) == ("", 2)
    assert "several files are called clip1, so that their clips cannot be told: below/clip1, clip1;" in err


def test_predictions_for_other_clips_are_a_usage_error(folders: Folders) -> None:
    for path in folders.predictions.iterdir():
        path.rename(path.with_stem(f"other-{path.stem}"))
    _, err, code = folders.run()
    assert code == 2
    assert err == (
        "error: no prediction has the name of a reference clip; expected names like clip0.csv, "
        f"got names like other-clip0.csv: {folders.predictions}\n"
    )


def test_a_malformed_prediction_is_named_with_its_line(folders: Folders) -> None:
    folders.write(folders.predictions / "clip2.csv", SPEECH + "6,99,0,0,100,0\n")
    _, err, code = folders.run()
    assert code == 2
    assert f"for class, got 99 in line 8: {folders.predictions / 'clip2.csv'}" in err


@pytest.mark.shared
def test_the_command_gives_the_official_scorers_numbers(
    shared: Path, folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = shared / "golden" / "metric"
    expected = json.loads((golden / "expected.json").read_text())["set03/strict/micro"]
    folders.predictions, folders.reference = golden / "set03" / "pred", golden / "set03" / "ref"
    document = folders.json("--mode", "strict", "--average", "micro")
    assert document["f20_1"] == pytest.approx(expected["F20_1"], abs=1e-9)
    assert document["rde"] == pytest.approx(expected["RDE"], abs=1e-9)


def test_systems_of_other_clips_are_not_compared_in_official_counting(folders: Folders) -> None:
    (folders.other / "clip1.csv").rename(folders.other / "clip9.csv")
    _, err, code = folders.run("--against", str(folders.other))
    assert code == 2
    assert f"1 clip (dev-test-tau/clip1) not in {folders.other}" in " ".join(err.split())
    assert "--mode strict" in err
    (folders.predictions / "clip0.csv").unlink()
    assert "1 clip (dev-test-sony/clip0) not in" in folders.run("--against", str(folders.other))[1]
    assert folders.run("--against", str(folders.other), "--mode", "strict")[2] == 0
