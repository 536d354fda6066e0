"""The result of a run for one clip."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seldfuse.core.by_name import import_by_name
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.core.table_field import TableField

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

CHANGE_COLUMNS = {"frame": "int64", "cls": "int64", "track": "int64", "azimuth_deg_before": "float64",
           "azimuth_deg": "float64", "onscreen_before": "float64", "onscreen": "float64", "postprocessor": "object",
           "phrase": "object", "thing": "int64", "common_cause": "float64"}  # fmt: skip
"""What a visual correction changed: a row for each frame and track, with the types of its columns."""


def build_empty_changes() -> "pd.DataFrame":
    """Build a table of no changes."""
    import pandas as pd

    return pd.DataFrame({column: [] for column in CHANGE_COLUMNS}).astype(CHANGE_COLUMNS)


@dataclass(frozen=True)
class Result:
    """The events of one clip, and how they were found.

    `frames` and `events` are two readings of one posterior. `frames` is where it exceeds its thresholds, frame by
    frame: what is scored and written as CSV. `events` is what people read: assigned to sources, with pauses closed and
    without what is short; each uninterrupted stretch of a source is an event (`events.segments()`).

    `posterior` is the fused posterior `[1, frame, cls, track]` after any visual correction, `uncorrected` the one
    before it, `members` holds each backend's own. `intervals` are half-widths by percent of the fitted uncertainties
    (`seldfuse.fusion.uncertainty`), empty where none were fitted. `changes` lists what the visual correction changed
    (`seldfuse.vision.refine`). `clip` is the recording, None where posteriors alone were fused. `numbering` are the
    classes whose ids formats write that have ids in place of names.

    >>> import torch
    >>> from seldfuse import Events, Posterior, Result
    >>> posterior = Posterior(torch.zeros(1, 50, 13, 1))
    >>> Result("talk", Events.empty(), Events.empty(), posterior, posterior, {"sce": posterior}, 5.0, "mean", "cpu")
    Result('talk', 5.0 s, 0 events of 0 classes, by sce)
    """

    name: str
    frames: Events
    events: Events
    posterior: Posterior
    uncorrected: Posterior
    members: Mapping[str, Posterior]
    duration_s: float
    fusion: str
    device: str
    notes: tuple[str, ...] = field(default=())
    intervals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    if TYPE_CHECKING:
        changes: pd.DataFrame = field(default_factory=build_empty_changes)
    else:
        changes: Any = TableField(build_empty_changes)
    clip: Clip | None = field(default=None, repr=False, compare=False)
    numbering: LabelSet = DCASE2025

    def __repr__(self) -> str:
        count, classes = len(self.events.list_segments()["cls"]), len(set(self.events.columns["cls"].tolist()))
        return (
            f"Result({self.name!r}, {self.duration_s:.1f} s, {count} events of {classes} classes, "
            f"by {', '.join(self.backends)})"
        )

    def _repr_html_(self) -> str:
        """Build the table of events that notebooks show."""
        text: str = import_by_name("seldfuse.formats.html:format_result")(self)
        return text

    def plot(self) -> "Figure":
        """Draw a timeline and a top view of the events as a matplotlib figure, which notebooks show and whose `savefig`
        writes it. Raises UsageError where matplotlib is not installed.
        """
        figure: Figure = import_by_name("seldfuse.plots.result:plot_result")(self)
        return figure

    def report(self, path: str | Path, embed: bool = False) -> None:
        """Write a page that shows and plays the result, to be opened in a browser; what it needs lies beside it, or
        inside with `embed`, as in `seldfuse run --report`. Raises UsageError where it cannot be written.
        """
        import_by_name("seldfuse.report.write:write_result_page")(self, Path(path), embed)

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(self.members)

    @property
    def detectors(self) -> Mapping[str, str]:
        """The engine of each detector that got pictures: network, weights and device, as it names itself."""
        return dict(self.posterior.provenance.get("vision", {}).get("detectors", {}))
