"""Which drawings belong to which time of a clip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from seldfuse.core.azimuth_text import format_azimuth
from seldfuse.core.detections import Detections
from seldfuse.core.geometry import Camera, fold_azimuth
from seldfuse.core.result import Result
from seldfuse.errors import UsageError
from seldfuse.formats.event_text import format_class, to_printable
from seldfuse.overlay import drawing
from seldfuse.overlay.drawing import Bar, choose_color
from seldfuse.overlay.patch import Patch, Placed
from seldfuse.vision.detection_store import build_path, read_detections

PAGE_S = 60.0
"""The timeline shows so many seconds; of a longer clip the page that belongs to the time."""

TRAIL_S = 2.0
"""The view from above shows where a source was that long."""

TRAIL_DOTS = 4

REFERENCE_PX = 360
"""The height of a picture at which texts and lines have their sizes; others are scaled."""

STRIP_SHARE = 1 / 6
"""The timeline takes at most so much of the height."""


@dataclass(frozen=True)
class ClipDetections:
    """What one detector found, which holds until it looked again, and the size of the pictures that it got."""

    found: Detections
    rate_hz: float
    width_px: int
    height_px: int


def find_detections(result: Result, folder: Path) -> list[ClipDetections]:
    """Read what the detectors of a result stored in `folder`; those that stored nothing are left out."""
    read = []
    for name in result.detectors:
        try:
            file = read_detections(build_path(folder, name, result.name))
        except UsageError:
            continue
        if file.memory.size_px is not None:
            read.append(ClipDetections(file.memory.detections, float(file.key["rate_hz"]), *file.memory.size_px))
    return read


class Annotator:
    """Finds the drawings for every time of a clip whose pictures, as players show them, have a size."""

    def __init__(self, result: Result, size_px: tuple[int, int], detections: Sequence[ClipDetections] = ()) -> None:
        self._result, self._detections = result, detections
        self._width_px, self._height_px = size_px
        camera = result.clip.camera if result.clip is not None else Camera()
        self._camera = replace(camera, width_px=size_px[0], height_px=size_px[1])
        self._unit = max(min(size_px) / REFERENCE_PX, 0.5)
        columns = result.events.columns
        self._columns = columns
        sources = np.stack([columns["cls"], columns["source"]], axis=1).reshape(-1, 2)
        self._sources, row = np.unique(sources, axis=0, return_inverse=True)
        self._row = row.reshape(-1)
        self._names = self._list_names()
        rows = max(len(self._sources), 1)
        self._row_px = int(np.clip(self._height_px * STRIP_SHARE // rows, 3, 11 * self._unit))
        self._reach_m = float(np.clip(np.ceil(np.nanmax(columns["distance_m"], initial=0)), 2, 20))
        # The same objects for the same moment: what was converted once is not converted again.
        self._list_still = lru_cache(maxsize=2)(self._list_of_frame)
        self._draw_page = lru_cache(maxsize=1)(self._draw_timeline_page)

    def list_drawings(self, time_s: float) -> list[Placed]:
        """List the drawings of a time, the lowest first."""
        frame = int(time_s / self._result.events.hop_s + 1e-6)
        boxes = [placed for one in self._detections for placed in self._list_boxes(one, time_s)]
        return [*boxes, *self._list_still(frame), *self._list_timeline(time_s)]

    def _scale(self, pixels: int) -> int:
        return max(1, round(pixels * self._unit))

    def _list_names(self) -> list[str]:
        """The name of each source: its class, and a number where a class has several."""
        classes = self._sources[:, 0].tolist()
        names = [format_class(self._result.events.labels.names[cls]) for cls in classes]
        return [
            f"{name} {classes[:row].count(cls) + 1}" if classes.count(cls) > 1 else name
            for row, (name, cls) in enumerate(zip(names, classes, strict=True))
        ]

    def _list_of_frame(self, frame: int) -> list[Placed]:
        """The sources of a frame: lines, labels, the view from above."""
        first, last = np.searchsorted(self._columns["frame"], [frame, frame + 1])
        placed: list[Placed] = []
        for position, number in enumerate(range(first, last)):
            placed += self._list_source(number, position)
        return [*placed, *self._list_top_view(frame)]

    def _list_source(self, number: int, position: int) -> Iterator[Placed]:
        azimuth_deg, distance_m, onscreen = (
            float(self._columns[name][number]) for name in ("azimuth_deg", "distance_m", "onscreen")
        )
        row = int(self._row[number])
        color, size = choose_color(row), self._scale(13)
        parts = [self._names[row]] + ([] if np.isnan(distance_m) else [f"{distance_m:.1f} m"])
        top_px = self._scale(6) + position * self._scale(22)
        x_px = float(self._camera.x_from_azimuth(azimuth_deg)) if azimuth_deg == azimuth_deg else np.nan
        if 0 <= x_px < self._width_px:
            line = drawing.draw_line(self._height_px, color, self._scale(2), dashed=onscreen == 0)
            yield _center(line, x_px, self._height_px / 2)
            if onscreen == onscreen:
                mark = drawing.draw_mark(2 * self._scale(7), color, filled=onscreen == 1)
                yield _center(mark, x_px, self._height_px / 2)
            label = drawing.draw_label(", ".join(parts), color, size)
            left_px = np.clip(x_px + self._scale(5), 0, self._width_px - label.size_px[0])
            yield Placed(label, int(left_px), top_px)
            return
        if azimuth_deg != azimuth_deg:
            label = drawing.draw_label(", ".join(parts), color, size)
            yield Placed(label, (self._width_px - label.size_px[0]) // 2, top_px)
            return
        # Outside of the picture: an arrow at the edge that is nearer.
        to_left = float(fold_azimuth(azimuth_deg - self._camera.yaw_deg)) > 0
        label = drawing.draw_label(", ".join([*parts, format_azimuth(azimuth_deg)]), color, size)
        arrow = drawing.draw_arrow(self._scale(16), color, to_left)
        gap = self._scale(20)
        yield Placed(arrow, 0 if to_left else self._width_px - arrow.size_px[0], top_px)
        yield Placed(label, gap if to_left else self._width_px - gap - label.size_px[0], top_px)

    def _list_top_view(self, frame: int) -> Iterator[Placed]:
        """The view from above in the lower right corner, with a trail of small dots for each source."""
        radius = self._scale(52)
        view = drawing.draw_top_view(radius, self._reach_m, self._camera.horizontal_fov_deg)
        left = self._width_px - view.size_px[0] - self._scale(4)
        top = self._height_px - self._strip_px - view.size_px[1] - self._scale(4)
        yield Placed(view, left, top)
        center = left + radius + 4, top + radius + 4
        hops = round(TRAIL_S / TRAIL_DOTS / self._result.events.hop_s)
        for age in range(TRAIL_DOTS, -1, -1):
            first, last = np.searchsorted(self._columns["frame"], [frame - age * hops, frame - age * hops + 1])
            for number in range(first, last):
                azimuth, distance_m = (
                    np.radians(self._columns["azimuth_deg"][number]),
                    self._columns["distance_m"][number],
                )
                if np.isnan(azimuth):
                    continue
                # An unknown distance is shown at the rim.
                away = radius * min(1.0, (self._reach_m if np.isnan(distance_m) else distance_m) / self._reach_m)
                size = 2 * self._scale(4 if age == 0 else 2)
                dot = drawing.draw_mark(size, choose_color(int(self._row[number])), filled=True)
                yield _center(dot, center[0] - away * np.sin(azimuth), center[1] - away * np.cos(azimuth))

    @property
    def _strip_px(self) -> int:
        rows = len(self._sources)
        height = self._row_px * rows + 4 if rows else 0
        return height + height % 2

    def _list_timeline(self, time_s: float) -> Iterator[Placed]:
        if not len(self._sources):
            return
        page = int(time_s // PAGE_S)
        begin_s, end_s = page * PAGE_S, self._end_of_page_s(page)
        top = self._height_px - self._strip_px
        yield Placed(self._draw_page(page), 0, top)
        cursor = drawing.draw_line(self._strip_px, (255, 255, 255), self._scale(1), dashed=False)
        left = drawing.measure_names(self._row_px, self._names)
        x_px = left + (self._width_px - left) * (time_s - begin_s) / (end_s - begin_s)
        yield _center(cursor, x_px, top + self._strip_px / 2)

    def _end_of_page_s(self, page: int) -> float:
        """One page has the length of the clip, of several each has the same."""
        return (page + 1) * PAGE_S if self._result.duration_s > PAGE_S else max(self._result.duration_s, 0.1)

    def _draw_timeline_page(self, page: int) -> Patch:
        begin_s, end_s = page * PAGE_S, self._end_of_page_s(page)
        events = self._result.events.list_segments()
        row_of = {tuple(source): row for row, source in enumerate(self._sources.tolist())}
        bars = []
        for cls, source, start_s, stop_s in zip(
            *(events[name].tolist() for name in ("cls", "source", "start_s", "end_s")), strict=True
        ):
            if start_s < end_s and stop_s > begin_s:
                begin, end = ((one - begin_s) / (end_s - begin_s) for one in (start_s, stop_s))
                bars.append(Bar(row_of[cls, source], max(begin, 0.0), min(end, 1.0)))
        return drawing.draw_timeline(self._width_px, self._row_px, self._names, bars)

    def _list_boxes(self, detections: ClipDetections, time_s: float) -> Iterator[Placed]:
        times_s = detections.found.table["time_s"].to_numpy()
        key_s = np.floor(time_s * detections.rate_hz + 1e-6) / detections.rate_hz
        first, last = np.searchsorted(times_s, [key_s - 1e-3, key_s + 1e-3])
        table = detections.found.table.iloc[first:last]
        for phrase, *box in table[["phrase", "left_px", "top_px", "right_px", "bottom_px"]].itertuples(index=False):
            left, top, right, bottom = self._scale_box(box, detections)
            thick = 2 * self._scale(1)
            wide, high = drawing.draw_edge(_even(right - left), thick), drawing.draw_edge(thick, _even(bottom - top))
            yield Placed(wide, left, top)
            yield Placed(wide, left, bottom - thick)
            yield Placed(high, left, top)
            yield Placed(high, right - thick, top)
            label = drawing.draw_label(to_printable(str(phrase)), drawing.BOX_COLOR, self._scale(10))
            yield Placed(label, left, max(top - label.size_px[1], 0))

    def _scale_box(self, box: Sequence[float], detections: ClipDetections) -> tuple[int, int, int, int]:
        """A box in pixels of the picture; detectors saw it with square pixels."""
        left, right = np.array(box[::2]) * self._width_px / detections.width_px
        top, bottom = np.array(box[1::2]) * self._height_px / detections.height_px
        return round(left), round(top), round(right), round(bottom)


def _center(patch: Patch, x_px: float, y_px: float) -> Placed:
    width, height = patch.size_px
    return Placed(patch, round(x_px - width / 2), round(y_px - height / 2))


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
