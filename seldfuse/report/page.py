"""The page of one clip: its data, its table and its plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seldfuse.core.azimuth_text import format_azimuth, format_azimuth_range
from seldfuse.core.detections import KEYPOINTS
from seldfuse.errors import MediaError
from seldfuse.report.clip_report import ClipReport, Layer
from seldfuse.report.figures import (
    Figure,
    draw_posterior,
    draw_spectrogram,
    draw_timeline,
    draw_top_view,
    draw_waveform,
    name_rows,
    to_list,
)
from seldfuse.report.palette import AZIMUTH_COLORS, choose_mark
from seldfuse.report.render import PageAssets, PlayedFile, render
from seldfuse.report.sound import draw_sound
from seldfuse.storage.text import format_count
from seldfuse.vision.detection_store import DetectionFile

SHADED_PERCENT = "80"
"""The interval that is shaded, where intervals were fitted; else one standard deviation."""


@dataclass(frozen=True)
class Neighbors:
    """Addresses of the pages beside a clip's page: all clips, the one before and the one after; empty where none."""

    index: str = ""
    before: str = ""
    after: str = ""


def write_clip_page(report: ClipReport, path: Path, assets: PageAssets, neighbors: Neighbors = Neighbors()) -> None:
    """Write the page of a clip. Raises UsageError where `path` cannot be written."""
    figures, missing = _draw(report)
    data = {
        "name": report.name,
        "duration_s": round(report.duration_s, 3),
        "hop_s": report.hop_s,
        "labels": list(report.labels),
        "marks": [choose_mark(cls) for cls in range(len(report.labels))],
        "azimuth_colors": AZIMUTH_COLORS,
        "interval": _describe_interval(report),
        "rows": name_rows(report),
        "layers": [_describe_layer(layer) for layer in report.layers],
        "camera": {
            "width_px": report.camera.width_px,
            "height_px": report.camera.height_px,
            "fov_deg": report.camera.horizontal_fov_deg,
            "yaw_deg": report.camera.yaw_deg,
        },
        "detections": {name: _describe_detections(found) for name, found in report.detections.items()},
        "figures": figures,
    }
    played = _find_played(report, path, assets)
    render(
        "clip.html",
        path,
        assets,
        data,
        report=report,
        rows=_list_rows(report),
        columns=_list_columns(report),
        missing={**report.missing, **missing},
        played=played,
        figures=figures,
        neighbors=neighbors,
        facts=_describe_facts(report),
        summary=_summarize(report),
        counts=_count_outcomes(report),
        interval=_describe_interval(report)["text"],
    )


def _draw(report: ClipReport) -> tuple[dict[str, Any], dict[str, str]]:
    """All plots, and why some are not there."""
    figures: dict[str, Any] = {"timeline": draw_timeline(report), "top": draw_top_view(report)}
    figures["posteriors"] = [
        {"backend": backend, "figures": draw_posterior(posterior, report)}
        for backend, posterior in report.posteriors.items()
    ]
    if report.clip is None or report.has_picture:
        return figures, {}
    try:
        sound = draw_sound(report.clip.audio)
    except MediaError as error:
        return figures, {"sound": f"The sound cannot be drawn: {error}"}
    drawn: dict[str, Figure] = {
        "waveform": draw_waveform(sound, report),
        "spectrogram": draw_spectrogram(sound, report),
    }
    return figures | drawn, {}


def _describe_layer(layer: Layer) -> dict[str, Any]:
    """The events of a layer as the page's script takes them; a path holds one number for each frame."""
    paths, ends = layer.paths, np.searchsorted(layer.paths.event, np.arange(layer.size + 1))
    columns = {
        "azimuth_deg": to_list(paths.azimuth_deg.round(1)),
        "distance_m": to_list(paths.distance_m.round(2)),
        "azimuth_std_deg": to_list(paths.azimuth_std_deg.round(1)),
        "distance_log_std": to_list((paths.distance_std_m / paths.distance_m).round(3)),
    }
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    events = [
        {
            **_describe_event(layer, one),
            "path": {name: values[ends[one] : ends[one + 1]] for name, values in known.items()},
        }
        for one in range(layer.size)
    ]
    return {"kind": layer.kind, "name": layer.name, "events": events}


def _describe_event(layer: Layer, one: int) -> dict[str, Any]:
    stated = ("start_s", "end_s", "azimuth_deg", "azimuth_low_deg", "azimuth_high_deg", "distance_m", "onscreen",
              "score", "azimuth_std_deg", "distance_std_m")  # fmt: skip
    numbers = {name: float(layer.events[name][one]) for name in stated}
    return {
        "class_id": int(layer.events["cls"][one]),
        "source": int(layer.events["source"][one]),
        **{name: None if np.isnan(value) else round(value, 3) for name, value in numbers.items()},
        "outcome": layer.outcomes[one] if layer.outcomes else None,
    }


def _describe_interval(report: ClipReport) -> dict[str, Any]:
    """How many standard deviations are shaded, to either side."""
    widths = {name: report.intervals.get(name, {}).get(SHADED_PERCENT) for name in ("azimuth", "distance")}
    fitted = widths["azimuth"] is not None
    return {
        **{name: 1.0 if width is None else float(width) for name, width in widths.items()},
        "text": f"where the truth should lie in {SHADED_PERCENT} % of cases"
        if fitted
        else "one standard deviation to either side",
    }


