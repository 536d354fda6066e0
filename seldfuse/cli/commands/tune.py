"""`seldfuse tune fusion`: fits fusion and decoding on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seldfuse.cli.console import print_json, print_note, print_result
from seldfuse.cli.force import Force
from seldfuse.cli.labels import Labels

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.catalogue.values import Score
    from seldfuse.metrics.jackknife import Interval
    from seldfuse.tune.fusion import TuneResult


def tune_fusion(
    folders: Annotated[
        list[str], typer.Argument(help="A folder of posteriors for each member, or NAME=FOLDER.", show_default=False)
    ],
    reference: Annotated[Path, typer.Option(help="Folder of label files of the same clips.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file of the settings.")] = Path("fusion.toml"),
    criterion: Annotated[
        str, typer.Option(help="The score to fit to, such as f20_1, or f20_1_on, which asks for on-screen, too.")
    ] = "f20_1",
    mode: Annotated[
        Literal["official", "strict"],
        typer.Option(help="Count like the challenge's scorer, or every frame of every clip."),
    ] = "strict",
    preset: Annotated[str, typer.Option(help="The preset to be better than: mean or nercslip.")] = "mean",
    folds: Annotated[int, typer.Option(min=2, help="Parts of the recordings for cross-validation.")] = 5,
    explain: Annotated[
        Path | None, typer.Option(help="Folder for what each member is worth: JSON and pictures.", show_default=False)
    ] = None,
    labels: Labels = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit how members are fused, how uncertain the result is, and what is shown as an event.

    What is better on recordings not fitted on is written. `seldfuse tune vision` fits the correction by detections.
    """
    from dataclasses import replace

    import tomli_w

    from seldfuse.checks.findings import refuse
    from seldfuse.core.label_sets import resolve_labels
    from seldfuse.fusion import FusionSettings
    from seldfuse.storage.atomic import write_atomically
    from seldfuse.tune.agreement import check_members
    from seldfuse.tune.events import with_fitted_events
    from seldfuse.tune.fit import Objective
    from seldfuse.tune.fusion import tune_fusion as fit_fusion
    from seldfuse.tune.tuning_data import read_tuning_data

    if explain is not None:
        from seldfuse.tune.report import check_matplotlib

        check_matplotlib()
    objective = Objective(criterion, mode)
    data = read_tuning_data(folders, reference, print_note, resolve_labels(labels))
    refuse(check_members(data), force, print_note, "posteriors and labels")
    result = fit_fusion(data, FusionSettings(preset), objective, folds, lambda parts: print_note(f"fitting {parts}"))
    print_note("fitting events")
    result = replace(result, settings=with_fitted_events(data, result.settings))
    with write_atomically(out) as draft:
        draft.write_text(tomli_w.dumps(result.settings.to_json()), encoding="utf-8")
    if explain is not None:
        from seldfuse.tune.explain import explain_ensemble
        from seldfuse.tune.report import write_report

        for path in write_report(explain_ensemble(result, objective, folds, print_note), explain):
            print_note(f"wrote {path}")
    if as_json:
        print_json(_document(result))
    else:
        print_result(_starts(result, objective.score))
        print_result(_candidates(result, objective.score))
    print_note(f"{result.settings.preset}, {result.settings.combine}: {_conclude(result)}; use it with --fusion {out}")


def _conclude(result: "TuneResult") -> str:
    parts = " and ".join(result.winner.candidate.parts)
    if parts:
        return f"fitted {parts}"
    return "nothing fitted is better than the preset, which was written with fitted uncertainties"


def _starts(result: "TuneResult", score: "Score") -> "Table":
    from rich.table import Table

    from seldfuse.metrics.registered import format_score

    view = Table("preset", "activities combined by", f"score on {len(result.compared)} clips, nothing fitted")
    for preset, combine, value in result.starts:
        view.add_row(preset, combine, format_score(score, value))
    return view


def _candidates(result: "TuneResult", score: "Score") -> "Table":
    from rich.table import Table

    from seldfuse.metrics.registered import format_score

    view = Table("fitted", "cross-validated", "over the preset", "on what was fitted on")
    for candidate in result.candidates:
        gain, again = _spread(score, candidate.gain, "+"), format_score(score, candidate.resubstituted)
        parts = ", ".join(candidate.parts) or "uncertainties alone"
        view.add_row(parts, _spread(score, candidate.cross_validated), gain, again)
    view.add_row("preset", _spread(score, result.preset), "", "")
    return view


def _spread(score: "Score", interval: "Interval", sign: str = "") -> str:
    from seldfuse.metrics.registered import format_score

    value, low, high = (format_score(score, number, sign) for number in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def _document(result: "TuneResult") -> dict[str, Any]:
    return {
        "chosen": list(result.winner.candidate.parts),
        "clips": len(result.compared),
        "preset": vars(result.preset),
        "starts": [dict(zip(("preset", "combine", "score"), start, strict=True)) for start in result.starts],
        "candidates": [
            {
                "parts": list(candidate.parts),
                "cross_validated": vars(candidate.cross_validated),
                "resubstituted": candidate.resubstituted,
                "gain": vars(candidate.gain),
            }
            for candidate in result.candidates
        ],
        "settings": result.settings.to_json(),
    }
