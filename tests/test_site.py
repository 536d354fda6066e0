"""The docs as a site: it builds strictly, without a network, with everything that the code has in its references."""

import importlib.util
import os
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import seldfuse
from seldfuse import sdk
from seldfuse.cli.app import app
from seldfuse.fusion.settings import FusionSettings
from seldfuse.train.recipe import Recipe
from seldfuse.vision.settings import VisionSettings

ROOT = Path(__file__).parents[1]
TOOLS = ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers", "nbconvert")
NO_NETWORK = (
    "import socket; socket.getaddrinfo = None; socket.socket.connect = None; from mkdocs.__main__ import cli; cli()"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the tools of the docs are not installed (pip install -e '.[docs]'): {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("site")
    paths = [str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def read_ids(site: Path, page: str) -> set[str]:
    return set(re.findall(r'id="([^"]+)"', (site / page / "index.html").read_text(encoding="utf-8")))


def list_commands(command: Any, name: str) -> Iterator[str]:
    for inner, found in getattr(command, "commands", {}).items():
        yield f"{name}-{inner}"
        yield from list_commands(found, f"{name}-{inner}")


def list_keys(kind: type) -> Iterator[str]:
    for key, hint in typing.get_type_hints(kind).items():
        sections = [one for one in (hint, *typing.get_args(hint)) if hasattr(one, "__dataclass_fields__")]
        yield from (inner for one in sections for inner in list_keys(one))
        if not sections:
            yield key


def test_every_command_and_option_stands_in_the_reference(site: Path) -> None:
    page = (site / "reference/commands/index.html").read_text(encoding="utf-8")
    assert set(list_commands(typer.main.get_command(app), "seldfuse")) <= read_ids(site, "reference/commands")
    assert "--detector-fps" in page
    assert "--backends" in page


@pytest.mark.parametrize("kind", [FusionSettings, VisionSettings, Recipe])
def test_every_key_stands_in_the_reference(site: Path, kind: type) -> None:
    page = (site / "reference/settings/index.html").read_text(encoding="utf-8")
    keys = list(list_keys(kind))
    assert len(keys) > 10
    assert [key for key in keys if f"<code>{key}</code>" not in page] == []


def test_every_public_name_of_python_stands_on_its_page(site: Path) -> None:
    names = {one.rpartition(".")[2] for page in ("api", "reference/sdk") for one in read_ids(site, page)}
    assert {name for name in seldfuse.__all__ if name != "__version__"} <= names
    assert {name for name in sdk.__all__ if callable(getattr(sdk, name)) and name != "hookimpl"} <= names


def test_the_site_fetches_nothing(site: Path) -> None:
    for path in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="?(https?:[^" >]+)', path.read_text(encoding="utf-8"))
        styles = re.findall(r'<link[^>]*rel="?stylesheet[^>]*href="?(https?:[^" >]+)', path.read_text(encoding="utf-8"))
        assert fetched + styles == [], path


def test_notebooks_are_pages_with_their_pictures(site: Path) -> None:
    page = (site / "notebooks/run-a-file/index.html").read_text(encoding="utf-8")
    (first, *_) = re.findall(r'<img[^>]*src="([^"]+\.png)"', page)
    assert (site / "notebooks/run-a-file" / first).is_file()