def _describe_detections(found: DetectionFile) -> dict[str, Any]:
    """Boxes and keypoints by the times of the pictures that were looked at, in shares of the picture."""
    memory, rate_hz = found.memory, float(found.key["rate_hz"])
    width_px, height_px = memory.size_px or (1, 1)
    table, size = memory.detections.table, np.array([width_px, height_px, width_px, height_px])
    boxes = (table[["left_px", "top_px", "right_px", "bottom_px"]].to_numpy() / size).round(4)
    points = memory.detections.keypoints.copy()
    points[..., :2] /= size[:2]
    people = ~np.isnan(points[..., 0]).all(axis=1)
    return {
        "rate_hz": rate_hz,
        "times_s": [round(number / rate_hz, 3) for number in sorted(memory.looked)],
        "phrases": table["phrase"].astype(str).tolist(),
        "time_s": table["time_s"].round(3).tolist(),
        "score": table["score"].round(2).tolist(),
        "boxes": boxes.tolist(),
        "points": [
            to_list(one.round(3).reshape(-1)) if person else None
            for one, person in zip(points.reshape(len(table), len(KEYPOINTS) * 3), people, strict=True)
        ],
    }


def _find_played(report: ClipReport, path: Path, assets: PageAssets) -> Mapping[str, PlayedFile]:
    """What is played: one file with picture and sound, or a picture and its sound apart, or sound."""
    clip = report.clip
    if clip is None or clip.path is None:
        return {}
    sound = PlayedFile.refer(clip.path, path, assets)
    if clip.video_path is None:
        return {"sound": sound}
    picture = sound if clip.video_path == clip.path else PlayedFile.refer(clip.video_path, path, assets)
    return {"picture": picture} if picture is sound else {"picture": picture, "sound": sound}


def _list_columns(report: ClipReport) -> list[str]:
    several = len(report.layers) > 1
    return [
        "start (s)",
        "end (s)",
        "class",
        *(["by"] if several else []),
        "azimuth",
        "± std",
        "distance",
        "on-screen",
        "score",
        *(["outcome"] if report.truth else []),
    ]


def _list_rows(report: ClipReport) -> list[dict[str, Any]]:
    """The rows of the table, by start: all layers together, for who reads a miss wants to see what is near."""
    rows = [
        _make_row(report, number, layer, one) for number, layer in enumerate(report.layers) for one in range(layer.size)
    ]
    return sorted(rows, key=lambda row: (row["start_s"], row["layer"]))


def _make_row(report: ClipReport, number: int, layer: Layer, one: int) -> dict[str, Any]:
    event = {name: values[one] for name, values in layer.events.items()}
    name = report.labels[int(event["cls"])].replace("_", " ")
    by = {"result": "result", "truth": "truth"}.get(layer.kind, layer.name)
    outcome = layer.outcomes[one] if layer.outcomes else ""
    cells = [
        f"{event['start_s']:.1f}",
        f"{event['end_s']:.1f}",
        name,
        *([by] if len(report.layers) > 1 else []),
        format_azimuth_range(event["azimuth_deg"], event["azimuth_low_deg"], event["azimuth_high_deg"]),
        _format_known(event["azimuth_std_deg"], "{:.0f}°"),
        _format_known(event["distance_m"], "{:.1f} m"),
        "–" if np.isnan(event["onscreen"]) else "yes" if event["onscreen"] > 0.5 else "no",
        _format_known(event["score"], "{:.2f}"),
        *([outcome] if report.truth else []),
    ]
    azimuth = format_azimuth(event["azimuth_deg"])
    return {
        "layer": number,
        "event": one,
        "start_s": float(event["start_s"]),
        "kind": layer.kind,
        "outcome": outcome,
        "cells": cells,
        "play": f"Play {name}, {azimuth}, from {event['start_s']:.1f} s",
    }


def _describe_facts(report: ClipReport) -> dict[str, str]:
    """How the result was made, in words."""
    facts = report.facts
    said = {
        "backends": ", ".join(map(str, facts.get("backends", ()))),
        "fusion": str(facts.get("fusion", "")),
        "detectors": "; ".join(f"{name}: {engine}" for name, engine in facts.get("detectors", {}).items()),
        "device": str(facts.get("device", "")),
        "seldfuse": str(facts.get("seldfuse", "")),
        "recording": report.clip.path.name if report.clip and report.clip.path else "",
        "field of view": f"{report.camera.horizontal_fov_deg:g}°" if report.has_picture else "",
    }
    return {name: value for name, value in said.items() if value}


def _summarize(report: ClipReport) -> str:
    classes = len(set(report.result.events["cls"].tolist()))
    events, kinds = format_count(report.result.size, "event"), f"{classes} class{'' if classes == 1 else 'es'}"
    return f"{report.duration_s:.1f} s, {events} of {kinds}"


def _count_outcomes(report: ClipReport) -> list[str]:
    if report.truth is None:
        return []
    said = [f"{report.truth.count('miss')} missed of {format_count(report.truth.size, 'true event')}"]
    for layer in report.layers:
        if layer.kind != "truth":
            said.append(f"{layer.name}: {layer.count('match')} matched, {layer.count('false alarm')} false")
    return said


def _format_known(value: float, form: str) -> str:
    return "–" if np.isnan(value) else form.format(value)
