"""Events in formats that other programs read, read again by such programs."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import webvtt
from pyannote.core import Annotation, Segment
from pyarrow import parquet
from pympi import Eaf
from worlds import result_of

from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip import ArrayAudio, Clip
from seldfuse.core.events import Events
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.result import Result
from seldfuse.formats.event_text import format_caption
from seldfuse.formats.files import write_result

HOSTILE = LabelSet(
    "hostile",
    (
        Label("<b>door</b> & --> 00:00", "Door"),
        Label('tab\tline\n\nend\x00\x1b"]]>', "Tab"),
        Label("=1+1, 語", "Formula"),
    ),
)


def write(result: Result, name: str, folder: Path) -> Path:
    (path,) = write_result(result, folder, [load_registry().writers[name]])
    return path


@pytest.fixture
def result() -> Result:
    """Two doors that sound at once, the second without a place; a voice that moves."""
    frames = [*range(3, 9), *range(5, 8), *range(20, 40)]
    table = pd.DataFrame(
        {
            "frame": frames,
            "cls": [7] * 9 + [0] * 20,
            "source": [0] * 6 + [1] * 3 + [0] * 20,
            "azimuth_deg": [30.0] * 6 + [math.nan] * 3 + np.linspace(-40, 40, 20).tolist(),
            "distance_m": [2.2] * 6 + [math.nan] * 3 + [0.87] * 20,
            "onscreen": [1.0] * 6 + [math.nan] * 3 + [0.0] * 20,
            "score": [0.75] * 29,
        }
    )
    return result_of(Events(table), name="kitchen/take & 1")


@pytest.fixture
def hostile() -> Result:
    table = pd.DataFrame({"frame": [0, 1, 2, 3], "cls": [0, 1, 2, 0], "azimuth_deg": [50.0, 0.0, -50.0, math.nan]})
    return result_of(Events(table, HOSTILE), name="take\udcff <1>")


def test_captions_say_class_side_and_distance(result: Result, tmp_path: Path) -> None:
    captions = webvtt.read(str(write(result, "webvtt", tmp_path)))
    assert [(one.start, one.end, one.text) for one in captions] == [
        ("00:00:00.300", "00:00:00.900", "[door, left, 2 m]"),
        ("00:00:00.500", "00:00:00.800", "[door]"),
        ("00:00:02.000", "00:00:04.000", "[female speech, moving, 0.9 m]"),
    ]


@pytest.mark.parametrize(("azimuth_deg", "side"), [(10.0, "left"), (9.9, "front"), (-9.9, "front"), (-10.0, "right")])
def test_captions_call_what_is_near_the_middle_front(azimuth_deg: float, side: str) -> None:
    azimuths = dict.fromkeys(("azimuth_deg", "azimuth_low_deg", "azimuth_high_deg"), azimuth_deg)
    assert format_caption({"class": "bell", "distance_m": None, **azimuths}) == f"[bell, {side}]"


def test_captions_of_long_recordings_have_hours(tmp_path: Path) -> None:
    events = Events(pd.DataFrame({"frame": [36_000 * 2 + 615], "cls": [0]}))
    (caption,) = webvtt.read(str(write(result_of(events), "webvtt", tmp_path)))
    assert caption.start == "02:01:01.500"


def test_captions_of_hostile_classes_stay_text(hostile: Result, tmp_path: Path) -> None:
    path = write(hostile, "webvtt", tmp_path)
    assert [one.raw_text for one in webvtt.read(str(path))] == [
        "[&lt;b&gt;door&lt;/b&gt; &amp; --&gt; 00:00, left]",
        '[tab line end "]]&gt;, front]',
        "[=1+1, 語, right]",
        "[&lt;b&gt;door&lt;/b&gt; &amp; --&gt; 00:00]",
    ]
    assert path.read_text().count("-->") == 4


def test_elan_has_a_tier_for_each_source_and_links_the_recording(result: Result, tmp_path: Path) -> None:
    recording = tmp_path / "in & out" / "take.mp4"
    clip = Clip("kitchen", ArrayAudio(np.zeros((2, 10), np.float32)), path=recording)
    path = write(replace(result, clip=clip), "elan", tmp_path / "out")
    eaf = Eaf(str(path))
    assert {tier: eaf.get_annotation_data_for_tier(tier) for tier in eaf.get_tier_names()} == {
        "female speech": [(2000, 4000, "40° left – 40° right, 0.9 m, off-screen")],
        "door": [(300, 900, "30° left, 2.2 m, on-screen")],
        "door 2": [(500, 800, "")],
    }
    (media,) = eaf.media_descriptors
    assert media == {
        "MEDIA_URL": recording.as_uri(),
        "MIME_TYPE": "video/mp4",
        "RELATIVE_MEDIA_URL": "./../../in & out/take.mp4",
    }


def test_elan_files_of_hostile_classes_are_xml(hostile: Result, tmp_path: Path) -> None:
    path = write(hostile, "elan", tmp_path)
    assert {tier.get("TIER_ID") for tier in ElementTree.parse(path).getroot().iter("TIER")} == {
        "<b>door</b> & --> 00:00",
        'tab line end "]]>',
        "=1+1, 語",
    }
    assert len(Eaf(str(path)).tiers) == 3


def to_annotation(result: Result) -> Annotation:
    """The events as the toolkits of speaker diarization hold them."""
    annotation = Annotation(uri=result.name)
    for row in result.events.segments().itertuples():
        annotation[Segment(row.start_s, row.end_s), row.source] = row.cls
    return annotation


def test_audacity_labels_have_the_times_that_other_tools_write(result: Result, tmp_path: Path) -> None:
    path = write(result, "audacity", tmp_path)
    assert path.name == "take & 1.labels.txt"
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [text for *_, text in lines] == [
        "door, 30° left, 2.2 m, on-screen",
        "door",
        "female speech, 40° left – 40° right, 0.9 m, off-screen",
    ]
    other = [line.split() for line in to_annotation(result).to_lab().splitlines()]
    assert [line[:2] for line in lines] == [line[:2] for line in other]


def test_audacity_labels_of_hostile_classes_stay_on_their_line(hostile: Result, tmp_path: Path) -> None:
    lines = write(hostile, "audacity", tmp_path).read_text().split("\n")
    assert [line.count("\t") for line in lines] == [2, 2, 2, 2, 0]
    assert lines[1].endswith('\ttab line end "]]>, front')


def test_json_lines_are_the_events_of_the_document(result: Result, tmp_path: Path) -> None:
    document = json.loads(write(result, "json", tmp_path).read_text())
    lines = [json.loads(line) for line in write(result, "jsonl", tmp_path).read_text().splitlines()]
    assert lines == [{"clip": "kitchen/take & 1", **event} for event in document["events"]]
    table = pd.read_json(tmp_path / "kitchen/take & 1.jsonl", lines=True)
    assert table["class"].tolist() == ["door", "door", "female_speech"]


def test_json_lines_of_hostile_classes_are_lines(hostile: Result, tmp_path: Path) -> None:
    lines = write(hostile, "jsonl", tmp_path).read_text().split("\n")
    assert [json.loads(line)["class"] for line in lines[:2]] == list(HOSTILE.names[:2])
    assert len(lines) == 5


def test_the_csv_of_events_has_what_the_document_has(result: Result, tmp_path: Path) -> None:
    path = write(result, "csv", tmp_path)
    events = json.loads(write(result, "json", tmp_path).read_text())["events"]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [set(row) for row in rows] == [{"clip", *event} for event in events]
    for row, event in zip(rows, events, strict=True):
        assert {key: row[key] for key in event} == {key: "" if one is None else str(one) for key, one in event.items()}
    table = pd.read_csv(path)
    assert table["azimuth_deg"].isna().tolist() == [False, True, False]


def test_the_csv_of_hostile_classes_has_a_row_for_each(hostile: Result, tmp_path: Path) -> None:
    with write(hostile, "csv", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows[:2]] == list(HOSTILE.names[:2])
    assert rows[0]["clip"] == "take? <1>"


def test_parquet_events_are_typed_with_units(result: Result, tmp_path: Path) -> None:
    path = write(result, "parquet", tmp_path)
    table = parquet.read_table(path)
    units = {field.name: field.metadata[b"unit"].decode() for field in table.schema}
    assert {name: unit for name, unit in units.items() if unit} == {
        "start_s": "s",
        "end_s": "s",
        "azimuth_deg": "degree",
        "azimuth_low_deg": "degree",
        "azimuth_high_deg": "degree",
        "distance_m": "m",
        "onscreen": "1",
        "score": "1",
        "azimuth_std_deg": "degree",
        "distance_std_m": "m",
    }
    assert table.schema.metadata[b"duration_s"] == b"5.0"
    assert table["azimuth_deg"].null_count == 1
    read, expected = pd.read_parquet(path), result.events.segments()
    assert read["class"].tolist() == expected["class"].tolist()
    assert read["clip"].unique().tolist() == ["kitchen/take & 1"]
    columns = ["start_s", "end_s", "azimuth_deg", "azimuth_low_deg", "azimuth_high_deg", "distance_m", "onscreen"]
    np.testing.assert_allclose(read[columns], expected[columns], rtol=1e-6)


def test_parquet_frames_are_the_active_frames(result: Result, tmp_path: Path) -> None:
    path = write(result, "parquet-frames", tmp_path)
    assert parquet.read_schema(path).field("onscreen").type == "bool"
    read, expected = pd.read_parquet(path), result.frames.table
    assert read["frame"].tolist() == expected["frame"].tolist()
    np.testing.assert_allclose(read["time_s"], expected["frame"] * 0.1)
    np.testing.assert_allclose(read["azimuth_deg"], expected["azimuth_deg"], rtol=1e-6)
    assert read["onscreen"].isna().sum() == 3
    assert not read["onscreen"].dropna().tolist()[-1]


def test_parquet_files_of_several_clips_are_one_table(result: Result, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(replace(result, name=name), "parquet", tmp_path)
    assert pd.read_parquet(tmp_path)["clip"].value_counts().to_dict() == {"one": 3, "two": 3}


def test_parquet_takes_hostile_names(hostile: Result, tmp_path: Path) -> None:
    with write(hostile, "parquet", tmp_path).open("rb") as file:
        read = pd.read_parquet(file)
    assert read["class"].tolist()[:2] == list(HOSTILE.names[:2])
