"""What `import seldfuse` and `import seldfuse.sdk` give, and what they cost."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import seldfuse
import seldfuse.sdk

DOORS = [seldfuse, seldfuse.sdk]
MOST_CPU_S = 0.15


def imported_for_typing(module: ModuleType) -> dict[str, str]:
    """The module of each name below `if TYPE_CHECKING`."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    assert not [alias.asname for node in imports for alias in node.names if alias.asname]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_types_and_names_at_run_time_are_one_list(door: ModuleType) -> None:
    assert imported_for_typing(door) == door._MODULES
    assert set(door.__all__) - {"__version__"} == set(door._MODULES)
    assert dir(door) == sorted(door.__all__)
    assert len(set(door.__all__)) == len(door.__all__)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_name_is_that_of_its_module(door: ModuleType) -> None:
    for name, module in door._MODULES.items():
        assert getattr(door, name) is getattr(importlib.import_module(module), name), name


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_what_is_not_there_is_an_attribute_error(door: ModuleType) -> None:
    with pytest.raises(AttributeError, match=rf"module '{door.__name__}' has no attribute 'hear'"):
        _ = door.hear


def test_an_import_costs_nearly_nothing_and_brings_no_torch() -> None:
    code = (
        "import sys, time; begin = time.process_time(); import seldfuse; cost = time.process_time() - begin; "
        "dir(seldfuse); print(cost, *sorted(sys.modules))"
    )
    cost_s, *modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(cost_s) < MOST_CPU_S
    assert "seldfuse" in modules
    assert not {"torch", "numpy", "pandas", "av"} & set(modules)


def test_what_a_plugin_registers_brings_no_torch() -> None:
    code = (
        "import sys; from seldfuse.sdk import API_VERSION, Backend, Feature, PluginError, Score, Writer, hookimpl; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
