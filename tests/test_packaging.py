"""What packaging and the files around the code state is true: lists of the bundled plugins, versions, badges, hooks."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import seldfuse

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())
CONTRACTS = {contract["name"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("entry points", PYPROJECT["project"]["entry-points"]["seldfuse"].values()),
        ("wheel", [Path(path).name for path in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]),
        ("mypy", PYPROJECT["tool"]["mypy"]["packages"]),
        ("root packages of the contracts", PYPROJECT["tool"]["importlinter"]["root_packages"]),
        *((name, one["modules"]) for name, one in CONTRACTS.items() if one["type"] == "independence"),
        *((name, one["source_modules"]) for name, one in CONTRACTS.items() if "Plugins know" in name),
        *((name, one["forbidden_modules"]) for name, one in CONTRACTS.items() if "knows no plugin" in name),
    ],
)
def test_a_list_names_every_bundled_plugin(place: str, names: list[str]) -> None:
    assert sorted(name for name in names if name.startswith("seldfuse_")) == PLUGINS, place


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_and_the_changelog_know_the_version() -> None:
    citation = dict(re.findall(r"^(version|license): (.+)$", _read("CITATION.cff"), re.MULTILINE))
    assert citation == {"version": seldfuse.__version__, "license": PYPROJECT["project"]["license"]}
    assert f"\n## {seldfuse.__version__}\n" in _read("CHANGELOG.md")


def test_the_hooks_run_what_must_pass_before_a_change_lands() -> None:
    assert re.findall(r"entry: (.+)", _read(".pre-commit-config.yaml")) == ["make check", ".ci/run"]
    assert "make check" in _read(".ci/run")


def test_the_badges_are_true() -> None:
    badges = runpy.run_path(str(ROOT / "docs" / "make_badges.py"))["draw_badges"]()
    assert [path.name for path, picture in badges.items() if path.read_text(encoding="utf-8") != picture] == []
    assert [path.name for path in badges if path.name not in _read("README.md")] == []
