"""seldfuse in a process of others: plugins that print, forked workers, devices that nobody tried, gradients."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from worlds import noise

from seldfuse.checkpoint import open_checkpoint
from seldfuse.core.device import resolve_device
from seldfuse.core.label_sets import find_labels
from seldfuse.core.posterior import Posterior
from seldfuse.errors import SeldfuseError, UsageError
from seldfuse.formats.label_files import read_label_file
from seldfuse.inference.check_posterior import check_form
from seldfuse.media.encode import write_wav

PRINTS = """
import os, sys
from seldfuse.cli import app, stdout
from seldfuse.cli.console import print_json

def loud() -> None:
    print("debug")
    os.write(1, b"from a library\\n")
    print_json({"fine": True})

stdout.keep_stdout_clean(loud)()
print("after")
"""

FORKS = """
import multiprocessing, sys
import seldfuse

def hear(path):
    return [len(result.frames) for result in seldfuse.run(path, backends="baseline", device="cpu")]

if __name__ == "__main__":
    import torch
    torch.set_num_threads(2)
    before = hear(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map_async(hear, [sys.argv[1]]).get(120) == [before]
    print("same")
"""


def call_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, timeout=300
    )


def test_what_plugins_print_does_not_stand_in_the_json() -> None:
    ended = call_python(PRINTS)
    assert ended.returncode == 0, ended.stderr
    document, _, after = ended.stdout.partition("after")
    assert json.loads(document) == {"fine": True}
    assert after == "\n"
    assert "debug" in ended.stderr
    assert "from a library" in ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_worker_hears_after_its_parent_has(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(1.0))
    ended = call_python(FORKS, str(tmp_path / "a.wav"))
    assert (ended.stdout, ended.returncode) == ("same\n", 0), ended.stderr


@pytest.mark.parametrize("device", [None, "xpu", "meta", 3, "gpu"])
def test_devices_that_are_not_known_are_refused(device: object) -> None:
    with pytest.raises(UsageError, match=r"--device expects auto, cpu, cuda, cuda:N or mps, got"):
        resolve_device(device)


def test_gradients_of_a_backend_are_cut() -> None:
    weight = torch.ones(1, requires_grad=True)
    given = Posterior(torch.zeros(1, 2, 13, 1) * weight)
    posterior = check_form("the backend", given, (1, 2), torch.device("cpu"))
    assert not posterior.activity.requires_grad
    assert check_form("the backend", posterior, (1, 2), torch.device("cpu")) is posterior


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.csv", lambda path: read_label_file(path)),
        ("a.json", lambda path: find_labels(str(path))),
        ("a.toml", lambda path: find_labels(str(path))),
        ("config.json", lambda path: open_checkpoint(str(path.parent), "sce")),
    ],
)
def test_text_files_that_git_lfs_has_not_fetched_are_named_as_such(
    name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 35\n")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(SeldfuseError, match=r"this is a Git LFS pointer, not .*: type `git lfs pull`"):
        read(path)
    path.write_text("\n<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(SeldfuseError, match="this is a page of the web, saved in place of"):
        read(path)
