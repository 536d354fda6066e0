"""`seldfuse eval --report`: what is printed stands in the page, and the worst clips lead to theirs."""

import re
from pathlib import Path

import numpy as np
import pytest
from report_world import make_world, read_data
from worlds import call

from seldfuse.report.read import ReportSources
from seldfuse.report.write import write_report


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("world")
    world = make_world(root, "a")
    make_world(root, "b", picture=False)
    write_report(ReportSources(world.out, world.labels))
    return world.out, world.labels


def test_a_page_of_one_system(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, labels = folders
    assert call("eval", str(out), str(labels), "--report", str(tmp_path / "page")) == 0
    printed, noted = capsys.readouterr()
    page = tmp_path / "page" / "eval.html"
    assert f"open {page} in a browser" in noted
    text = page.read_text(encoding="utf-8")
    scores = printed.partition("\nclass ")[0]
    for name, value in re.findall(r"^(\w+) .*? (\d+\.\d+|–)  ", scores, re.MULTILINE):
        assert re.search(rf'<th scope="row">{name}</th>.*?<td class="number">{value}</td>', text), name
    addresses = re.findall(r'<a href="([^"]+)">([ab])</a>', text)
    assert [name for _, name in addresses] == ["a", "b"]
    assert all((page.parent / address).is_file() for address, _ in addresses)
    shares = np.array(read_data(page)["figures"]["confusions"][0]["data"][0]["z"])
    assert shares[0, 0] == 1.0
    assert shares[8, 11] == pytest.approx(5 / 9, abs=1e-3)
    assert (page.parent / "plotly.min.js").is_file()


def test_two_systems_in_one_file(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out, labels = folders
    page = tmp_path / "two.html"
    assert call("eval", str(out), str(labels), "--against", str(labels), "--report", str(page), "--mode", "strict") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["two.html"]
    text = page.read_text(encoding="utf-8")
    assert ">difference</th>" in text
    figures = read_data(page)["figures"]
    assert [trace["name"] for trace in figures["classes"]["data"]] == ["out", "labels"]
    assert len(figures["confusions"]) == 2


def test_plotly_knows_everything_that_figures_say(folders: tuple[Path, Path], tmp_path: Path) -> None:
    import plotly.graph_objects as go

    out, labels = folders
    assert call("eval", str(out), str(labels), "--against", str(labels), "--report", str(tmp_path)) == 0
    figures = read_data(tmp_path / "eval.html")["figures"]
    for figure in [*figures.pop("confusions"), *figures.values()]:
        go.Figure(figure)
