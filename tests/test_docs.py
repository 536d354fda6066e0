"""What the README says can be typed, can be typed."""

import re
from pathlib import Path

import pytest

import seldfuse
from seldfuse.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
DEMO = Path(seldfuse.__file__).parent / "_demo" / "demo.mp4"


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile(code.replace("talk.mp4", str(DEMO)), "README.md", "exec"), {})
    assert "start_s" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_commands_and_links_in_the_docs_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    commands = set(re.findall(r"^(?:\$|    )\s*seldfuse (\w+)", text, re.MULTILINE))
    assert commands <= set(COMMANDS)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)) <= targets
