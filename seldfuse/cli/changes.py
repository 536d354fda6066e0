"""What the visual correction changed, as a table: a line for each stretch of one source that one object changed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from seldfuse.core.azimuth_text import format_azimuth
from seldfuse.vision.settings import name_with_engine

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.core.result import Result

LINES_SHOWN = 12


def build_changes_table(result: "Result") -> "Table":
    """Build a table of stretches, those that were changed most first: where from, where to, whether seen, by what, how
    surely."""
    from rich.table import Table

    view = Table(title="what the visual correction changed", title_justify="left")
    for column in ("time (s)", "class", "azimuth", "on-screen", "by", "common cause"):
        view.add_column(column, justify="left" if column in ("class", "by") else "right")
    stretches = _stretches(result)
    engines = {name: name_with_engine(name, engine_id) for name, engine_id in result.detectors.items()}
    for row in stretches.head(LINES_SHOWN).to_dict("records"):
        view.add_row(
            f"{row['start_s']:.1f} – {row['end_s']:.1f}",
            result.posterior.labels.names[row["cls"]],
            f"{format_azimuth(row['azimuth_deg_before'])} → {format_azimuth(row['azimuth_deg'])}",
            f"{_chance(row['onscreen_before'])} → {_chance(row['onscreen'])}",
            _describe_cause(row, engines),
            _chance(row["common_cause"]),
        )
    if len(stretches) > LINES_SHOWN:
        view.add_row("…", f"{len(stretches) - LINES_SHOWN} more", "", "", "", "")
    if not len(stretches):
        view.add_row("", "nothing", "", "", "", "")
    return view


def _stretches(result: "Result") -> pd.DataFrame:
    """Consecutive frames of one source and one thing as one row of means."""
    keys = ["cls", "track", "postprocessor", "phrase", "thing"]
    active = result.frames.table[["frame", "cls"]].drop_duplicates()
    # Of what never became an event nobody wants to know.
    table = result.changes.merge(active).sort_values([*keys, "frame"], ignore_index=True)
    new = (table[keys] != table[keys].shift()).any(axis=1) | (table["frame"].diff() != 1)
    table = table.assign(stretch=new.cumsum())
    numbers = ["azimuth_deg_before", "azimuth_deg", "onscreen_before", "onscreen", "common_cause"]
    joined = table.groupby("stretch").agg(
        {**dict.fromkeys(keys, "first"), **dict.fromkeys(numbers, "mean"), "frame": ["min", "max"]}
    )
    joined.columns = pd.Index([*keys, *numbers, "first", "last"])
    hop_s = result.posterior.hop_s
    before = joined["onscreen_before"].fillna(0.5)
    weight = (joined["onscreen"] - before).abs() + (joined["azimuth_deg"] - joined["azimuth_deg_before"]).abs() / 90
    order = np.argsort(-weight.to_numpy(), kind="stable")
    return joined.assign(start_s=joined["first"] * hop_s, end_s=(joined["last"] + 1) * hop_s).iloc[order]


def _describe_cause(row: Mapping[Any, Any], engines: Mapping[str, str]) -> str:
    if row["thing"] < 0:
        return "nothing seen there"
    return f"{row['phrase']} {row['thing']} ({engines.get(row['postprocessor'], row['postprocessor'])})"


def _chance(value: float) -> str:
    return "–" if value != value else f"{value:.2f}"
