"""A split of scenes listened to once, and what systems make of it: all clips in one batch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seldfuse.clip import Clip
from seldfuse.errors import SeldfuseError
from seldfuse.events import Events
from seldfuse.formats import dcase
from seldfuse.fusion import decode, fuse
from seldfuse.listen import Ears, listen
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.rows import Scene
from seldfuse.pipeline import open_ears, read_fusion
from seldfuse.plugin.registry import BackendRequest
from seldfuse.posterior import Posterior
from seldfuse.synth.dataset.folder import Split
from seldfuse.watch import Watch


class Hearing(NamedTuple):
    """What is true of the clips of a split, and what each backend says of them, by its name: a batch of all clips."""

    truth: Sequence[Scene]
    said: Mapping[str, Posterior]


def hear(split: Split, backends: str | Sequence[BackendRequest]) -> Hearing:
    """Listens to every clip of a split, whose clips are equally long. Raises the first clip's error, as `listen` does,
    and what `open_ears` raises.
    """
    ears = open_ears(backends, "auto")
    sounds = sorted(split.folder("wav").glob("*.wav"))
    said = said_of(find_clips(sounds), ears)
    return Hearing(dcase.read_many([split.file(sound.stem, "csv") for sound in sounds]), said)


def said_of(clips: Sequence[Clip], ears: Ears) -> dict[str, Posterior]:
    """What each backend says of equally long clips, a batch of all. Raises the first clip's error."""
    heard = [clip.posteriors for clip in listen(clips, ears, Watch(), _fail)]
    return {name: Posterior.join([posteriors[name] for posteriors in heard]) for name in ears.backends}


def decided(said: Mapping[str, Posterior], members: Sequence[str], preset: str = "mean") -> list[Events]:
    """Events of each clip, as some members together find them, merged as `seldfuse run --fusion` merges."""
    settings = read_fusion(preset)
    return decode(fuse({member: said[member] for member in members}, settings), settings.decode)


def _fail(_clip: Clip, error: SeldfuseError) -> None:
    raise error
