"""`eval`, `fuse` and `train` on small label files of every year: right numbers, or a word about what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seldfuse.cli import main
from seldfuse.evaluation import evaluate
from seldfuse.media.encode import write_wav

HEADER = "frame,class,source,azimuth,distance,onscreen\n"
FRAMES = range(50)
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command, with `--json` where it has that: exit code, document and what was said."""

    def call(*arguments: object) -> tuple[int, Any, str]:
        code = 0
        try:
            main([*map(str, arguments), *(["--json"] if arguments[0] in ("eval", "fuse") else [])])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out.startswith("{") else {}, err

    return call


def put(path: Path, cells: str, header: str = HEADER, frames: range = FRAMES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{frame},{cells}\n" for frame in frames))
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    put(tmp_path / "reference" / "a.csv", "0,0,30,200,1")
    return tmp_path / "reference"


@pytest.mark.parametrize("mode", ["official", "strict"])
@pytest.mark.parametrize(
    ("cells", "header", "expected", "said"),
    [
        (
            "0,0,32,700,1",
            "",
            {"f20_1": 0, "rde": 2.5, "distance_error_m": 5, "doae_deg": 2, "osa": 1},
            "layout of 2025",
        ),
        ("0,0,30,0,210", "", {"doae_deg": 0, "rde": 0.05, "osa": None}, ""),
        ("0,0,30,0", "", {"doae_deg": 0, "rde": None, "osa": None}, ""),
        ("0,0,0.8660254037844387,0.5,0.0", "", {"doae_deg": 0, "rde": None}, "vectors of length 1"),
        (
            "0,0,150,-10,210",
            "frame,class,source,azimuth,elevation,distance\n",
            {"doae_deg": 0, "rde": 0.05, "osa": None},
            "",
        ),
    ],
)
def test_eval_reads_every_year(
    tmp_path: Path, reference: Path, run: Run, mode: str, cells: str, header: str, expected: dict, said: str
) -> None:
    put(tmp_path / "predictions" / "a.csv", cells, header)
    code, scores, err = run("eval", tmp_path / "predictions", reference, "--mode", mode)
    assert code == 0
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert said in err


def test_metres_are_metres_but_to_the_challenges_scorer(tmp_path: Path, reference: Path, run: Run) -> None:
    put(tmp_path / "predictions" / "a.csv", "0,0,32,2.1,1")
    for mode, error_m in (("strict", 0.1), ("official", 1.979)):
        code, scores, err = run("eval", tmp_path / "predictions", reference, "--mode", mode)
        assert (code, "look like metres" in err) == (0, True)
        assert scores["distance_error_m"] == pytest.approx(error_m)


def test_on_screen_of_the_baseline_is_compared_as_it_is(tmp_path: Path, reference: Path, run: Run) -> None:
    flags = (1, 2, -1, 255, 0)
    rows = "".join(f"{frame},0,0,30,200,{flags[frame % 5]}\n" for frame in FRAMES)
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "a.csv").write_text(HEADER + rows)
    code, scores, _ = run("eval", tmp_path / "predictions", reference, "--mode", "official")
    assert code == 0
    assert scores["f20_1_on"] == pytest.approx(10 / 49 / 13)
    assert scores["osa"] == pytest.approx(10 / 49)
    code, _, err = run("eval", tmp_path / "predictions", reference, "--mode", "strict")
    assert code == 2
    assert "expected 0 or 1 for onscreen, got 2 in line 3" in err


