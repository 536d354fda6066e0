"""Lists of the bundled plugins that packaging and checks need as literal names are those of the folder `plugins/`."""

import tomllib
from pathlib import Path

import pytest

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
