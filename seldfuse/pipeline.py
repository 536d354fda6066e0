"""The run, from files to events.

file → clip → features (each once) → every backend → one fused posterior → events → writers
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from seldfuse import device as devices
from seldfuse.cache import cache_folder
from seldfuse.clip import Clip
from seldfuse.errors import CheckpointError, PluginError, SeldfuseError, UsageError
from seldfuse.events import Events
from seldfuse.features.batch import BUILTIN
from seldfuse.features.encoders.reference import Encoder, open_encoder
from seldfuse.features.kept import EMBEDDINGS, Kept
from seldfuse.fusion import FusionSettings, decode, fuse
from seldfuse.fusion.conform import Grid, conform
from seldfuse.fusion.settings import PRESETS, TUNED
from seldfuse.heard import Heard
from seldfuse.listen import Ears, OnFailure, listen
from seldfuse.media.channels import Channels
from seldfuse.media.inputs import find_clips
from seldfuse.members import Members
from seldfuse.plugin import Backend
from seldfuse.plugin.doors import SeeingBackend
from seldfuse.plugin.host import load_registry
from seldfuse.plugin.registry import BackendRequest, Entry, load_reference
from seldfuse.plugin.specs import WriterSpec
from seldfuse.posterior import Posterior
from seldfuse.watch import Watch


@dataclass(frozen=True)
class Result:
    """What was heard in one clip, and how that was found out.

    `posterior` is the fused belief `[1, frame, cls, track]`, `members` what each backend said. `intervals` are those of
    the fitted doubts (`seldfuse.fusion.doubt`), nothing where none were fitted.
    """

    name: str
    events: Events
    posterior: Posterior
    members: Mapping[str, Posterior]
    duration_s: float
    fusion: str
    device: str
    notes: tuple[str, ...] = field(default=())
    intervals: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def backends(self) -> tuple[str, ...]:
        return tuple(self.members)


def run(
    inputs: str | Path | Sequence[str | Path],
    backends: str | Sequence[BackendRequest] = "doa,sde,sce",
    fusion: str | Path | FusionSettings = "mean",
    split: str | None = None,
    channels: Channels | None = None,
    fov_deg: float = 100.0,
    device: str = "auto",
    watch: Watch | None = None,
    on_failure: OnFailure | None = None,
) -> Iterator[Result]:
    """Hears files, folders or patterns, one result per clip, in order.

    `fusion` is `mean`, `nercslip` or `tuned`, a TOML file or settings. `channels` says which two of several channels
    are left and right, and whether mono will do; `fov_deg` is the pictures' horizontal field of view. A clip that
    cannot be read is given to `on_failure` and left out; without it the first one raises. Everything else raises at
    once: UsageError, PluginError, CheckpointError.
    """
    clips = find_clips([inputs] if isinstance(inputs, str | Path) else inputs, split, channels, fov_deg)
    settings = read_fusion(fusion)
    yield from hear(clips, open_ears(backends, device), settings, watch or Watch(), on_failure or _raise)


def hear(
    clips: Iterable[Clip], ears: Ears, settings: FusionSettings, watch: Watch, on_failure: OnFailure
) -> Iterator[Result]:
    """Hears clips, one result each, in order; `run` with everything found and loaded."""
    for heard in listen(clips, ears, watch, on_failure):
        with watch.stage("fusion"):
            result = conclude(heard, settings, str(ears.device))
        yield result


def fuse_members(members: Members, fusion: str | Path | FusionSettings = "mean") -> Iterator[Result]:
    """Merges what other runs or other systems wrote, paired by clip name; one result per clip.

    Events are votes. Classes and frames are those of `Grid.of`, to which members are brought. A member that lacks a
    clip abstains there, and a note says so. Raises UsageError where members do not fit together.
    """
    settings = read_fusion(fusion)
    for heard in members.heard():
        yield conclude(heard, settings, "cpu")


def conclude(heard: Heard, settings: FusionSettings, device: str) -> Result:
    """Fuses what the members said of a clip and decides what sounded.

    Classes are the first member's, frames those of labels (`Grid.of`). Raises UsageError where members do not fit.
    """
    posteriors, left_out = conform(heard.posteriors, Grid.of(list(heard.posteriors.values())))
    posterior = fuse(posteriors, settings)
    (events,) = decode(posterior, settings.decode)
    events, notes = _with_typical_distance(events, posterior)
    return Result(
        name=heard.name,
        events=events,
        posterior=posterior,
        members=heard.posteriors,
        duration_s=heard.duration_s,
        fusion=settings.preset,
        device=device,
        notes=(*heard.notes, *left_out, *notes),
        intervals=settings.doubt.intervals,
    )


def write(result: Result, out: Path, writers: Sequence[Entry[WriterSpec]]) -> list[Path]:
    """Writes `out/NAME` in every format.

    Raises UsageError where a format needs what no backend gave or the disk is full, PluginError where a writer fails.
    """
    paths = []
    for writer in writers:
        path = out / f"{result.name}{writer.spec.suffix}"
        try:
            load_reference(writer.spec.load)(result, path)
        except SeldfuseError:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise PluginError(f"the format {writer.spec.name} failed ({cause}); leave it out of --formats") from error
        paths.append(path)
    return paths


def save_members(result: Result, out: Path) -> list[Path]:
    """Writes `out/posteriors/BACKEND/NAME.safetensors` for each backend. Raises UsageError."""
    paths = []
    for instance, posterior in result.members.items():
        folder = instance.replace("/", "_").replace("\\", "_")
        path = out / "posteriors" / folder / f"{result.name}.safetensors"
        posterior.save(path)
        paths.append(path)
    return paths


def open_ears(backends: str | Sequence[BackendRequest], device: str) -> Ears:
    """Loads backends onto a device. Raises PluginError, CheckpointError or UsageError."""
    registry = load_registry()
    requests = registry.find_backends(backends) if isinstance(backends, str) else backends
    place = devices.resolve(device)
    features = tuple(dict.fromkeys(name for request in requests for name in request.spec.features))
    functions = {
        name: load_reference(registry.find_feature(name).spec.load) for name in features if name not in BUILTIN
    }
    opened = {request.instance: request.load(place) for request in requests}
    kept = Kept(cache_folder() / EMBEDDINGS)
    return Ears(opened, features, place, functions, open_encoders(opened, place), kept)


def open_encoders(backends: Mapping[str, Backend], device: torch.device) -> dict[str, Encoder]:
    """The encoders that backends ask for, each loaded once.

    Raises CheckpointError where one is missing, or is not the one that a backend was trained with.
    """
    encoders: dict[str, Encoder] = {}
    for instance, backend in backends.items():
        wanted = backend.encoders if isinstance(backend, SeeingBackend) else {}
        for name, version in wanted.items():
            if name not in encoders:
                encoders[name] = open_encoder(name, device)
            if encoders[name].version != version:
                raise CheckpointError(
                    f"{instance} was trained with {name} of version {version}, here is {encoders[name].version}; "
                    "get the weights, or the seldfuse, that the checkpoint came with, or train anew"
                )
    return encoders


def read_fusion(fusion: str | Path | FusionSettings) -> FusionSettings:
    """Settings from a preset's name, `tuned` for those that ship fitted, or a TOML file. Raises UsageError."""
    if isinstance(fusion, FusionSettings):
        return fusion
    if str(fusion) in PRESETS:
        return FusionSettings(preset=str(fusion))
    if str(fusion) == TUNED.stem:
        return FusionSettings.read(TUNED)
    if not Path(fusion).is_file():
        known = ", ".join([*PRESETS, TUNED.stem])
        raise UsageError(f"--fusion expects {known}, or a TOML file, got {str(fusion)!r}")
    return FusionSettings.read(Path(fusion))


def _with_typical_distance(events: Events, posterior: Posterior) -> tuple[Events, tuple[str, ...]]:
    """Where backends tell directions alone, each class gets the distance that is typical of it, and a note says so."""
    if posterior.distance is not None or posterior.direction is None or events.table.empty:
        return events, ()
    typical_m = [label.typical_distance_m for label in posterior.labels.classes]
    table = events.table.assign(distance_m=[typical_m[cls] for cls in events.table["cls"]])
    return replace(events, table=table), ("no backend tells the distance: each class got its typical one",)


def _raise(_clip: Clip, error: SeldfuseError) -> None:
    raise error


__all__ = ["Result", "conclude", "fuse_members", "hear", "open_ears", "read_fusion", "run", "save_members", "write"]
