"""An event goes through the frames of its class that are nearest to it."""

import numpy as np

from seldfuse.report.paths import trace_paths

UNKNOWN = np.full(4, np.nan)


def columns(**values: list[float]) -> dict[str, np.ndarray]:
    rows = len(next(iter(values.values())))
    told = {name: np.array(column, dtype=float) for name, column in values.items()}
    whole = {name: told.pop(name).astype(np.int64) for name in ("frame", "cls") if name in told}
    names = ("azimuth_deg", "distance_m", "azimuth_std_deg", "distance_std_m")
    return {**{name: np.full(rows, np.nan) for name in names}, **told, **whole}


def test_each_frame_goes_to_the_nearest_event_of_its_class() -> None:
    events = columns(cls=[0, 0, 1], start_s=[0.0, 0.0, 0.0], end_s=[0.2, 0.2, 0.2], azimuth_deg=[40, -40, 0])
    frames = columns(frame=[0, 0, 1, 1], cls=[0, 0, 0, 1], azimuth_deg=[-35, 45, 30, 5], distance_m=[1, 2, 3, 4])
    paths = trace_paths(events, frames, 0.1)
    assert paths.event.tolist() == [0, 0, 1, 1, 2, 2]
    assert paths.azimuth_deg.tolist() == [45, 30, -35, -40, 0, 5]
    assert np.array_equal(paths.distance_m, [2, 3, 1, np.nan, np.nan, 4], equal_nan=True)


def test_without_events_or_frames_there_is_nothing_or_the_mean() -> None:
    none = columns(frame=[], cls=[], azimuth_deg=[], start_s=[], end_s=[])
    event = columns(cls=[3], start_s=[0.5], end_s=[0.8], azimuth_deg=[12])
    assert trace_paths(none, none, 0.1).event.tolist() == []
    assert trace_paths(event, none, 0.1).azimuth_deg.tolist() == [12, 12, 12]
