"""A clip's video with what was found drawn into it."""

from pathlib import Path

from seldfuse.core.result import Result
from seldfuse.errors import MediaError
from seldfuse.media.redraw import Planes, redraw_video
from seldfuse.overlay.annotate import Annotator, find_detections
from seldfuse.overlay.drawing import check_pillow
from seldfuse.overlay.patch import lay_over

NO_PICTURE = "no picture, so there is nothing that an overlay could be drawn on"


def write_overlay(result: Result, path: Path, detections: Path) -> None:
    """Write an MP4 file of a result's recording, with events drawn into its pictures and its sound as it was.

    Drawn are each source's azimuth, class, distance and on-screen mark, the boxes that detectors stored in the folder
    `detections`, a view from above and a timeline. Raises MediaError where the recording has no picture, or its sound
    is such as MP4 cannot hold, and UsageError where writing fails or Pillow is not installed.
    """
    check_pillow()
    clip = result.clip
    if clip is None or clip.video_path is None:
        raise MediaError(NO_PICTURE)
    found = find_detections(result, detections)
    annotators: list[Annotator] = []

    def draw(time_s: float, planes: Planes) -> None:
        if not annotators:
            annotators.append(Annotator(result, planes.size_px, found))
        lay_over(planes, annotators[0].list_drawings(time_s))

    redraw_video(clip.video_path, clip.path, path, draw)
