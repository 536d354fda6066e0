"""The notebooks in the docs were run, and are fit to be read; `make test` runs the first one anew."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_without_errors_and_is_small(path: Path) -> None:
    cells: list[Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_machine_and_links_to_what_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
    for link in re.findall(r"\]\(([^)\s#]+)", "".join(re.findall(r'"source": \[.*?\]\n', text, re.DOTALL))):
        assert "://" in link or (FOLDER / link).exists(), link


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["run-a-file", "train-and-evaluate"]
