"""`seldfuse tune vision`: fits the correction by detections on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.cli.labels import Labels

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.values import Score
    from seldfuse.tune.vision import VisionFit


def tune_vision(
    folders: Annotated[
        list[str], typer.Argument(help="A folder of posteriors for each member, or NAME=FOLDER.", show_default=False)
    ],
    reference: Annotated[Path, typer.Option(help="Folder of label files of the same clips.")],
    detections: Annotated[
        Path,
        typer.Option(
            "--detections", "--post", help="Folder in which a run with --post stored detections: out/detections."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file of the settings.")] = Path("vision.toml"),
    fusion: Annotated[str, typer.Option(help="How members are merged, as for seldfuse run.")] = "mean",
    fov: Annotated[
        float, typer.Option(metavar="DEG", help="Horizontal field of view of the pictures, in degrees.")
    ] = 100.0,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the recordings for cross-validation.")] = 5,
    labels: Labels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit how far detections correct directions and on-screen.

    Shows what the settings are worth on clips that were not fitted on.
    """
    import tomli_w

    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.fusion.fitted import choose_fusion
    from seldfuse.inference.member_folders import open_members
    from seldfuse.storage.atomic import write_atomically
    from seldfuse.tune.vision import fit_vision
    from seldfuse.tune.vision_data import read_vision_data
    from seldfuse.vision.settings import VisionSettings

    settings = choose_fusion(fusion, open_members(folders).list_bundled()).settings
    scenes = read_vision_data(folders, reference, detections, settings, fov, print_note, resolve_labels(labels))
    base = VisionSettings.resolve("bayes")
    fitted = fit_vision(scenes, base, settings.decode, folds, lambda part: print_note(f"fitting {part}"))
    with write_atomically(out) as draft:
        draft.write_text(tomli_w.dumps(fitted.settings.to_json()), encoding="utf-8")
    if as_json:
        print_json({"clips": len(scenes.references), "scores": _scores(fitted), "settings": fitted.settings.to_json()})
    else:
        print_result(_table(fitted))
    print_note(f"fitted to {len(scenes.references)} clips; see with --vision {out}")


def _list_shown(fitted: "VisionFit") -> list["Score"]:
    """The scores of what the correction changes: azimuth and on-screen."""
    return [score for score in fitted.uncorrected.scores if {"azimuth", "onscreen"} & set(score.needs)]


def _scores(fitted: "VisionFit") -> dict[str, Any]:
    from seldfuse.metrics.jackknife import compare_systems, compute_intervals

    before, after = compute_intervals(fitted.uncorrected), compute_intervals(fitted.cross_validated)
    again, gain = compute_intervals(fitted.resubstituted), compare_systems(fitted.cross_validated, fitted.uncorrected)
    return {
        score.name: {
            "heard": vars(before[score.name]),
            "cross_validated": vars(after[score.name]),
            "gain": vars(gain[score.name]),
            "resubstituted": vars(again[score.name]),
        }
        for score in _list_shown(fitted)
    }


def _table(fitted: "VisionFit") -> "Table":
    from rich.table import Table

    from seldfuse.metrics.registered import format_score, make_heading

    view = Table("", "from audio", "cross-validated", "gain", "on what was fitted on")
    found = _scores(fitted)
    for score in _list_shown(fitted):
        intervals = found[score.name]
        value, low, high = (format_score(score, intervals["gain"][key], "+") for key in ("value", "low", "high"))
        before, after, again = (
            format_score(score, intervals[key]["value"]) for key in ("heard", "cross_validated", "resubstituted")
        )
        view.add_row(make_heading(score), before, after, f"{value} ({low} to {high})", again)
    return view
