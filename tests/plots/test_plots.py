"""Figures and tables of results and of evaluations."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from worlds import plain_room, result_of

import seldfuse
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, Label, LabelSet
from seldfuse.core.result import Result
from seldfuse.errors import UsageError
from seldfuse.formats.dcase import write_events
from seldfuse.formats.json import to_document
from seldfuse.metrics.error_bins import bin_errors
from seldfuse.metrics.reliability import measure_reliability
from seldfuse.plots import figure as figures
from seldfuse.storage.json_lines import format_json_line
from seldfuse.synth.reverberation import compute_rt60_s
from seldfuse.synth.scene import ScenePlan
from seldfuse.testing.samples import tiny_result

HOSTILE = LabelSet("hostile", (Label("<script>alert(1)</script>", "a"), Label("$\\frac{$", "b")))


def texts(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


@pytest.fixture
def result() -> Result:
    """A voice at 30° left, on-screen at first; two bells at once, one without a place."""
    table = pd.DataFrame(
        {
            "frame": [*range(10, 20), *range(30, 35), *range(30, 35)],
            "cls": [0] * 10 + [11] * 10,
            "source": [0] * 15 + [1] * 5,
            "azimuth_deg": [30.0] * 10 + [-60.0] * 5 + [math.nan] * 5,
            "distance_m": [1.5] * 10 + [4.0] * 5 + [math.nan] * 5,
            "onscreen": [1.0] * 5 + [0.0] * 10 + [math.nan] * 5,
        }
    )
    return result_of(Events(table))


def test_the_timeline_has_a_row_for_each_source_and_colours_azimuths(result: Result) -> None:
    timeline, top_view, _ = result.plot().axes
    assert texts(timeline) == ["female speech", "bell (1)", "bell (2)"]
    azimuths = [image.get_array().filled(math.nan)[0] for image in timeline.images[1::2]]
    assert azimuths[0].tolist()[9:21] == pytest.approx([math.nan, *[30.0] * 10, math.nan], nan_ok=True)
    assert np.nanmax(azimuths[1]) == -60
    assert np.isnan(azimuths[2]).all()
    marks = [line for line in top_view.lines if line.get_marker() != "None"]
    assert [(np.degrees(mark.get_xdata()[0]), mark.get_ydata()[0]) for mark in marks] == [
        (pytest.approx(30), pytest.approx(1.5)),
        (pytest.approx(-60), pytest.approx(4.0)),
    ]


def test_the_line_above_a_bar_says_when_it_is_on_screen(result: Result) -> None:
    ((begin, end),) = [line[:, 0] for lines in result.plot().axes[0].collections for line in lines.get_segments()]
    assert (begin, end) == (pytest.approx(1.0), pytest.approx(1.5))


def test_a_result_without_events_and_one_without_places_are_drawn() -> None:
    assert result_of(Events.empty()).plot()._repr_png_().startswith(b"\x89PNG")
    assert tiny_result(("activity",)).plot()._repr_png_().startswith(b"\x89PNG")


def test_hostile_names_are_text() -> None:
    hostile = result_of(Events(pd.DataFrame({"frame": [0, 1], "cls": [0, 1]}), HOSTILE), name="<img src=x>$^$")
    hostile.plot()._repr_png_()
    page = hostile._repr_html_()
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert set(tags) == {"p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_notebooks_show_the_table_of_events(result: Result) -> None:
    ((head, *rows),) = [frame.to_numpy().tolist() for frame in [_read_table(result._repr_html_())]]
    assert head == ["begin (s)", "end (s)", "class", "azimuth", "distance", "on-screen", "score"]
    assert rows[0] == ["1.0", "2.0", "female_speech", "30° left", "1.5 m", "no", "–"]
    assert rows[2][3:6] == ["–", "–", "–"]
    assert "no events" in result_of(Events.empty())._repr_html_()


def _read_table(page: str) -> pd.DataFrame:
    cells: list[list[str]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: cells.append([]) if tag == "tr" else None  # type: ignore[method-assign]
    parser.handle_data = lambda data: cells[-1].append(data) if cells else None  # type: ignore[method-assign]
    parser.feed(page)
    return pd.DataFrame([row[:7] for row in cells])


def test_without_matplotlib_it_says_what_to_install(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r'plots need matplotlib: pip install "seldfuse\[plots\]"'):
        result.plot()


# Evaluations


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions of six clips, a few degrees off and in part wrong, and a reference with a manifest."""
    rng = np.random.default_rng(0)
    predictions, root = tmp_path / "out", tmp_path / "data"
    reference = root / "metadata_dev" / "test"
    lines = [format_json_line({"recipe": {}})]
    for clip in range(6):
        frame, cls = np.arange(60), np.arange(60) // 10 + clip % 2
        columns = {"frame": frame, "cls": cls, "azimuth_deg": rng.uniform(-80, 80, 60), "distance_m": 1 + cls / 4}
        write_events(Events(pd.DataFrame(columns)), reference / f"c{clip}.csv")
        # Said with 90 % and true in nine of ten, said with 60 % and never true.
        wrong = np.where(frame % 10 == 9, 12, cls)
        found = Events(
            pd.DataFrame({**columns, "cls": wrong, "azimuth_deg": columns["azimuth_deg"] + 5 + clip, "score": 0.9})
        )
        more = pd.DataFrame({**columns, "cls": np.full(60, 9), "source": 0, "score": 0.6})
        found = Events(pd.concat([found.table, more]))
        write_events(found, predictions / f"c{clip}.csv")
        (predictions / f"c{clip}.json").write_text(json.dumps(to_document(result_of(found))))
        plan = ScenePlan((), plain_room(0.2 + clip / 10), None)
        lines.append(format_json_line({"name": f"c{clip}", "plan": json.loads(plan.to_json())}))
    (root / "manifest-test.jsonl").write_text("".join(lines))
    return predictions, reference


