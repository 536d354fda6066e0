"""The ensembles of a run, each loaded when the first clip comes that it hears, with its fusion and its detectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seldfuse.catalogue.registry import Registry
from seldfuse.catalogue.requests import BackendRequest, DetectorRequest
from seldfuse.core.clip import Clip
from seldfuse.errors import SeldfuseError
from seldfuse.fusion import FusionSettings
from seldfuse.fusion.fitted import ChosenFusion, choose_fusion
from seldfuse.inference.clips import LoadedBackends
from seldfuse.inference.ensembles import EnsembleRequest, EnsembleRequests, describe_left_out, list_bundled
from seldfuse.inference.load import load_backends
from seldfuse.vision.settings import VisionSettings

if TYPE_CHECKING:
    from seldfuse.vision.corrector import VisualCorrector


@dataclass(frozen=True)
class EventLimits:
    """What a user sets in the settings of fusion, see `FusionSettings.with_limits`; None leaves it as it is."""

    threshold: float | None = None
    min_duration_s: float | None = None
    max_gap_s: float | None = None

    def set_in(self, settings: FusionSettings) -> FusionSettings:
        """Set them. Raises UsageError for numbers out of range."""
        return settings.with_limits(self.threshold, self.min_duration_s, self.max_gap_s)


@dataclass(frozen=True)
class DetectorOptions:
    """How detectors look: pictures a second, files of rules by detector, and where what they detect is stored."""

    vision: VisionSettings | str | Path | Mapping[str, object] = "bayes"
    rate_hz: float = 2.0
    rules: Mapping[str, Path] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def settings(self) -> VisionSettings:
        """The settings of the visual correction, which no run without detectors needs."""
        return VisionSettings.resolve(self.vision)


@dataclass(frozen=True)
class LoadedEnsemble:
    """An ensemble with its fusion and, where it has detectors, the visual correction; `notes` say how it was chosen."""

    requests: tuple[BackendRequest, ...]
    backends: LoadedBackends
    chosen: ChosenFusion
    fusion: FusionSettings
    corrector: "VisualCorrector | None" = None
    notes: tuple[str, ...] = ()


class LoadedEnsembles:
    """The ensembles for clips with and without a picture; backends that both have are loaded once.

    Raises UsageError, where it is made, for settings of fusion that are not there.
    """

    def __init__(
        self,
        requests: EnsembleRequests,
        fusion: str | FusionSettings,
        limits: EventLimits,
        looking: DetectorOptions,
        device: str,
        registry: Registry,
    ) -> None:
        self.requests = requests
        self._chosen = {id(one): choose_fusion(fusion, list_bundled(one.backends)) for one in requests.list_both()}
        self.looking = looking
        self._limits, self._device, self._registry = limits, device, registry
        self._loaded: dict[int, LoadedEnsemble] = {}
        self._backends: dict[tuple[str, ...], LoadedBackends] = {}

    def select(self, clip: Clip) -> LoadedEnsemble:
        """Select the ensemble that hears a clip. Raises what loading raises."""
        return self.load(self.requests.select(clip))

    def load(self, request: EnsembleRequest) -> LoadedEnsemble:
        """Load an ensemble where it is not loaded yet. Raises PluginError, CheckpointError or UsageError."""
        if id(request) not in self._loaded:
            chosen = self._chosen[id(request)]
            fusion = self._limits.set_in(chosen.settings)
            backends = self._load_backends(request.backends)
            corrector, left_out = self._load_detectors(request)
            notes = (*filter(None, [chosen.note]), *left_out)
            self._loaded[id(request)] = LoadedEnsemble(request.backends, backends, chosen, fusion, corrector, notes)
        return self._loaded[id(request)]

    def _load_backends(self, requests: tuple[BackendRequest, ...]) -> LoadedBackends:
        key = tuple(one.instance for one in requests)
        if key not in self._backends:
            self._backends[key] = load_backends(requests, self._device, self._registry)
        return self._backends[key]

    def _load_detectors(self, request: EnsembleRequest) -> "tuple[VisualCorrector | None, tuple[str, ...]]":
        """Load the detectors of an ensemble; of those that nobody named, as many as are ready."""
        if not request.detectors:
            return None, request.left_out
        # Here, for a run without detectors needs nothing that they import.
        from seldfuse.vision.load import load_detectors

        left_out = list(request.left_out)

        def leave_out(detector: DetectorRequest, error: SeldfuseError) -> None:
            left_out.append(describe_left_out(detector.instance, error))

        corrector = load_detectors(
            request.detectors,
            self._device,
            self.looking.rules,
            self.looking.settings,
            self.looking.rate_hz,
            self.looking.folder,
            on_missing=leave_out if request.optional else None,
        )
        return corrector if corrector.detectors else None, tuple(left_out)