@pytest.mark.parametrize("hop_ms", [20, 10, 50])
def test_frames_of_another_hop_are_found_by_the_reference(
    tmp_path: Path, reference: Path, run: Run, hop_ms: int
) -> None:
    put(reference / "a.csv", "0,0,30,200,1", frames=range(10, 50))
    put(tmp_path / "predictions" / "a.csv", "0,0,30,200,1", frames=range(1000 // hop_ms, 5000 // hop_ms))
    code, _, err = run("eval", tmp_path / "predictions", reference, "--mode", "strict")
    assert code == 2
    assert f"hops of {hop_ms} ms" in err
    code, _, err = run("eval", tmp_path / "predictions", reference, "--mode", "official")
    assert code == 0
    assert f"hops of {hop_ms} ms" in err


def test_one_row_beyond_a_day_is_named(tmp_path: Path, reference: Path, run: Run) -> None:
    path = put(tmp_path / "predictions" / "a.csv", "0,0,30,200,1")
    path.write_text(path.read_text() + "1000000000,0,0,30,200,1\n")
    for command in (
        ("eval", tmp_path / "predictions", reference, "--mode", "strict"),
        ("fuse", tmp_path / "predictions"),
    ):
        code, _, err = run(*command, *(("-o", tmp_path / "out") if command[0] == "fuse" else ()))
        assert code == 2
        assert f"got 1000000000 in line 52: {path}" in err
    assert run("eval", tmp_path / "predictions", reference, "--mode", "official")[0] == 0


def test_a_folded_system_and_one_of_360_degrees_agree(tmp_path: Path, run: Run) -> None:
    put(tmp_path / "full" / "a.csv", "0,0,170,200,1")
    put(tmp_path / "folded" / "a.csv", "0,0,10,0,200", "")
    code, document, _ = run("fuse", tmp_path / "full", tmp_path / "folded", "-o", tmp_path / "out")
    assert code == 0
    assert document["results"][0]["events"][0]["azimuth_deg"] == pytest.approx(10, abs=0.1)
    assert "\n3,0,0,10,200,1\n" in (tmp_path / "out" / "a.csv").read_text()


def test_fuse_names_file_line_and_frame_of_a_crowd(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "crowd" / "a.csv"
    path.parent.mkdir()
    path.write_text(HEADER + "".join(f"4,0,{source},{10 * source},200,1\n" for source in range(7)))
    code, _, err = run("fuse", tmp_path / "crowd", "-o", tmp_path / "out")
    assert code == 2
    assert f"can be fused, got 7 of class 0 in frame 4 in line 2: {path}" in err


def test_fuse_pairs_by_path_else_by_name_and_members_may_be_named(tmp_path: Path, run: Run) -> None:
    for folder in ("x/out/dev", "y/out"):
        put(tmp_path / folder / "a.csv", "0,0,10,200,1")
    code, document, err = run(
        "fuse", f"x={tmp_path / 'x' / 'out'}", f"y={tmp_path / 'y' / 'out'}", "-o", tmp_path / "out"
    )
    assert code == 0
    assert [(one["name"], one["backends"]) for one in document["results"]] == [("dev/a", ["x", "y"])]
    assert "abstain" not in err
    code, _, err = run("fuse", tmp_path / "x" / "out", tmp_path / "y" / "out", "-o", tmp_path / "out")
    assert code == 2
    assert "name the members, such as first=" in err


def test_eval_leaves_on_screen_out_where_the_json_says_that_nobody_knows(
    tmp_path: Path, reference: Path, run: Run
) -> None:
    put(tmp_path / "predictions" / "a.csv", "0,0,30,200,0")
    frames = {"columns": ["frame", "onscreen"], "rows": [[frame, None] for frame in FRAMES]}
    document = {"format": "seldfuse-events", "version": 1, "frames": frames, "events": [], "labels": []}
    (tmp_path / "predictions" / "a.json").write_text(json.dumps(document))
    code, scores, err = run("eval", tmp_path / "predictions", reference)
    assert (code, scores["osa"], scores["f20_1_on"]) == (0, None, None)
    assert scores["f20_1"] == pytest.approx(1 / 13)
    assert "whether sources are on-screen is unknown in these clips" in err
    (tmp_path / "predictions" / "a.json").unlink()
    assert run("eval", tmp_path / "predictions", reference)[1]["osa"] == 0


def test_intervals_stay_within_what_a_score_can_be(tmp_path: Path, run: Run) -> None:
    for clip in range(8):
        put(tmp_path / "reference" / f"{clip}.csv", "0,0,30,200,1")
        wrong = {0: 20, 1: 10}.get(clip, 0)
        rows = "".join(f"{frame},0,0,30,200,{int(frame >= wrong)}\n" for frame in FRAMES)
        (tmp_path / "predictions").mkdir(exist_ok=True)
        (tmp_path / "predictions" / f"{clip}.csv").write_text(HEADER + rows)
    _, scores, _ = run("eval", tmp_path / "predictions", tmp_path / "reference")
    assert scores["intervals"]["osa"]["value"] == pytest.approx(0.9235, abs=1e-3)
    assert scores["intervals"]["osa"]["high"] == 1.0
    assert scores["intervals"]["f20_1_on"]["high"] <= 1.0
    assert scores["skill"]["doae_deg"]["low"] >= 0


def test_the_library_says_what_was_assumed(tmp_path: Path, reference: Path) -> None:
    put(tmp_path / "predictions" / "a.csv", "0,0,32,700,1", "")
    (note,) = evaluate(tmp_path / "predictions", reference).notes
    assert "taken for the layout of 2025" in note


def test_training_names_distances_of_zero_and_not_the_learning_rate(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        name = f"fold{3 + number}_room1_mix00{number}"
        write_wav(tmp_path / "data" / f"{name}.wav", rng.normal(0, 0.05, (2, 120_000)).astype(np.float32))
        put(tmp_path / "data" / f"{name}.csv", "0,0,30,0,1")
    options = ("train", "sde", "--data", tmp_path / "data", "--steps", 1, "--batch", 2, "--device", "cpu")
    code, _, err = run(*options, "-o", tmp_path / "run")
    assert code == 2
    assert "expected distances of more than 0" in err
    assert "in line 2" in err
    assert "learning-rate" not in err
