"""Posteriors of the clips of a split, inferred once, and events decoded from them: all clips in one batch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seldfuse.catalogue.requests import BackendRequest
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.fusion.fitted import choose_fusion
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.rows import Scene
from seldfuse.synth.dataset.folder import DatasetSplit


class SplitPosteriors(NamedTuple):
    """References and names of the clips of a split, and each backend's posterior by its name: a batch of all clips."""

    references: Sequence[Scene]
    posteriors: Mapping[str, Posterior]
    names: Sequence[str] = ()


def infer_split(split: DatasetSplit, backends: str | Sequence[BackendRequest], every: int = 1) -> SplitPosteriors:
    """Infer posteriors of every clip of a split, or of one in `every`; all are equally long. Raises the first clip's
    error, and what `load_backends` raises.
    """
    loaded = load_backends(backends, "auto")
    sounds = sorted(split.get_folder("wav").glob("*.wav"))[::every]
    posteriors = infer_posteriors(find_clips(sounds), loaded)
    names = [sound.stem for sound in sounds]
    return SplitPosteriors(dcase.read_many([split.get_path(name, "csv") for name in names]), posteriors, names)


def infer_posteriors(clips: Sequence[Clip], loaded: LoadedBackends) -> dict[str, Posterior]:
    """Infer each backend's posterior of equally long clips, a batch of all. Raises the first clip's error."""
    by_clip = [clip.posteriors for clip in infer_clips(clips, loaded, RunStats(), _fail)]
    return {name: Posterior.concat([posteriors[name] for posteriors in by_clip]) for name in loaded.backends}


def decode_members(posteriors: Mapping[str, Posterior], members: Sequence[str], preset: str = "mean") -> list[Events]:
    """Decode events of each clip from some members together, fused as `seldfuse run --fusion` does."""
    return decode_frames(fuse_members(posteriors, members, preset), resolve_fusion(members, preset).decode)


def fuse_members(posteriors: Mapping[str, Posterior], members: Sequence[str], preset: str) -> Posterior:
    """Fuse the posteriors of some members, as `seldfuse run --fusion` does."""
    return fuse_posteriors({member: posteriors[member] for member in members}, resolve_fusion(members, preset))


def resolve_fusion(members: Sequence[str], fusion: str) -> FusionSettings:
    """Resolve what `seldfuse run --fusion` takes for bundled backends by their names."""
    return choose_fusion(fusion, {member: member for member in members}).settings


def _fail(_clip: Clip, error: SeldfuseError) -> None:
    raise error
