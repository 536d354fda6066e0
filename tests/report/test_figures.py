"""The plots are what Plotly takes, and show what was there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from report_world import BELL_DEG, make_result, make_world

from seldfuse.core.clip import ArrayAudio
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.posterior import Posterior
from seldfuse.report.clip_report import ClipReport
from seldfuse.report.figures import (
    HEAT_COLUMNS,
    draw_posterior,
    draw_spectrogram,
    draw_timeline,
    draw_top_view,
    draw_waveform,
)
from seldfuse.report.read import ReportSources, report_result
from seldfuse.report.sound import draw_sound


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ClipReport:
    world = make_world(tmp_path_factory.mktemp("world"))
    (report,) = ReportSources(world.out, world.labels, world.out).read_clips()
    return report


def test_plotly_knows_everything_that_figures_say(report: ClipReport) -> None:
    import plotly.graph_objects as go

    sound = draw_sound(ArrayAudio(np.random.default_rng(0).standard_normal((2, 48_000)).astype(np.float32)))
    figures = [draw_timeline(report), draw_top_view(report), draw_waveform(sound, report)]
    figures += [draw_spectrogram(sound, report), *draw_posterior(report.posteriors["sce"], report).values()]
    for figure in figures:
        go.Figure(figure)


def test_bars_are_cut_where_the_azimuth_changes(report: ClipReport) -> None:
    result, other, truth, *_ = draw_timeline(report)["data"]
    assert result["base"][0] == 1.0
    assert sum(result["x"]) == pytest.approx(3.0)
    assert 2 < len(result["x"]) < 6
    assert result["marker"]["color"][-1] == BELL_DEG
    assert (other["base"], other["x"]) == (result["base"], result["x"])
    assert truth["base"] == [1.0, 4.0]
    assert truth["customdata"] == [[2, 0], [2, 1]]


def test_a_row_for_each_class_side_and_source(report: ClipReport) -> None:
    rows = draw_timeline(report)["layout"]["yaxis"]["ticktext"]
    speech = ["female speech 1", "female speech 1 · out", "female speech 1 · truth"]
    assert rows == [*speech, "music 1 · truth", "bell 1", "bell 1 · out"]


def test_no_events_are_an_empty_timeline() -> None:
    from worlds import result_of

    from seldfuse.core.events import Events

    report = report_result(result_of(Events.empty()))
    assert draw_timeline(report)["layout"]["yaxis"]["ticktext"] == []
    assert draw_top_view(report)["data"] == []
    assert np.isnan(report.doubt)


def test_a_long_posterior_is_thinned_and_keeps_its_peaks(report: ClipReport) -> None:
    activity = torch.full((1, 6000, 13, 2), 0.1)
    azimuth = torch.full((1, 6000, 13, 2), -60.0)
    activity[0, 4001, 3, 1], azimuth[0, 4001, 3, 1] = 0.9, 25.0
    figures = draw_posterior(Posterior(activity, direction_from_azimuth(azimuth)), report)
    (heat,) = figures["activity"]["data"]
    shown = np.array(heat["z"])
    assert shown.shape == (13, HEAT_COLUMNS)
    column = int((400.15 - heat["x0"]) / heat["dx"] + 0.5)
    assert shown[3, column] == 0.9
    assert (shown == 0.9).sum() == 1
    (heat,) = figures["azimuth"]["data"]
    assert heat["z"][3][column] == 25.0
    assert sum(value is not None for row in heat["z"] for value in row) == 1


def test_a_posterior_without_directions_has_one_plot() -> None:
    result = make_result("talk")
    assert draw_posterior(result.members["sed/other"], report_result(result)).keys() == {"activity"}


def test_the_louder_side_and_the_pitch_are_seen() -> None:
    time_s = np.arange(72_000) / 24_000
    tone = np.sin(2 * np.pi * 1000 * time_s).astype(np.float32)
    sound = draw_sound(ArrayAudio(np.stack([0.5 * tone, 0.1 * tone])))
    assert sound.peaks[0].max() == pytest.approx(0.5, rel=0.01)
    assert sound.peaks[1].max() == pytest.approx(0.1, rel=0.01)
    loudest = sound.bands_hz[sound.level_db.mean(axis=1).argmax()]
    assert 900 < loudest <= 1050
    assert sound.peaks.shape[1] * sound.column_s == pytest.approx(3.0, abs=sound.column_s)


def test_silence_and_no_sound_can_be_drawn(tmp_path: Path) -> None:
    for samples in (0, 30_000):
        sound = draw_sound(ArrayAudio(np.zeros((2, samples), np.float32)))
        assert np.isfinite(sound.level_db).all()
