"""The run, from recordings to events.

file → clip → features (each once) → every backend → one fused posterior → visual correction → post-processors → events
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.registry import Registry
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.label_sets import resolve_labels
from seldfuse.core.labels import DCASE2025, LabelSet
from seldfuse.core.member_posteriors import MemberPosteriors
from seldfuse.core.posterior import Posterior
from seldfuse.core.result import Result
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import CheckpointError, PluginError, SeldfuseError, UsageError
from seldfuse.fusion import FusionSettings, decode_frames, find_events, fuse_posteriors
from seldfuse.fusion.conform import TargetGrid, conform_members
from seldfuse.fusion.fitted import choose_fusion
from seldfuse.fusion.settings import AUTO, TUNED
from seldfuse.inference.clips import LoadedBackends, OnFailure, infer_clips
from seldfuse.inference.ensembles import EnsembleRequests, find_ensembles
from seldfuse.inference.loaded_ensembles import DetectorOptions, EventLimits, LoadedEnsemble, LoadedEnsembles
from seldfuse.inference.member_folders import open_members
from seldfuse.inference.postprocess import LoadedPostProcessor, load_postprocessors, postprocess
from seldfuse.media.array import make_clip
from seldfuse.media.channels import ChannelSelection
from seldfuse.media.inputs import find_clips, stands_for_one
from seldfuse.media.picture import hash_pictures
from seldfuse.storage.text import name_some
from seldfuse.vision.settings import MODES, VisionSettings

if TYPE_CHECKING:
    from seldfuse.vision.corrector import VisualCorrector

Samples = np.ndarray | Tensor

CLASSES_NAMED = 5
"""Classes that a note names before it counts the rest."""


class Pipeline:
    """Backends, fusion, visual correction and post-processors: loaded once, called many times.

    `backends` are names separated by commas or in a list, each `name` or `name@checkpoint`, or `auto`: for each clip
    the best bundled ensemble for what it has, sound alone or a picture, too, loaded when the first such clip comes.
    `post` names detectors and post-processors likewise, each `name` or `name@engine`; None leaves it to `auto` which
    detectors there are. `fusion` is `auto` (settings fitted for these backends, else their own calibrations with equal
    weights), `tuned` (fitted ones, or an error), `mean`, `nercslip`, a TOML file, a dictionary or settings, and
    `threshold`, `min_duration_s` and `max_gap_s` are set in them (`FusionSettings.with_limits`); `vision` is `bayes` or
    `rules`, or the like. Detectors get `detector_fps` pictures a second, with `rules` of the user's own by their names
    (TOML files), and what they detect is stored in the folder `detections`. `device` is `auto`, `cpu`, `cuda`, `cuda:N`
    or `mps`. `labels` are the classes of the result, a known label set, a file or a `LabelSet`; those of the first
    backend where it is None.

    Raises UsageError, PluginError or CheckpointError for what cannot be loaded.

    >>> pipeline = Pipeline("baseline", device="cpu")
    >>> pipeline("@demo").events.segments()["class"].tolist()[:1]
    ['female_speech']
    """

    def __init__(
        self,
        backends: str | Sequence[str | BackendRequest] = AUTO,
        post: str | Sequence[str] | None = None,
        fusion: str | Path | Mapping[str, Any] | FusionSettings = AUTO,
        vision: str | Path | Mapping[str, Any] | VisionSettings = "bayes",
        device: str = "auto",
        detector_fps: float = 2.0,
        rules: Mapping[str, str | Path] | None = None,
        detections: str | Path | None = None,
        registry: Registry | None = None,
        threshold: float | None = None,
        min_duration_s: float | None = None,
        max_gap_s: float | None = None,
        labels: str | Path | LabelSet | None = None,
    ) -> None:
        registry = registry or load_registry()
        self.labels = resolve_labels(labels)
        if fusion not in (AUTO, TUNED):
            # Read at once, and before the rest.
            fusion = FusionSettings.resolve(fusion)
        if vision not in MODES:
            # Read at once, so that a wrong file is an error whether there are detectors or not.
            vision = VisionSettings.resolve(vision)
        names = post if post is None or isinstance(post, str) else ",".join(post)
        detectors, others = registry.find_post(names) if names else ((), ())
        requests = find_ensembles(backends, None if names is None else detectors, registry)
        if rules and not requests.picture.detectors:
            raise UsageError(
                f"--rules for {', '.join(rules)}, but --post has no detector; add it: --post {next(iter(rules))}"
            )
        looking = DetectorOptions(
            vision,
            detector_fps,
            {name: Path(path) for name, path in (rules or {}).items()},
            None if detections is None else Path(detections),
        )
        limits = EventLimits(threshold, min_duration_s, max_gap_s)
        self._ensembles = LoadedEnsembles(requests, fusion, limits, looking, device, registry)
        if requests.picture is requests.sound:
            self._ensembles.load(requests.sound)
        self.postprocessors = load_postprocessors(others)

    @property
    def requests(self) -> EnsembleRequests:
        """The ensembles for clips with and without a picture: names of backends and detectors."""
        return self._ensembles.requests

    @property
    def backends(self) -> LoadedBackends:
        """The backends for clips without a picture; of all clips, unless `backends` is `auto`."""
        return self._ensembles.load(self.requests.sound).backends

    @property
    def fusion(self) -> FusionSettings:
        """The settings of fusion for clips without a picture; of all clips, unless `backends` is `auto`."""
        return self._ensembles.load(self.requests.sound).fusion

    @property
    def vision(self) -> VisionSettings:
        """The settings of the visual correction."""
        return self._ensembles.looking.settings

    @property
    def corrector(self) -> "VisualCorrector | None":
        """The visual correction, which looks at the clips with a picture."""
        return self._ensembles.load(self.requests.picture).corrector

    def select(self, clip: Clip) -> LoadedEnsemble:
        """Select the ensemble that hears a clip, and load it where none such clip has come yet."""
        return self._ensembles.select(clip)

    def __call__(
        self,
        inputs: str | Path | Clip | Samples | Iterable[str | Path | Clip],
        *,
        sample_rate_hz: int | None = None,
        name: str = "clip",
        split: str | None = None,
        channels: ChannelSelection | None = None,
        fov_deg: float | None = None,
        on_failure: OnFailure | None = None,
        stats: RunStats | None = None,
    ) -> Any:
        """Run on one recording, which gives a Result, or on several, which gives an iterator in their order.

        One recording is a file, a Clip, or samples `(2, sample)` with their `sample_rate_hz`, called `name`. A folder,
        a pattern such as `"takes/*.wav"` or a list are several; `split` chooses a part of a data set. `channels` says
        which two of several channels are left and right, and whether mono will do; `fov_deg` is the pictures'
        horizontal field of view, for None what a file states, else 100°. Seconds are added up in `stats`.

        Of several, one that cannot be read is given to `on_failure` and left out; without it the first one raises, as a
        single recording does. Raises UsageError or MediaError for an input that is not there or cannot be read, and
        what a plugin raises.
        """
        stats = stats or RunStats()
        if isinstance(inputs, np.ndarray | Tensor):
            clip = make_clip(inputs, sample_rate_hz, name, channels)
            return self._run_one(clip, stats)
        if isinstance(inputs, Clip):
            return self._run_one(inputs, stats)
        if isinstance(inputs, str | Path):
            clips = find_clips([inputs], split, channels, fov_deg)
            if stands_for_one(inputs):
                return self._run_one(clips[0], stats)
            return self.run_clips(clips, stats, on_failure)
        return self.run_clips(_find_several(inputs, split, channels, fov_deg), stats, on_failure)

    def run_clips(
        self,
        clips: Iterable[Clip],
        stats: RunStats | None = None,
        on_failure: OnFailure | None = None,
        fail_fast: bool = False,
    ) -> Iterator[Result]:
        """Run on clips, one result each, in order; failures as in a call with several inputs.

        A detector that fails is a note of its clip, unless `fail_fast`, or nobody to tell of failures, has it raise.
        """
        stats, fail_fast = stats or RunStats(), fail_fast or on_failure is None
        # Clips that the same backends hear share batches, whether they have a picture or not.
        for _, some in groupby(clips, lambda clip: id(self.select(clip).backends)):
            yield from self._run_alike(some, stats, on_failure or _raise, fail_fast)

    def _run_alike(
        self, clips: Iterator[Clip], stats: RunStats, on_failure: OnFailure, fail_fast: bool
    ) -> Iterator[Result]:
        """Run on clips that the same backends hear."""
        first = next(clips)
        backends = self.select(first).backends
        for members in infer_clips(chain([first], clips), backends, stats, on_failure):
            assert members.clip is not None
            ensemble = self.select(members.clip)
            corrector = ensemble.corrector and replace(ensemble.corrector, fail_fast=fail_fast)
            try:
                yield fuse_and_decode(
                    members, ensemble.fusion, str(backends.device), stats, corrector, self.postprocessors, self.labels
                )
            except (CheckpointError, PluginError) as error:
                # A clip for which a detector has no weights or recordings, or a post-processor fails, fails like one
                # that cannot be read.
                on_failure(members.clip, error)

    def _run_one(self, clip: Clip, stats: RunStats) -> Result:
        (result,) = self.run_clips([clip], stats)
        return result


def run(
    inputs: str | Path | Clip | Iterable[str | Path | Clip],
    backends: str | Sequence[str | BackendRequest] = AUTO,
    *,
    split: str | None = None,
    channels: ChannelSelection | None = None,
    fov_deg: float | None = None,
    on_failure: OnFailure | None = None,
    stats: RunStats | None = None,
    **settings: Any,
) -> Iterator[Result]:
    """Run backends on recordings, one result each, in order: a Pipeline that is loaded for this call.

    `inputs` and the options are those of `Pipeline.__call__`, `settings` those of `Pipeline`.

    >>> [result.name for result in run("@demo", "baseline", device="cpu")]
    ['demo']
    """
    several = [inputs] if isinstance(inputs, str | Path | Clip) else list(inputs)
    pipeline = Pipeline(backends, **settings)
    yield from pipeline(several, split=split, channels=channels, fov_deg=fov_deg, on_failure=on_failure, stats=stats)


def fuse(
    folders: str | Path | Sequence[str | Path],
    fusion: str | Path | Mapping[str, Any] | FusionSettings = AUTO,
    labels: str | Path | LabelSet | None = None,
) -> Iterator[Result]:
    """Fuse what other runs or other systems wrote, paired by clip name: one result for each clip.

    `folders` hold posteriors, or label files whose events count as votes; one folder is decoded alone, and
    `NAME=FOLDER` gives its member a name. Classes and
    frames are those of `TargetGrid.from_members`, to which members are brought. A member that lacks a clip abstains
    there, and a note says so. `fusion` is as in `Pipeline`; of a bundled backend's posteriors `auto` knows by their
    provenance. `labels`, a known name, a file or a label set, are the classes of the result, of label files among the
    folders, and of formats with ids. Raises UsageError where members do not fit together.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for member in ("sce", "other"):
    ...         Posterior(torch.full((1, 50, 13, 1), 0.1)).save(Path(folder, member, "talk.safetensors"))
    ...     list(fuse([f"{folder}/sce", f"{folder}/other"]))
    [Result('talk', 5.0 s, 0 events of 0 classes, by sce, other)]
    """
    several = [folders] if isinstance(folders, str | Path) else folders
    chosen_labels = resolve_labels(labels)
    opened = open_members(several, labels=chosen_labels)
    settings = choose_fusion(fusion, opened.list_bundled()).settings
    for members in opened.read_clips():
        yield fuse_and_decode(members, settings, "cpu", labels=chosen_labels)


def fuse_and_decode(
    members: MemberPosteriors,
    settings: FusionSettings,
    device: str,
    stats: RunStats | None = None,
    corrector: "VisualCorrector | None" = None,
    postprocessors: Sequence[LoadedPostProcessor] = (),
    labels: LabelSet | None = None,
) -> Result:
    """Fuse the posteriors of a clip, correct the result by what detectors find, and decode frames and events.

    Post-processors of events are given both, one after the other.

    Classes are those of `labels`, or else the first member's, frames those of label files (`TargetGrid.from_members`).
    Formats with ids have those of `labels`, or else of DCASE 2025. Raises UsageError where members do not fit, and what
    `VisualCorrector.correct` and post-processors raise.
    """
    stats = stats or RunStats()
    with stats.measure("fusion"):
        grid = TargetGrid.from_members(list(members.posteriors.values()), labels)
        posteriors, left_out = conform_members(members.posteriors, grid)
        uncorrected = posterior = fuse_posteriors(posteriors, settings)
    changes: dict[str, Any] = {}
    detector_notes: tuple[str, ...] = ()
    if corrector is not None and members.clip is not None:
        # Only what is stored needs to know what the file holds.
        key = hash_pictures(members.clip.video_path, members.clip.video) if corrector.folder else None
        corrected = corrector.correct(members.clip, key, posterior, stats)
        posterior, changes = corrected.refinement.posterior, {"changes": corrected.refinement.changes}
        detector_notes = corrected.notes
    posterior = postprocess(posterior, postprocessors, members.clip)
    with stats.measure("decoding events"):
        (frames,) = decode_frames(posterior, settings.decode)
        (events,) = find_events(posterior, settings.events, settings.decode)
    frames, notes = _with_typical_distance(frames, posterior)
    events, _ = _with_typical_distance(events, posterior)
    return Result(
        name=members.name,
        frames=postprocess(frames, postprocessors, members.clip).with_duration(members.duration_s),
        events=postprocess(events, postprocessors, members.clip).with_duration(members.duration_s),
        posterior=posterior,
        uncorrected=uncorrected,
        members=members.posteriors,
        duration_s=members.duration_s,
        fusion=settings.preset,
        device=device,
        notes=(*members.notes, *left_out, *detector_notes, *notes),
        intervals=settings.uncertainty.intervals,
        clip=members.clip,
        numbering=labels or DCASE2025,
        **changes,
    )


def _find_several(
    inputs: Iterable[str | Path | Clip], split: str | None, channels: ChannelSelection | None, fov_deg: float | None
) -> list[Clip]:
    """Find the clips that inputs stand for, in the order of the inputs; Clips among them are taken as they are."""
    several, clips = list(inputs), list[Clip]()
    if not several:
        raise UsageError("expected at least one file, folder, pattern or Clip, got none")
    if wrong := [one for one in several if not isinstance(one, str | Path | Clip)]:
        raise UsageError(
            f"expected files, folders, patterns or Clips in a list, got {type(wrong[0]).__name__}; "
            "give samples alone, with their sample_rate_hz"
        )
    for _, neighbors in groupby(several, lambda one: isinstance(one, Clip)):
        alike = list(neighbors)
        ready = [one for one in alike if isinstance(one, Clip)]
        clips += ready or find_clips([one for one in alike if not isinstance(one, Clip)], split, channels, fov_deg)
    return clips


def _with_typical_distance(events: Events, posterior: Posterior) -> tuple[Events, tuple[str, ...]]:
    """Where a direction is known and no distance, the class gets the distance that is typical of it, and a note says
    so.

    So it is where backends give directions alone, and where those that know a class do.
    """
    columns = events.columns
    lacking = np.isnan(columns["distance_m"]) & ~np.isnan(columns["azimuth_deg"])
    if not lacking.any():
        return events, ()
    typical_m = np.array([label.typical_distance_m for label in posterior.labels.classes])[columns["cls"]]
    table = events.table.assign(distance_m=np.where(lacking, typical_m, columns["distance_m"]))
    if posterior.distance is None:
        note = "no backend tells the distance: each class got its typical one"
    else:
        some = name_some([events.labels.names[cls] for cls in np.unique(columns["cls"][lacking])], CLASSES_NAMED)
        note = f"no backend tells the distance of {some} everywhere: there it is the typical one of the class"
    return replace(events, table=table), (note,)


def _raise(_clip: Clip, error: SeldfuseError) -> None:
    raise error
