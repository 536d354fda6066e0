"""What stands in a page, without a browser."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from report_world import BELL_DEG, HOSTILE, ReportWorld, find_clip, make_result, make_world, read_data, save_person
from worlds import call

from seldfuse.core.labels import Label, LabelSet
from seldfuse.report.read import ReportSources
from seldfuse.report.render import PLOTLY, to_script_json
from seldfuse.report.write import write_report


class Tags(HTMLParser):
    """The elements of a page with their attributes, and the text of its table."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in ("td", "tr"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ReportWorld:
    world = make_world(tmp_path_factory.mktemp("world"))
    write_report(ReportSources(world.out, world.labels))
    return world


def test_the_data_are_those_of_the_files(world: ReportWorld) -> None:
    data = read_data(world.page)
    document = json.loads((world.out / "talk.json").read_text())
    stated = ("class_id", "source", "start_s", "end_s", "azimuth_deg", "distance_m", "onscreen", "score")
    shown = data["layers"][0]["events"]
    assert [{name: event[name] for name in stated} for event in shown] == [
        {name: event[name] for name in stated} for event in document["events"]
    ]
    rows = [line.split(",") for line in (world.out / "talk.csv").read_text().splitlines()[1:]]
    azimuths = [azimuth for event in shown for azimuth in event["path"]["azimuth_deg"]]
    assert azimuths == [float(row[3]) for row in rows]
    assert [event["outcome"] for event in shown] == ["match", "false alarm"]
    assert data["camera"] == {"width_px": 64, "height_px": 36, "fov_deg": 100.0, "yaw_deg": 0.0}
    found = data["detections"]["keypoint"]
    assert found["times_s"] == [number / 2 for number in range(10)]
    assert found["boxes"][0] == [0.125, 0.1111, 0.375, 0.8889]
    assert found["points"][0][:3] == [0.25, 0.333, 0.9]


def test_the_table_says_the_same_in_words(world: ReportWorld) -> None:
    cells = Tags(world.page).cells
    at = cells.index("bell")
    assert cells[at - 2 : at + 8] == [
        "3.5", "4.5", "bell", "result", "30° right", "10°", "1.5 m", "no", "0.75", "false alarm"
    ]  # fmt: skip
    (button,) = [one for one in Tags(world.page).all("button") if "bell" in (one.get("aria-label") or "")]
    assert button["aria-label"] == f"Play bell, {-BELL_DEG:.0f}° right, from 3.5 s"


def test_video_and_script_are_beside_the_page(world: ReportWorld) -> None:
    tags = Tags(world.page)
    (video,) = tags.all("video")
    assert video["src"] == "../../../in/talk.mp4"
    assert (world.page.parent / str(video["src"])).resolve() == world.recording
    (library,) = [script for script in tags.all("script") if "src" in script]
    assert (world.page.parent / str(library["src"])).is_file()
    assert "http" not in " ".join(str(value) for _, found in tags.found for value in found.values())


def test_a_page_that_embeds_needs_nothing_beside_it(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    write_report(ReportSources(world.out), embed=True)
    tags = Tags(world.page)
    assert str(tags.all("video")[0]["src"]).startswith("data:video/mp4;base64,")
    assert [script for script in tags.all("script") if "src" in script] == []
    assert not (world.out / "report" / "plotly.min.js").exists()


def test_a_sound_alone_is_drawn(tmp_path: Path) -> None:
    world = make_world(tmp_path, picture=False)
    write_report(ReportSources(world.out))
    tags, data = Tags(world.page), read_data(world.page)
    assert tags.all("video") == []
    assert tags.all("audio")[0]["src"] == "../../../in/talk.wav"
    assert {"waveform", "spectrogram"} <= data["figures"].keys()
    assert "keypoint" not in data["detections"]


def test_scripts_of_others_are_refused(world: ReportWorld) -> None:
    tags = Tags(world.page)
    (policy,) = [str(meta["content"]) for meta in tags.all("meta") if "http-equiv" in meta]
    (nonce,) = re.findall("script-src 'nonce-([^']+)'", policy)
    assert policy.startswith("default-src 'none'")
    scripts = [script for script in tags.all("script") if script.get("type") != "application/json"]
    assert {script["nonce"] for script in scripts} == {nonce}


def test_hostile_names_are_text(tmp_path: Path) -> None:
    labels = LabelSet("mine", (Label(HOSTILE, HOSTILE), Label("--><b>\u2028&amp;", "second")))
    world = make_world(tmp_path, f"a{HOSTILE}", labels=labels)
    save_person(world.out, world.name, HOSTILE)
    write_report(ReportSources(world.out, against=world.out))
    plain = make_world(tmp_path / "plain")
    write_report(ReportSources(plain.out, against=plain.out))
    hostile, clean = Tags(world.page), Tags(plain.page)
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in clean.found]
    assert not [name for _, found in hostile.found for name in found if name.startswith("on")]
    data = read_data(world.page)
    assert data["labels"][0] == HOSTILE
    assert data["name"] == world.name
    assert data["detections"]["keypoint"]["phrases"][0] == HOSTILE
    rows = data["figures"]["timeline"]["layout"]["yaxis"]["ticktext"]
    assert rows[0].startswith("&lt;/script&gt;&lt;img")
    (video,) = hostile.all("video")
    assert (world.page.parent / unquote(str(video["src"]))).resolve() == world.recording
    index = Tags(world.out / "report" / "index.html")
    assert index.all("img") == []
    address = next(str(link["href"]) for link in index.all("a"))
    assert (world.out / "report" / unquote(address)) == world.page


def test_json_in_a_page_ends_no_element() -> None:
    text = to_script_json({"<!--</script>": "&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"<!--</script>": "&\u2028\u2029"}


def test_clips_lead_to_each_other_and_the_index_has_the_worst_first(tmp_path: Path) -> None:
    world = make_world(tmp_path, "b")
    make_world(tmp_path, "deep/a")
    labels = world.labels / "a.csv"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:1]))
    path = write_report(ReportSources(world.out, world.labels))
    links = [str(link["href"]) for link in Tags(path).all("a")]
    assert links == ["clips/deep/a.html", "clips/b.html"]
    assert [str(link["href"]) for link in Tags(world.page).all("a")] == ["../index.html", "deep/a.html"]
    cells = Tags(path).cells
    at = cells.index("deep/a")
    assert cells[at + 1 : at + 9] == ["5.0", "2", "female speech, bell", "0.25", "0.00", "0", "0", "2"]


def test_the_command_says_what_to_open_and_what_is_wrong(
    world: ReportWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    place = world.out.parent / "pages"
    assert call("report", str(world.out), "-o", str(place)) == 0
    assert f"note: open {place}/index.html in a browser" in capsys.readouterr().err
    assert (place / "clips" / "talk.html").is_file()
    assert call("report", str(world.out / "none")) == 2
    assert "there is none" in capsys.readouterr().err


def test_a_result_writes_its_own_page(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    result = replace(make_result("talk"), clip=find_clip(world))
    result.report(tmp_path / "pages" / "talk.html")
    page = Tags(tmp_path / "pages" / "talk.html")
    assert len(page.all("video")) == 1
    assert (tmp_path / "pages" / PLOTLY).is_file()
    result.report(tmp_path / "alone" / "talk.html", embed=True)
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["talk.html"]
