"""The run, from files to events.

file → clip → features (each once) → every backend → one fused posterior → eyes → events → writers
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch

from seldfuse import device as devices
from seldfuse.cache import cache_folder
from seldfuse.clip import Clip
from seldfuse.errors import CheckpointError, PluginError, SeldfuseError, UsageError
from seldfuse.events import Events
from seldfuse.features.batch import BUILTIN
from seldfuse.features.encoders.reference import Encoder, open_encoder
from seldfuse.features.kept import EMBEDDINGS, Kept, content
from seldfuse.files import replacing
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
from seldfuse.plugin.registry import BackendRequest, Entry, PostProcessorRequest, load_reference
from seldfuse.plugin.specs import WriterSpec
from seldfuse.posterior import Posterior
from seldfuse.vision.eyes import Eyes
from seldfuse.vision.refine import unchanged
from seldfuse.vision.settings import VisionSettings
from seldfuse.watch import Watch

DETECTIONS = "detections"
"""The part of the output folder for what was seen."""


@dataclass(frozen=True)
class Result:
    """What was heard in one clip, and how that was found out.

    `posterior` is the fused belief `[1, frame, cls, track]`, `members` what each backend said. `intervals` are those of
    the fitted doubts (`seldfuse.fusion.doubt`), nothing where none were fitted. `changes` says what the eyes changed
    (`seldfuse.vision.refine`).
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
    changes: pd.DataFrame = field(default_factory=unchanged)

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
    post: str | Sequence[PostProcessorRequest] = "",
    rules: Mapping[str, Path] | None = None,
    vision: str | Path | VisionSettings = "bayes",
    detector_fps: float = 2.0,
    detections: Path | None = None,
) -> Iterator[Result]:
    """Hears files, folders or patterns, one result per clip, in order.

    `fusion` is `mean`, `nercslip` or `tuned`, a TOML file or settings. `channels` says which two of several channels
    are left and right, and whether mono will do; `fov_deg` is the pictures' horizontal field of view. A clip that
    cannot be read is given to `on_failure` and left out; without it the first one raises. Everything else raises at
    once: UsageError, PluginError, CheckpointError.

    `post` names post-processors, which correct direction and on-screen by what is to be seen: with `rules` of the
    user's own by their names, believed as `vision` says (`bayes`, `rules`, a TOML file or settings), looking at
    `detector_fps` pictures a second. What they see is kept in the folder `detections`.
    """
    clips = find_clips([inputs] if isinstance(inputs, str | Path) else inputs, split, channels, fov_deg)
    settings = read_fusion(fusion)
    seeing = VisionSettings.find(vision)
    eyes = open_eyes(post, device, rules or {}, seeing, detector_fps, detections, on_failure is None) if post else None
    yield from hear(clips, open_ears(backends, device), settings, watch or Watch(), on_failure or _raise, eyes)


def hear(
    clips: Iterable[Clip],
    ears: Ears,
    settings: FusionSettings,
    watch: Watch,
    on_failure: OnFailure,
    eyes: Eyes | None = None,
) -> Iterator[Result]:
    """Hears clips, one result each, in order; `run` with everything found and loaded."""
    for heard in listen(clips, ears, watch, on_failure):
        try:
            yield conclude(heard, settings, str(ears.device), watch, eyes)
        except CheckpointError as error:
            # A clip for which there is nothing to look with fails like one that cannot be read.
            assert heard.clip is not None
            on_failure(heard.clip, error)


def fuse_members(members: Members, fusion: str | Path | FusionSettings = "mean") -> Iterator[Result]:
    """Merges what other runs or other systems wrote, paired by clip name; one result per clip.

    Events are votes. Classes and frames are those of `Grid.of`, to which members are brought. A member that lacks a
    clip abstains there, and a note says so. Raises UsageError where members do not fit together.
    """
    settings = read_fusion(fusion)
    for heard in members.heard():
        yield conclude(heard, settings, "cpu")


def conclude(
    heard: Heard, settings: FusionSettings, device: str, watch: Watch | None = None, eyes: Eyes | None = None
) -> Result:
    """Fuses what the members said of a clip, corrects it by what is to be seen, and decides what sounded.

    Classes are the first member's, frames those of labels (`Grid.of`). Raises UsageError where members do not fit, and
    what `Eyes.correct` raises.
    """
    watch = watch or Watch()
    with watch.stage("fusion"):
        posteriors, left_out = conform(heard.posteriors, Grid.of(list(heard.posteriors.values())))
        posterior = fuse(posteriors, settings)
    changes = unchanged()
    said: tuple[str, ...] = ()
    if eyes is not None and heard.clip is not None:
        # Only what is kept needs to know what the file holds.
        key = content(heard.clip.video_path) if eyes.folder else None
        corrected = eyes.correct(heard.clip, key, posterior, watch)
        posterior, changes, said = corrected.refinement.posterior, corrected.refinement.changes, corrected.notes
    with watch.stage("decoding events"):
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
        notes=(*heard.notes, *left_out, *said, *notes),
        intervals=settings.doubt.intervals,
        changes=changes,
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


def open_eyes(
    post: str | Sequence[PostProcessorRequest],
    device: str,
    rules: Mapping[str, Path],
    settings: VisionSettings,
    rate_hz: float,
    folder: Path | None,
    fail_fast: bool,
) -> Eyes:
    """Loads post-processors onto a device, with rules of the user's own by their names.

    Raises UsageError for rules of one that does not run, and what loading raises: PluginError, CheckpointError.
    """
    requests = load_registry().find_postprocessors(post) if isinstance(post, str) else post
    place = devices.resolve(device)
    named = {request.spec.name for request in requests}
    if unknown := [name for name in rules if name not in named]:
        raise UsageError(f"--rules for {', '.join(unknown)}, but --post has {', '.join(sorted(named))}")
    if not rate_hz > 0:
        raise UsageError(f"--detector-fps expects more than 0 pictures a second, got {rate_hz:g}")
    loaded = {request.instance: request.load(place, rules.get(request.spec.name)) for request in requests}
    return Eyes(loaded, settings, rate_hz, folder, fail_fast)


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


def write_changes(result: Result, path: Path) -> None:
    """Writes what the eyes changed as CSV, classes by name. Raises UsageError."""
    names = result.posterior.labels.names
    table = result.changes.assign(cls=[names[cls] for cls in result.changes["cls"]]).rename(columns={"cls": "class"})
    with replacing(path) as draft:
        table.round(4).to_csv(draft, index=False)


__all__ = [
    "Result",
    "conclude",
    "fuse_members",
    "hear",
    "open_ears",
    "open_eyes",
    "read_fusion",
    "run",
    "save_members",
    "write",
    "write_changes",
]
