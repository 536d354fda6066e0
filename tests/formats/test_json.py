"""The JSON document."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from worlds import result_of

import seldfuse
from seldfuse.core.events import Events
from seldfuse.core.result import Result
from seldfuse.formats import json as json_format


def take(events: Events) -> Result:
    result = result_of(
        events,
        name="kitchen/take1",
        notes=("distance is typical, not estimated",),
        intervals={"azimuth": {"90": 1.6}},
    )
    vision = {"mode": "bayes", "detectors": {"gdino": "yolox:nano on cpu"}}
    return replace(result, posterior=replace(result.posterior, provenance={"vision": vision}))


@pytest.fixture
def result() -> Result:
    table = pd.DataFrame(
        {
            "frame": [3, 4, 5, 9],
            "cls": [8, 8, 8, 0],
            "source": [1, 1, 1, 0],
            "azimuth_deg": [10.0, 12.0, 14.04, math.nan],
            "distance_m": [2.0, 2.0, 2.0, math.nan],
            "onscreen": [1, 1, 0, math.nan],
            "score": [0.5, 0.75, 1.0, 0.8],
        }
    )
    return take(Events(table))


def test_the_document_says_where_it_comes_from(result: Result) -> None:
    document = json_format.to_document(result)
    head = {key: document[key] for key in document if key not in ("events", "frames", "labels")}
    assert head == {
        "format": "seldfuse-events",
        "version": 1,
        "name": "kitchen/take1",
        "duration_s": 5.0,
        "hop_s": 0.1,
        "seldfuse": seldfuse.__version__,
        "backends": ["sed-sce", "cmc@best"],
        "fusion": "mean",
        "device": "cpu",
        "detectors": {"gdino": "yolox:nano on cpu"},
        "intervals": {"azimuth": {"90": 1.6}},
        "notes": ["distance is typical, not estimated"],
    }
    assert document["labels"][8] == "music"


def test_events_are_uninterrupted_stretches_with_null_for_the_unknown(result: Result) -> None:
    music, speech = json_format.to_document(result)["events"]
    assert music == {
        "class": "music",
        "class_id": 8,
        "source": 1,
        "start_s": 0.3,
        "end_s": 0.6,
        "azimuth_deg": 12.0,
        "azimuth_low_deg": 10.0,
        "azimuth_high_deg": 14.0,
        "distance_m": 2.0,
        "onscreen": 0.667,
        "score": 0.75,
        "azimuth_std_deg": None,
        "distance_std_m": None,
    }
    assert (speech["class"], speech["start_s"], speech["end_s"]) == ("female_speech", 0.9, 1.0)
    assert speech["azimuth_deg"] is speech["distance_m"] is speech["onscreen"] is None


def test_frames_are_rows_under_named_columns(result: Result) -> None:
    frames = json_format.to_document(result)["frames"]
    rows = [dict(zip(frames["columns"], row, strict=True)) for row in frames["rows"]]
    assert [row["frame"] for row in rows] == [3, 4, 5, 9]
    assert [row["class_id"] for row in rows] == [8, 8, 8, 0]
    assert [row["azimuth_deg"] for row in rows] == [10.0, 12.0, 14.0, None]


def test_the_file_holds_the_document_and_no_nan(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "take1.json"
    json_format.write_result(result, path)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(path.read_text(), parse_constant=refuse) == json_format.to_document(result)


def test_a_clip_without_events_has_empty_lists() -> None:
    document = json_format.to_document(take(Events.empty()))
    assert document["events"] == document["frames"]["rows"] == []
    assert "azimuth_deg" in document["frames"]["columns"]
