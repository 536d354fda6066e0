"""A split of scenes listened to once, and what systems make of it: all clips in one batch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seldfuse.catalogue.requests import BackendRequest
from seldfuse.core.clip import Clip
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.core.run_stats import RunStats
from seldfuse.errors import SeldfuseError
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode_events, fuse_posteriors
from seldfuse.inference.clips import LoadedBackends, infer_clips
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.rows import Scene
from seldfuse.synth.dataset.folder import DatasetSplit


class Hearing(NamedTuple):
    """What is true of the clips of a split, and what each backend says of them, by its name: a batch of all clips."""

    truth: Sequence[Scene]
    said: Mapping[str, Posterior]


def hear(split: DatasetSplit, backends: str | Sequence[BackendRequest]) -> Hearing:
    """Listens to every clip of a split, whose clips are equally long. Raises the first clip's error, as `listen` does,
    and what `load_backends` raises.
    """
    ears = load_backends(backends, "auto")
    sounds = sorted(split.get_folder("wav").glob("*.wav"))
    said = said_of(find_clips(sounds), ears)
    return Hearing(dcase.read_many([split.get_path(sound.stem, "csv") for sound in sounds]), said)


def said_of(clips: Sequence[Clip], ears: LoadedBackends) -> dict[str, Posterior]:
    """What each backend says of equally long clips, a batch of all. Raises the first clip's error."""
    heard = [clip.posteriors for clip in infer_clips(clips, ears, RunStats(), _fail)]
    return {name: Posterior.concat([posteriors[name] for posteriors in heard]) for name in ears.backends}


def decided(said: Mapping[str, Posterior], members: Sequence[str], preset: str = "mean") -> list[Events]:
    """Events of each clip, as some members together find them, merged as `seldfuse run --fusion` merges."""
    settings = FusionSettings.resolve(preset)
    return decode_events(fuse_posteriors({member: said[member] for member in members}, settings), settings.decode)


def _fail(_clip: Clip, error: SeldfuseError) -> None:
    raise error
