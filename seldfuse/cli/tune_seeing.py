"""`seldfuse tune --post`: fits how far eyes are believed on held-out data."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seldfuse.cli.console import note, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from seldfuse.tune.seeing import Fitted

SCORES = {"f20_1": "F20/1", "f20_1_on": "F20/1/on", "doae_deg": "DOAE (°)", "osa": "OSA"}


def tune_seeing(
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

    from seldfuse.files import replacing
    from seldfuse.pipeline import read_fusion
    from seldfuse.tune.scenes import read_scenes
    from seldfuse.tune.seeing import fit_seeing
    from seldfuse.vision.settings import VisionSettings

    settings = read_fusion(fusion)
    scenes = read_scenes(folders, reference, detections, settings, fov_deg, note)
    base = VisionSettings.find("bayes")
    fitted = fit_seeing(scenes, base, settings.decode, folds, lambda part: note(f"fitting {part}"))
    with replacing(out) as draft:
        draft.write_text(tomli_w.dumps(fitted.settings.to_json()), encoding="utf-8")
    if as_json:
        show_json({"clips": len(scenes.references), "scores": _scores(fitted), "settings": fitted.settings.to_json()})
    else:
        show(_table(fitted))
    note(f"fitted to {len(scenes.references)} clips; see with --vision {out}")


def _scores(fitted: "Fitted") -> dict[str, Any]:
    from seldfuse.metrics.jackknife import differences, intervals

    heard, blind = intervals(fitted.heard), intervals(fitted.cross_validated)
    again, gain = intervals(fitted.resubstituted), differences(fitted.cross_validated, fitted.heard)
    return {
        name: {
            "heard": vars(heard[name]),
            "cross_validated": vars(blind[name]),
            "gain": vars(gain[name]),
            "resubstituted": vars(again[name]),
        }
        for name in SCORES
    }


def _table(fitted: "Fitted") -> "Table":
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
