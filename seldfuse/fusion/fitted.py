"""Settings of fusion fitted for sets of the bundled backends, and which of them a run gets.

`tuned/` holds one file for each set, named by its members in alphabetical order (`doa+sce+sde.toml`), and `each.toml`
with the calibration of each backend by itself, and what is active where calibrated members weigh the same. `make fit`
writes them all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seldfuse.errors import UsageError
from seldfuse.fusion.settings import AUTO, TUNED, FusionSettings

FITTED = Path(__file__).parent / "tuned"
EACH = "each"
"""The file with the calibration of each backend by itself."""

BundledMembers = Mapping[str, str | None]
"""By the name under which a member runs the bundled backend that it is, with the bundled checkpoint; else None."""


@dataclass(frozen=True)
class ChosenFusion:
    """Settings of fusion, and how they were chosen: empty where the user named them.

    `fitted_for` names the backends that settings were fitted for together, `calibrated` those that were calibrated each
    by itself.
    """

    settings: FusionSettings
    note: str = ""
    fitted_for: tuple[str, ...] = ()
    calibrated: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write what a manifest tells beside the settings; nothing of settings that were named."""
        told = {"fitted_for": self.fitted_for, "calibrated": self.calibrated}
        return {f"fusion_{name}": list(backends) for name, backends in told.items() if backends}


def choose_fusion(
    fusion: str | Path | Mapping[str, Any] | FusionSettings, members: BundledMembers, folder: Path = FITTED
) -> ChosenFusion:
    """Choose settings of fusion for the members of a run.

    `auto` takes the settings fitted for exactly these backends; else each gets its own calibration and all the same
    weight; `mean` where one has no calibration. `tuned` takes the fitted settings or raises UsageError. What else is
    named is resolved by `FusionSettings.resolve`, with the errors that it raises.
    """
    if isinstance(fusion, FusionSettings | Mapping) or str(fusion) not in (AUTO, TUNED):
        return ChosenFusion(FusionSettings.resolve(fusion))
    if chosen := _find_fitted(members, folder):
        return chosen
    if str(fusion) == TUNED:
        raise UsageError(_describe_unfitted(members, folder))
    return _calibrate_each(members, folder)


def find_path(backends: Iterable[str], folder: Path = FITTED) -> Path:
    """Find the file of the settings for a set of backends, which may not be there yet."""
    return folder / f"{'+'.join(sorted(backends))}.toml"


def list_fitted(folder: Path = FITTED) -> list[tuple[str, ...]]:
    """List the sets of backends that settings were fitted for."""
    return [tuple(path.stem.split("+")) for path in sorted(folder.glob("*.toml")) if path.stem != EACH]


def _find_fitted(members: BundledMembers, folder: Path) -> ChosenFusion | None:
    bundled = _select_bundled(members)
    backends = tuple(sorted(bundled.values()))
    path = find_path(backends, folder)
    if len(bundled) < len(members) or len(set(backends)) < len(backends) or not path.is_file():
        return None
    settings = _rename(FusionSettings.read(path), bundled)
    return ChosenFusion(settings, f"fusion: fitted for {', '.join(members)}", fitted_for=backends)


def _calibrate_each(members: BundledMembers, folder: Path) -> ChosenFusion:
    """Calibrate each member by itself; none where one has no calibration, beside which the others would count less."""
    path, bundled = folder / f"{EACH}.toml", _select_bundled(members)
    each = _rename(FusionSettings.read(path), bundled) if path.is_file() else FusionSettings()
    unfitted = f"nothing was fitted to {', '.join(members)}"
    if lacking := [name for name in members if name not in each.calibration]:
        return ChosenFusion(FusionSettings(), f"fusion: mean; {unfitted}, and {', '.join(lacking)} has no calibration")
    calibrated = tuple(sorted(bundled.values()))
    note = f"fusion: equal weights, each member calibrated by itself; {unfitted} together"
    return ChosenFusion(each, note, calibrated=calibrated)


def _select_bundled(members: BundledMembers) -> dict[str, str]:
    return {name: backend for name, backend in members.items() if backend}


def _rename(settings: FusionSettings, bundled: Mapping[str, str]) -> FusionSettings:
    """Settings for backends by their names as settings for members by the names under which they run."""
    weights = {name: settings.weights[backend] for name, backend in bundled.items() if backend in settings.weights}
    calibration = {
        name: settings.calibration[backend] for name, backend in bundled.items() if backend in settings.calibration
    }
    return replace(settings, weights=weights, calibration=calibration)


def _describe_unfitted(members: BundledMembers, folder: Path) -> str:
    fitted = "; ".join(",".join(backends) for backends in list_fitted(folder)) or "no set"
    others = [name for name, backend in members.items() if backend is None]
    reason = f" ({', '.join(others)}: not a bundled backend with its bundled checkpoint)" if others else ""
    return (
        f"no settings were fitted for {', '.join(members)}{reason}; fitted are {fitted}. Type --fusion auto, or fit "
        "your own: seldfuse tune fusion POSTERIORS... --reference LABELS -o fusion.toml, then --fusion fusion.toml"
    )
