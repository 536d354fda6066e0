"""`seldfuse tune --post`: fits how far eyes are believed on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seldfuse.cli.console import print_json, print_note, print_result

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.tune.vision import VisionFit

SCORES = {"f20_1": "F20/1", "f20_1_on": "F20/1/on", "doae_deg": "DOAE (°)", "osa": "OSA"}


def tune_vision(
    folders: list[Path],
    reference: Path,
    detections: Path,
    fusion: str,
    fov_deg: float,
    folds: int,
    out: Path,
    as_json: bool,
) -> None:
    """Writes the settings, and shows what they are worth on clips that they had not seen."""
    import tomli_w

    from seldfuse.fusion import FusionSettings
    from seldfuse.storage.atomic import write_atomically
    from seldfuse.tune.vision import fit_vision
    from seldfuse.tune.vision_data import read_vision_data
    from seldfuse.vision.settings import VisionSettings

    settings = FusionSettings.resolve(fusion)
    scenes = read_vision_data(folders, reference, detections, settings, fov_deg, print_note)
    base = VisionSettings.resolve("bayes")
    fitted = fit_vision(scenes, base, settings.decode, folds, lambda part: print_note(f"fitting {part}"))
    with write_atomically(out) as draft:
        draft.write_text(tomli_w.dumps(fitted.settings.to_json()), encoding="utf-8")
    if as_json:
        print_json({"clips": len(scenes.references), "scores": _scores(fitted), "settings": fitted.settings.to_json()})
    else:
        print_result(_table(fitted))
    print_note(f"fitted to {len(scenes.references)} clips; see with --vision {out}")


def _scores(fitted: "VisionFit") -> dict[str, Any]:
    from seldfuse.metrics.jackknife import compare_systems, compute_intervals

    heard, blind = compute_intervals(fitted.uncorrected), compute_intervals(fitted.cross_validated)
    again, gain = compute_intervals(fitted.resubstituted), compare_systems(fitted.cross_validated, fitted.uncorrected)
    return {
        name: {
            "heard": vars(heard[name]),
            "cross_validated": vars(blind[name]),
            "gain": vars(gain[name]),
            "resubstituted": vars(again[name]),
        }
        for name in SCORES
    }


def _table(fitted: "VisionFit") -> "Table":
    from rich.table import Table

    view = Table("", "as heard", "cross-validated", "gain", "on what was fitted on")
    for name, scores in _scores(fitted).items():
        gain = scores["gain"]
        view.add_row(
            SCORES[name],
            f"{scores['heard']['value']:.3f}",
            f"{scores['cross_validated']['value']:.3f}",
            f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
            f"{scores['resubstituted']['value']:.3f}",
        )
    return view
