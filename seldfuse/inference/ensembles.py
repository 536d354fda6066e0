"""Which ensemble hears a clip: the one that a user named, or the best bundled one for what the clip has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seldfuse.catalogue.registry import Registry
from seldfuse.catalogue.requests import BackendRequest, DetectorRequest
from seldfuse.core.clip import Clip
from seldfuse.errors import PluginError
from seldfuse.inference.load import find_requests
from seldfuse.settings.toml import parse_table, read_settings

AUTO = "auto"

BEST = Path(__file__).parent / "ensembles.toml"
"""The best bundled ensembles; `make fit` writes them."""


@dataclass(frozen=True)
class EnsembleNames:
    """Backends and detectors, as `--backends` and `--post` name them."""

    backends: str
    post: str = ""


@dataclass(frozen=True)
class BestEnsembles:
    """The best bundled ensemble for clips with a picture, and for those without."""

    picture: EnsembleNames
    sound: EnsembleNames

    @classmethod
    def read(cls, path: Path = BEST) -> "BestEnsembles":
        """Read a TOML file. Raises UsageError where it cannot be read or has something unknown."""
        return read_settings(path, "a TOML file of ensembles", cls.from_table)

    @classmethod
    def from_table(cls, data: Mapping[str, Any]) -> "BestEnsembles":
        """Make ensembles of what a TOML file holds. Raises UsageError for what is unknown or missing."""
        return parse_table(cls, data, "ensemble")


@dataclass(frozen=True)
class EnsembleRequest:
    """Backends and detectors, ready to be loaded.

    `optional`: nobody named the detectors, so one that is not ready is left out with a note; `left_out` holds notes on
    those that cannot even be found.
    """

    backends: tuple[BackendRequest, ...]
    detectors: tuple[DetectorRequest, ...] = ()
    optional: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnsembleRequests:
    """The ensemble for clips with a picture, and the one for clips without; one object where they are the same."""

    picture: EnsembleRequest
    sound: EnsembleRequest

    def select(self, clip: Clip) -> EnsembleRequest:
        """Select the ensemble that hears a clip."""
        return self.sound if clip.video is None else self.picture

    def list_both(self) -> tuple[EnsembleRequest, ...]:
        """List the different ensembles."""
        return (self.picture,) if self.picture is self.sound else (self.sound, self.picture)


def find_ensembles(
    backends: str | Sequence[str | BackendRequest],
    detectors: tuple[DetectorRequest, ...] | None,
    registry: Registry,
    best: BestEnsembles | None = None,
) -> EnsembleRequests:
    """Find what names stand for: `auto` for what the table says, with its detectors where `detectors` is None.

    Raises UsageError or PluginError for names that are not known.
    """
    if backends != AUTO and list(backends) != [AUTO]:
        named = EnsembleRequest(find_requests(backends, registry), detectors or ())
        return EnsembleRequests(named, named)
    best = best or BestEnsembles.read()
    picture, sound = (_find_best(names, detectors, registry) for names in (best.picture, best.sound))
    return EnsembleRequests(picture, sound)


def _find_best(
    names: EnsembleNames, detectors: tuple[DetectorRequest, ...] | None, registry: Registry
) -> EnsembleRequest:
    requests = registry.find_backends(names.backends)
    if detectors is not None:
        return EnsembleRequest(requests, detectors)
    found: list[DetectorRequest] = []
    left_out: list[str] = []
    for name in filter(None, names.post.split(",")):
        try:
            found += registry.find_post(name)[0]
        except PluginError as error:
            left_out.append(describe_left_out(name, error))
    return EnsembleRequest(requests, tuple(found), optional=True, left_out=tuple(left_out))


def describe_left_out(detector: str, error: Exception) -> str:
    """Describe a detector that the best ensemble has and this one goes without."""
    return f"without {detector}, which would correct the result by the picture: {error}"


def list_bundled(requests: Sequence[BackendRequest]) -> dict[str, str | None]:
    """List by the name under which it runs the bundled backend that each is, with its bundled checkpoint; else None."""
    return {
        request.instance: request.value.name
        if request.distribution == "seldfuse" and request.checkpoint == request.value.default_checkpoint
        else None
        for request in requests
    }
