"""Extras, installed into a fresh environment by the commands of docs/install.md: `make test-extras`.

It takes minutes and a package index, so it runs only where SELDFUSE_TEST_EXTRAS is set.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH = os.environ.get("TORCH", "torch==2.13.0")
"""As in the Makefile: where there is a CPU build of this version, it is taken."""

pytestmark = pytest.mark.skipif(
    "SELDFUSE_TEST_EXTRAS" not in os.environ, reason="installs extras into a fresh environment; `make test-extras`"
)


def commands(first: str) -> list[list[str]]:
    """The `pip install` lines of the page, from the one with `first` to the end of its block."""
    (block,) = re.findall(rf"^    pip (install .*{re.escape(first)}.*(?:\n    pip .*)*)", page(), re.MULTILINE)
    return [shlex.split(line.strip().removeprefix("pip ")) for line in block.splitlines()]


def page() -> str:
    return (ROOT / "docs" / "install.md").read_text()


@pytest.mark.parametrize(
    ("extra", "test", "left_out"),
    [
        ("[keypoint]", "keypoint/test_mmpose.py", "on_a_gpu"),
        ("[gdino]", "gdino/test_networks.py", "on_a_gpu or without_the_package"),
    ],
)
def test_an_extra_installs_and_works(tmp_path: Path, extra: str, test: str, left_out: str) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    for install in commands(extra):
        run(str(python), "-m", "pip", *install, "-c", "constraints.txt", TORCH)
    run(str(python), "-m", "pip", "install", "-c", "constraints.txt", "pytest", "beartype")
    chosen = ("-k", f"not ({left_out})", str(ROOT / "tests" / "plugins" / test))
    report = run(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen)
    assert re.search(r"\d passed", report)
    assert "skipped" not in report


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
