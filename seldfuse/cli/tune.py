"""`seldfuse tune`: fits fusion and decoding on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seldfuse.cli.console import note, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.metrics.jackknife import Interval
    from seldfuse.tune.fit import Tuned


def tune(
    folders: Annotated[list[Path], typer.Argument(help="A folder of posteriors for each member.", show_default=False)],
    reference: Annotated[Path, typer.Option(help="Folder of label files of the same clips.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The settings, a file for --fusion.")] = Path("fusion.toml"),
    criterion: Annotated[
        Literal["f20_1", "f20_1_on"], typer.Option(help="The score to fit to; the second asks for on-screen, too.")
    ] = "f20_1",
    mode: Annotated[
        Literal["official", "strict"],
        typer.Option(help="Count like the challenge's scorer, or every frame of every clip."),
    ] = "strict",
    preset: Annotated[str, typer.Option(help="The preset to start from: mean or nercslip.")] = "mean",
    folds: Annotated[int, typer.Option(min=2, help="Parts of the recordings for cross-validation.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit calibration, weights and decoding; what is better on recordings not fitted on is written."""
    import tomli_w

    from seldfuse.files import replacing
    from seldfuse.fusion import FusionSettings
    from seldfuse.tune.fit import tune as fitted
    from seldfuse.tune.material import read_material

    material = read_material(folders, reference, note)
    result = fitted(material, FusionSettings(preset), criterion, mode, folds, lambda parts: note(f"fitting {parts}"))
    with replacing(out) as draft:
        draft.write_text(tomli_w.dumps(result.settings.to_json()), encoding="utf-8")
    if as_json:
        show_json(_document(result))
    else:
        show(_table(result))
    chosen = " and ".join(result.chosen) or f"nothing was better than the preset {preset}, which"
    note(f"{chosen} stands in {out}; hear it with --fusion {out}")


def _table(result: "Tuned") -> "Table":
    from rich.table import Table

    view = Table("fitted", "cross-validated", "over the preset", "on what was fitted on")
    view.add_row("preset", _spread(result.preset), "", "")
    for candidate in result.candidates:
        view.add_row(
            ", ".join(candidate.parts),
            _spread(candidate.cross_validated),
            _spread(candidate.gain, "+"),
            f"{candidate.resubstituted:.3f}",
        )
    return view


def _spread(found: "Interval", sign: str = "") -> str:
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def _document(result: "Tuned") -> dict[str, Any]:
    return {
        "chosen": list(result.chosen),
        "preset": vars(result.preset),
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