def test_an_evaluation_is_a_table_with_intervals(folders: tuple[Path, Path]) -> None:
    evaluated = seldfuse.evaluate(*folders, mode="strict")
    table = evaluated.to_dataframe()
    assert table["kind"].unique().tolist() == ["frames", "skill", "events"]
    by_name = table[table["kind"] == "frames"].set_index(["score", "class"]).sort_index()
    for name, value in evaluated.items():
        assert by_name.loc[(name, "all"), "value"] == pytest.approx(value, nan_ok=True)
        of_classes = by_name.loc[name].loc[list(DCASE2025.names), "value"]
        np.testing.assert_array_equal(of_classes, evaluated.classes[name])
    clapping = by_name.loc[("doae_deg", "clapping")]
    assert clapping["low"] < clapping["value"] < clapping["high"]
    assert clapping["value"] == pytest.approx(7.5, abs=0.5)


def test_reliability_and_reverberation_are_read_where_they_are_known(folders: tuple[Path, Path]) -> None:
    evaluated = seldfuse.evaluate(*folders)
    assert evaluated.reliability is not None
    assert evaluated.rt60_s is not None
    assert evaluated.reliability.cells.tolist() == [0] * 6 + [360, 0, 0, 360]
    assert evaluated.reliability.frequency[[6, 9]].tolist() == [0.0, 0.9]
    assert evaluated.reliability.calibration_error == pytest.approx(0.3)
    assert evaluated.rt60_s == pytest.approx(0.2 + np.arange(6) / 10, rel=0.05)
    assert evaluated.rt60_s[0] == compute_rt60_s(ScenePlan((), plain_room(0.2), None))


def test_an_evaluation_draws_what_is_known(folders: tuple[Path, Path]) -> None:
    predictions, reference = folders
    figure = seldfuse.evaluate(predictions, reference).plot("f20")
    assert [text.get_text() for text in figure.axes[0].texts] == ["absent"] * 4
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "",
        "stated probability",
        "true azimuth (°), left to right",
        "true distance (m)",
        "reverberation time RT60 (s)",
    ]
    for path in [*predictions.glob("*.json"), *reference.parents[1].glob("*.jsonl")]:
        path.unlink()
    figure = seldfuse.evaluate(predictions, reference).plot()
    assert [axes.get_xlabel() for axes in figure.axes[1:]] == ["true azimuth (°), left to right", "true distance (m)"]


def test_a_score_that_there_is_not_is_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="there is no score 'f99'; there are f20_1, "):
        seldfuse.evaluate(*folders).plot("f99")


def test_errors_are_sorted_into_bins() -> None:
    quantity, errors = np.array([0.0, 1.0, 1.5, 2.0, 3.0, math.nan]), np.array([1.0, 2.0, 4.0, 6.0, 9.0, 9.0])
    bins = bin_errors(quantity, errors, np.array([-1.0, 0.0, 1.0, 2.0]))
    assert bins.pairs.tolist() == [0, 1, 3]
    assert bins.quartiles[1].tolist() == pytest.approx([math.nan, 1.0, 4.0], nan_ok=True)


def test_no_probabilities_have_no_reliability() -> None:
    assert math.isnan(measure_reliability(np.empty(0), np.empty(0, dtype=bool)).calibration_error)
