"""The run, from files to events.

file → clip → features (each once) → every backend → one fused posterior → eyes → events → writers
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from seldfuse.catalogue import BackendModel
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.models import TokenBackendModel
from seldfuse.catalogue.registry import BackendRequest, CatalogueEntry, DetectorRequest, load_reference
from seldfuse.catalogue.values import Writer
from seldfuse.core import device as devices
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result, build_empty_changes
from seldfuse.core.run_stats import RunStats
from seldfuse.encoders.load import EncoderModel, load_encoder
from seldfuse.encoders.token_cache import EMBEDDINGS, TokenCache, hash_content
from seldfuse.errors import CheckpointError, PluginError, SeldfuseError, UsageError
from seldfuse.features.batch import BUILTIN
from seldfuse.fusion import FusionSettings, decode_events, fuse
from seldfuse.fusion.conform import TargetGrid, conform_members
from seldfuse.fusion.settings import PRESETS, TUNED
from seldfuse.inference.clips import LoadedBackends, OnFailure, infer_clips
from seldfuse.inference.member_folders import MemberFolders
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.inputs import find_clips
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.cache import cache_folder
from seldfuse.vision.corrector import VisualCorrector
from seldfuse.vision.settings import VisionSettings

DETECTIONS = "detections"
"""The part of the output folder for what was seen."""


def run(
    inputs: str | Path | Sequence[str | Path],
    backends: str | Sequence[BackendRequest] = "doa,sde,sce",
    fusion: str | Path | FusionSettings = "mean",
    split: str | None = None,
    channels: ChannelSelection | None = None,
    fov_deg: float = 100.0,
    device: str = "auto",
    watch: RunStats | None = None,
    on_failure: OnFailure | None = None,
    post: str | Sequence[DetectorRequest] = "",
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
    seeing = VisionSettings.resolve(vision)
    eyes = (
        load_detectors(post, device, rules or {}, seeing, detector_fps, detections, on_failure is None)
        if post
        else None
    )
    yield from run_clips(
        clips, load_backends(backends, device), settings, watch or RunStats(), on_failure or _raise, eyes
    )


def run_clips(
    clips: Iterable[Clip],
    ears: LoadedBackends,
    settings: FusionSettings,
    watch: RunStats,
    on_failure: OnFailure,
    eyes: VisualCorrector | None = None,
) -> Iterator[Result]:
    """Hears clips, one result each, in order; `run` with everything found and loaded."""
    for heard in infer_clips(clips, ears, watch, on_failure):
        try:
            yield fuse_and_decode(heard, settings, str(ears.device), watch, eyes)
        except CheckpointError as error:
            # A clip for which there is nothing to look with fails like one that cannot be read.
            assert heard.clip is not None
            on_failure(heard.clip, error)


def fuse_members(members: MemberFolders, fusion: str | Path | FusionSettings = "mean") -> Iterator[Result]:
    """Merges what other runs or other systems wrote, paired by clip name; one result per clip.

    Events are votes. Classes and frames are those of `TargetGrid.from_members`, to which members are brought. A member
    that lacks a clip abstains there, and a note says so. Raises UsageError where members do not fit together.
    """
    settings = read_fusion(fusion)
    for heard in members.read_clips():
        yield fuse_and_decode(heard, settings, "cpu")


def fuse_and_decode(
    heard: MemberPosteriors,
    settings: FusionSettings,
    device: str,
    watch: RunStats | None = None,
    eyes: VisualCorrector | None = None,
) -> Result:
    """Fuses what the members said of a clip, corrects it by what is to be seen, and decides what sounded.

    Classes are the first member's, frames those of labels (`TargetGrid.from_members`). Raises UsageError where members
    do not fit, and what `Eyes.correct` raises.
    """
    watch = watch or RunStats()
    with watch.measure("fusion"):
        posteriors, left_out = conform_members(
            heard.posteriors, TargetGrid.from_members(list(heard.posteriors.values()))
        )
        posterior = fuse(posteriors, settings)
    changes = build_empty_changes()
    said: tuple[str, ...] = ()
    if eyes is not None and heard.clip is not None:
        # Only what is kept needs to know what the file holds.
        key = hash_content(heard.clip.video_path) if eyes.folder else None
        corrected = eyes.correct(heard.clip, key, posterior, watch)
        posterior, changes, said = corrected.refinement.posterior, corrected.refinement.changes, corrected.notes
    with watch.measure("decoding events"):
        (events,) = decode_events(posterior, settings.decode)
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
        intervals=settings.uncertainty.intervals,
        changes=changes,
    )


def write_result(result: Result, out: Path, writers: Sequence[CatalogueEntry[Writer]]) -> list[Path]:
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


def load_backends(backends: str | Sequence[BackendRequest], device: str) -> LoadedBackends:
    """Loads backends onto a device. Raises PluginError, CheckpointError or UsageError."""
    registry = load_registry()
    requests = registry.find_backends(backends) if isinstance(backends, str) else backends
    place = devices.resolve_device(device)
    features = tuple(dict.fromkeys(name for request in requests for name in request.spec.features))
    functions = {
        name: load_reference(registry.find_feature(name).spec.load) for name in features if name not in BUILTIN
    }
    opened = {request.instance: request.load(place) for request in requests}
    kept = TokenCache(cache_folder() / EMBEDDINGS)
    return LoadedBackends(opened, features, place, functions, load_encoders(opened, place), kept)


def load_detectors(
    post: str | Sequence[DetectorRequest],
    device: str,
    rules: Mapping[str, Path],
    settings: VisionSettings,
    rate_hz: float,
    folder: Path | None,
    fail_fast: bool,
) -> VisualCorrector:
    """Loads post-processors onto a device, with rules of the user's own by their names.

    Raises UsageError for rules of one that does not run, and what loading raises: PluginError, CheckpointError.
    """
    requests = load_registry().find_detectors(post) if isinstance(post, str) else post
    place = devices.resolve_device(device)
    named = {request.spec.name for request in requests}
    if unknown := [name for name in rules if name not in named]:
        raise UsageError(f"--rules for {', '.join(unknown)}, but --post has {', '.join(sorted(named))}")
    if not rate_hz > 0:
        raise UsageError(f"--detector-fps expects more than 0 pictures a second, got {rate_hz:g}")
    loaded = {request.instance: request.load(place, rules.get(request.spec.name)) for request in requests}
    return VisualCorrector(loaded, settings, rate_hz, folder, fail_fast)


def load_encoders(backends: Mapping[str, BackendModel], device: torch.device) -> dict[str, EncoderModel]:
    """The encoders that backends ask for, each loaded once.

    Raises CheckpointError where one is missing, or is not the one that a backend was trained with.
    """
    encoders: dict[str, EncoderModel] = {}
    for instance, backend in backends.items():
        wanted = backend.encoders if isinstance(backend, TokenBackendModel) else {}
        for name, version in wanted.items():
            if name not in encoders:
                encoders[name] = load_encoder(name, device)
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
    with write_atomically(path) as draft:
        table.round(4).to_csv(draft, index=False)


__all__ = [
    "Result",
    "fuse_and_decode",
    "fuse_members",
    "load_backends",
    "load_detectors",
    "read_fusion",
    "run",
    "run_clips",
    "save_members",
    "write_changes",
    "write_result",
]
