"""The page on posterior files is true: its code runs without seldfuse and torch, and seldfuse reads what it wrote."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from worlds import call

from seldfuse.core.directions import azimuth_from_direction
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import FORMAT, FORMAT_VERSION, OPTIONAL, Posterior
from seldfuse.errors import UsageError

PAGE = (Path(__file__).parents[2] / "docs" / "posterior-format.md").read_text()
WRITING, READING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ALONE = "\nimport sys\nassert not {'torch', 'seldfuse'} & set(sys.modules)"


def run(code: str, folder: Path) -> str:
    """What code prints in a process of its own, where neither seldfuse nor torch is imported."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", code + ALONE], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file that the page's ten lines write."""
    folder = tmp_path_factory.mktemp("format") / "mine"
    run(WRITING, folder)
    return folder


def rewritten(path: Path, target: Path, header: dict[str, str | None], **tensors: torch.Tensor) -> Path:
    """The same file with other header entries (None takes one away) and more tensors."""
    with safetensors.safe_open(path, framework="pt") as file:
        changed = {**file.metadata(), **header}
    kept = {key: text for key, text in changed.items() if text is not None}
    safetensors.torch.save_file({**safetensors.torch.load_file(path), **tensors}, target, metadata=kept)
    return target


def test_ten_lines_write_a_posterior(written: Path) -> None:
    assert len([line for line in WRITING.splitlines() if line.strip()]) == 10
    posterior = Posterior.load(written / "clip.safetensors")
    assert posterior.provides == ("activity", "direction")
    assert posterior.activity[0, :, :, 0].unique(dim=0).tolist() == [pytest.approx([0.9, 0.1])]
    assert azimuth_from_direction(posterior.direction).unique().tolist() == pytest.approx([30.0])
    assert (posterior.labels.name, posterior.labels.names) == ("mine", ("female_speech", "music"))
    assert (posterior.hop_s, posterior.provenance) == (0.1, {})


def test_fuse_takes_it_alone_and_beside_others(written: Path, tmp_path: Path) -> None:
    other = Posterior(torch.full((1, 50, 13, 1), 0.2))
    other.save(tmp_path / "other" / "clip.safetensors")
    header, rows = "frame,class,source,azimuth,distance,onscreen\n", [f"{n},0,0,30,200,0\n" for n in range(50)]
    for folders in ([written], [tmp_path / "other", written]):
        assert call("fuse", *map(str, folders), "-o", str(tmp_path / "out"), "--formats", "dcase") == 0
        assert (tmp_path / "out" / "clip.csv").read_text() == header + "".join(rows)


def test_numpy_reads_what_seldfuse_wrote(tmp_path: Path) -> None:
    Posterior(torch.rand(1, 7, 13, 2).half(), hop_s=0.05).save(tmp_path / "clip.safetensors")
    assert run(READING, tmp_path) == f"{list(DCASE2025.names)} (1, 7, 13, 2) 0.05\n"


def test_the_page_names_all_that_a_file_holds(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    path = tmp_path / "a.safetensors"
    Posterior(torch.rand(1, 2, 13, 1)).save(path)
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert rows[: 1 + len(OPTIONAL)] == ["activity", *OPTIONAL]
    assert set(rows[1 + len(OPTIONAL) :]) == set(header)
    assert (header["format"], header["version"]) == (FORMAT, "1")
    assert f"Within version {FORMAT_VERSION} " in PAGE
    (example,) = re.findall(r"^\| `labels` \|.*`(\{.*\})` \|$", PAGE, re.MULTILINE)
    assert set(json.loads(example)["classes"][0]) == set(DCASE2025.to_json()["classes"][0])


def test_what_a_reader_does_not_know_is_ignored(written: Path, tmp_path: Path) -> None:
    path = rewritten(written / "clip.safetensors", tmp_path / "a.safetensors", {"mood": "good"}, loudness=torch.ones(3))
    assert Posterior.load(path).provides == ("activity", "direction")


REFUSED: dict[str, tuple[dict[str, str | None], str]] = {
    "another format": ({"format": "onnx"}, "expected a posterior written by seldfuse, the file says 'onnx'"),
    "a higher version": (
        {"version": "2"},
        "posterior format 2 is newer than this seldfuse reads (1); update with `pip install -U seldfuse`",
    ),
    "no version": ({"version": None}, "not a whole posterior ('version')"),
    "no hop": ({"hop_s": None}, "not a whole posterior ('hop_s')"),
    "no labels": ({"labels": None}, "not a whole posterior ('labels')"),
    "no provenance": ({"provenance": None}, "not a whole posterior ('provenance')"),
    "another number of classes": (
        {"labels": json.dumps({"name": "one", "classes": [{"name": "a", "title": "A"}]})},
        "not a whole posterior (activity has 2 classes, the label set one 1)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_reader_must_refuse_is_refused(written: Path, tmp_path: Path, case: str) -> None:
    header, message = REFUSED[case]
    path = rewritten(written / "clip.safetensors", tmp_path / "a.safetensors", header)
    with pytest.raises(UsageError) as caught:
        Posterior.load(path)
    assert str(caught.value) == f"{message}: {path}"


def test_other_keys_of_a_class_are_refused(written: Path, tmp_path: Path) -> None:
    labels = {"name": "mine", "classes": [{"name": "a", "title": "A", "colour": "red"}]}
    path = rewritten(written / "clip.safetensors", tmp_path / "a.safetensors", {"labels": json.dumps(labels)})
    with pytest.raises(UsageError, match=r"expected a label set with 'name' and 'classes', got .*colour"):
        Posterior.load(path)
