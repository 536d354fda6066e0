"""The page of all clips and that of an evaluation in Chromium."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_world import make_world
from worlds import call

from seldfuse.report.read import ReportSources
from seldfuse.report.write import write_report

if TYPE_CHECKING:
    from conftest import Browser


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for name in ("one", "two"):
        world = make_world(root, name)
    labels = world.labels / "two.csv"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:1]))
    write_report(ReportSources(world.out, world.labels))
    return world.out


def names(browser: "Browser") -> list[str]:
    return [link.text for link in browser.driver.find_elements("css selector", "#clips tbody a") if link.is_displayed()]


def test_clips_are_searched_and_sorted(out: Path, browser: "Browser") -> None:
    browser.open(out / "report" / "index.html")
    assert names(browser) == ["two", "one"]
    browser.find("#clips th button").click()
    assert names(browser) == ["one", "two"]
    browser.find("#clips th button").click()
    assert names(browser) == ["two", "one"]
    browser.find("#search").send_keys("ONE bell")
    assert names(browser) == ["one"]
    assert browser.find("#found").text == "1 of 2"
    browser.find("#clips tbody tr:not([hidden]) a").click()
    browser.wait("document.title === 'one · seldfuse' && document.documentElement.dataset.ready === 'yes'")


def test_an_evaluation_is_drawn(out: Path, tmp_path: Path, browser: "Browser") -> None:
    labels = out.parent / "labels"
    assert call("eval", str(out), str(labels), "--against", str(labels), "--report", str(tmp_path)) == 0
    browser.open(tmp_path / "eval.html", height_px=4000)
    browser.wait("plots.length === 6 && plots.every((one) => one.querySelector('.main-svg'))")
    browser.find("td.name a").click()
    browser.wait("document.documentElement.dataset.ready === 'yes' && document.getElementById('timeline')")
