"""Each `base` recipe at full size: three steps on a miniature set, with encoders of random weights, and a run.

It takes minutes, so it runs where SELDFUSE_TEST_EXTRAS is set: `make test-extras`.
"""

import json
import os
from pathlib import Path

import pytest
from tiny import save_models
from worlds import call

pytestmark = pytest.mark.skipif(
    "SELDFUSE_TEST_EXTRAS" not in os.environ, reason="trains networks of full size; `make test-extras`"
)

ENCODERS = {
    "mvanet": ("resnet50@{}/resnet",),
    "cmc": ("clap@{}/clap", "owlvit@{}/owlvit"),
}
SIZES = {
    "cmc": ("network.audio_tokens.channels=28", "network.visual_tokens.tokens=8", "network.visual_tokens.channels=16"),
}
"""What the random encoders give in place of the published ones."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, split in enumerate(("dev-train-synth", "dev-test-synth")):
        choice = ("--clips", "2", "--split", split, "--seed", str(seed), "--video", "--jobs", "1")
        assert call("synth", "scenes", str(folder), *choice) == 0
    return folder


@pytest.mark.parametrize("backend", ["baseline", "doa", "sde", "sce", "mvanet", "cmc"])
def test_a_base_recipe_trains_and_runs(
    backend: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELDFUSE_CACHE", str(tmp_path / "cache"))
    models = save_models(tmp_path / "models")
    encoders = json.dumps([reference.format(models) for reference in ENCODERS.get(backend, ())])
    settings = [f"encoders={encoders}", *SIZES.get(backend, ()), "init=''", "teacher=''", "stages=[]", "run.epochs=0"]
    out = tmp_path / "out"
    arguments = ["--preset", "base", "--data", str(data), "--steps", "3", "--batch", "2", "--device", "cpu"]
    assert call("train", backend, *arguments, *(f"--set={one}" for one in settings), "-o", str(out)) == 0
    steps = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "loss" in line][-1] == 3
    assert (
        call(
            "run",
            "@demo",
            "--backends",
            f"{backend}@{out}",
            "--post",
            "",
            "--formats",
            "json",
            "-o",
            str(tmp_path / "found"),
        )
        == 0
    )
    assert (tmp_path / "found" / "demo.json").is_file()
