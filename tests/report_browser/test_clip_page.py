"""The page of a clip in Chromium: one clock, and everything follows it."""

import functools
import math
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_world import BELL_DEG, HOSTILE, SPEECH_DEG, ReportWorld, make_world, save_person

from seldfuse.core.geometry import Camera
from seldfuse.core.labels import Label, LabelSet
from seldfuse.report.read import ReportSources
from seldfuse.report.write import write_report

if TYPE_CHECKING:
    from conftest import Browser

SPEECH_ROW, BELL_ROW = 0, 3
CURSOR_S = (
    "cursors[0].axis.p2d(new DOMMatrix(cursors[0].line.style.transform).e + 1 - cursors[0].element._fullLayout._size.l)"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ReportWorld:
    world = make_world(tmp_path_factory.mktemp("world"))
    write_report(ReportSources(world.out, world.labels))
    return world


def test_the_player_moves_the_cursor(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    assert browser.ask(CURSOR_S) == pytest.approx(0.0, abs=0.03)
    # The page stops itself, for on a busy machine the clip may be over before anybody here has looked.
    browser.do(
        "const watch = setInterval(() => { if (clock.time < 0.6) return; clearInterval(watch);"
        "window.seen = byId('play').getAttribute('aria-label'); clock.pause(); }, 10)"
    )
    browser.find("#play").click()
    browser.wait("window.seen && !clock.playing && !ticking")
    assert browser.ask("window.seen") == "Pause"
    assert browser.find("#play").get_attribute("aria-label") == "Play"
    browser.do("show(clock.time)")
    now_s = browser.ask("clock.time")
    assert 0.6 < now_s < 5.0
    assert browser.ask("video.currentTime") == now_s
    assert browser.ask(CURSOR_S) == pytest.approx(now_s, abs=0.03)
    assert float(browser.find("#position").get_attribute("value")) == pytest.approx(now_s, abs=0.11)


def test_a_click_on_an_event_plays_it(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.click_plot("timeline", 4.2, BELL_ROW)
    browser.wait("chosen !== null")
    assert browser.ask("chosen.start_s") == 3.5
    assert browser.ask("clock.time") >= 3.5
    assert browser.find("#said").get_attribute("textContent") == "bell, 30° right, 3.5 to 4.5 seconds, false alarm"
    assert "bell" in browser.find("tr.chosen").text
    browser.wait("clock.time > 3.6")


def test_a_click_beside_events_goes_there_and_waits(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.click_plot("timeline", 2.0, BELL_ROW)
    browser.wait("Math.abs(clock.time - 2) < 0.05")
    assert not browser.ask("clock.playing")
    assert browser.ask(CURSOR_S) == pytest.approx(2.0, abs=0.05)


def test_a_row_of_the_table_plays_its_event_and_shows_what_sounds(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.find("tr[data-layer='0'][data-event='1'] button").click()
    browser.wait("clock.time >= 3.5")
    browser.do("clock.pause(); clock.seek(4.2)")
    words = "[...document.querySelectorAll('tr.now')].map((row) => [...row.cells].slice(1).map((c) => c.textContent))"
    assert [" ".join(cells) for cells in browser.ask(words)] == [
        "3.5 4.5 bell result 30° right 10° 1.5 m no 0.75 false alarm",
        "4.0 5.0 music truth 80° right – 3.0 m no – miss",
    ]


@pytest.mark.parametrize(
    ("time_s", "kind", "azimuth_deg", "distance_m"),
    [(1.05, "result", SPEECH_DEG - 4, 1.5), (2.95, "result", SPEECH_DEG + 4, 1.5), (4.0, "result", BELL_DEG, 1.5),
     (4.2, "truth", -80.0, 3.0), (2.0, "truth", SPEECH_DEG, 1.5)],
)  # fmt: skip
def test_the_top_view_shows_the_azimuth(
    world: ReportWorld, browser: "Browser", time_s: float, kind: str, azimuth_deg: float, distance_m: float
) -> None:
    browser.open(world.page)
    browser.do(f"clock.seek({time_s})")
    browser.wait(f"byId('top').data.find((one) => one.name === '{kind}').r.length === 1")
    # Where the mark lies on the screen, seen from the middle of the circle.
    x, y, far_px = browser.ask(
        "(() => { const e = byId('top'), o = e.getBoundingClientRect(), p = e._fullLayout.polar._subplot;"
        "const traces = [...e.querySelectorAll('.scatterlayer .trace')];"
        f"const t = traces.find((one) => one.__data__[0].trace.name === '{kind}');"
        "const b = t.querySelector('.points path').getBoundingClientRect();"
        "return [b.left + b.width / 2 - o.left - p.cx, b.top + b.height / 2 - o.top - p.cy, p.radius]; })()"
    )
    assert math.degrees(math.atan2(-x, -y)) == pytest.approx(azimuth_deg, abs=1.5)
    far_m = browser.ask("page.figures.top.layout.polar.radialaxis.range[1]")
    assert math.hypot(x, y) / far_px * far_m == pytest.approx(distance_m, abs=0.08)


def test_the_line_on_the_picture_is_where_a_pinhole_camera_sees_the_azimuth(
    world: ReportWorld, browser: "Browser"
) -> None:
    browser.open(world.page)
    browser.wait("video.readyState >= 2")
    for box in ("show-boxes", "show-points", "show-others"):
        browser.find(f"#{box}").click()
    browser.do("clock.seek(2.95)")
    share = float(Camera(640, 360).x_from_azimuth(SPEECH_DEG + 4)) / 640
    # One look at a whole line of pixels: Chromium warns of looking often.
    opaque = browser.ask(
        "(() => { const c = byId('overlay'), g = c.getContext('2d');"
        "return [...g.getImageData(0, Math.round(c.height * 0.7), c.width, 1).data].filter((_, k) => k % 4 === 3); })()"
    )
    assert opaque[round(len(opaque) * share)] == 255
    assert opaque[round(len(opaque) * (1 - share))] == 0


def test_keys(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.press("n")
    assert browser.ask("clock.time") == pytest.approx(1.0)
    browser.press("n")
    assert browser.ask("clock.time") == pytest.approx(3.5)
    browser.press("p")
    assert browser.ask("clock.time") == pytest.approx(1.0)
    browser.press("\ue014")
    assert browser.ask("clock.time") == pytest.approx(2.0)
    browser.press("\ue012")
    assert browser.ask("clock.time") == pytest.approx(1.0)
    browser.press("s")
    assert browser.ask("video.playbackRate") == 0.5
    browser.press("s", " ")
    browser.wait("clock.playing && clock.time > 1.1")
    browser.press(" ")
    browser.wait("!clock.playing")


def test_an_event_is_looped(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.press("n", "n", "l")
    assert browser.find("#loop").get_attribute("aria-pressed") == "true"
    browser.do("clock.seek(4.3); clock.play()")
    browser.wait("clock.time < 4.2 && clock.playing")
    assert browser.ask("clock.time") >= 3.5


def test_posteriors_are_drawn_when_they_are_folded_out(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    assert browser.ask("document.querySelectorAll('.posterior .main-svg').length") == 0
    browser.find(".posterior summary").click()
    browser.wait("cursors.length === 3")
    browser.do("clock.seek(2.5)")
    assert browser.ask(CURSOR_S.replace("cursors[0]", "cursors[2]")) == pytest.approx(2.5, abs=0.03)


def test_a_part_of_the_time_is_shown_and_turned_like_a_page(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page)
    browser.do("byId('window').append(new Option('2 s', 2)); byId('window').value = 2; clock.seek(2.5)")
    browser.wait("cursors[0].axis.range[0] === 2 && cursors[0].axis.range[1] === 4 && !following")
    browser.do("clock.seek(4.5)")
    browser.wait("cursors[0].axis.range[0] === 4")


def test_dark_and_light(world: ReportWorld, browser: "Browser") -> None:
    """The same page follows when the evening comes."""
    seen = []
    for dark in (False, True):
        browser.open(world.page, dark=dark)
        wanted = "rgb(232, 234, 237)" if dark else "rgb(26, 29, 33)"
        browser.wait(f"getComputedStyle(document.querySelector('#timeline .ytick text')).fill === '{wanted}'")
        seen.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_a_phone_has_one_column_and_no_sideways_scrolling(world: ReportWorld, browser: "Browser") -> None:
    browser.open(world.page, width_px=390, height_px=844)
    browser.wait("document.documentElement.scrollWidth <= 390")
    assert browser.ask("byId('top').getBoundingClientRect().top > byId('picture').getBoundingClientRect().bottom")


def test_a_sound_alone_plays(tmp_path: Path, browser: "Browser") -> None:
    world = make_world(tmp_path, picture=False)
    write_report(ReportSources(world.out))
    browser.open(world.page)
    browser.find("#play").click()
    browser.wait("audio.currentTime > 0.3")
    assert browser.ask("cursors.length") == 3


def test_a_page_that_embeds_plays_far_from_its_recording(tmp_path: Path, browser: "Browser") -> None:
    world = make_world(tmp_path)
    write_report(ReportSources(world.out), embed=True)
    page = world.page.rename(tmp_path / "alone.html")
    world.recording.unlink()
    browser.open(page)
    browser.find("#play").click()
    browser.wait("video.currentTime > 0.3")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(world: ReportWorld) -> Iterator[str]:
    serve = functools.partial(Quiet, directory=str(world.out.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}/out/report/clips/talk.html"
        host.shutdown()
        thread.join()


def test_a_page_works_from_a_server(server: str, browser: "Browser") -> None:
    browser.open(server)
    browser.wait("video.readyState >= 2")


def test_what_the_browser_cannot_play_is_said_and_the_time_goes_on(tmp_path: Path, browser: "Browser") -> None:
    world = make_world(tmp_path)
    write_report(ReportSources(world.out))
    world.recording.write_bytes(b"RIFF....AVI ")
    browser.open(world.page)
    browser.wait("!byId('unplayable').hidden")
    assert browser.find("#unplayable").text.startswith("This browser cannot play talk.mp4")
    browser.find("#play").click()
    browser.wait("clock.time > 0.2")
    browser.do("clock.seek(4.9)")
    browser.wait("!clock.playing && clock.time >= 5")


def test_hostile_names_stay_text(tmp_path: Path, browser: "Browser") -> None:
    labels = LabelSet(
        "mine", (Label(HOSTILE, HOSTILE), Label("<b>bold</b><a href='javascript:alert(2)'>x</a>", "second"))
    )
    world = make_world(tmp_path, f"a{HOSTILE}", labels=labels)
    save_person(world.out, world.name, HOSTILE)
    write_report(ReportSources(world.out))
    browser.open(world.page)
    browser.do("clock.seek(2)")
    browser.wait("byId('top').data.at(-1).r.length === 1")
    assert browser.ask("document.querySelectorAll('img, .ytick a, #top a').length") == 0
    assert browser.find("h1").text == world.name
    assert browser.ask("document.querySelector('#timeline .ytick text').textContent") == f"{HOSTILE} 1"
    assert browser.ask("document.querySelector('#top .textpoint').textContent") == HOSTILE
    browser.wait("video.readyState >= 2")
