"""A folder of scenes that are there already and are drawn again and again."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from seldfuse.errors import UsageError
from seldfuse.synth.bank import CHUNK, SceneChunk, SceneSupply

FIRST_CHUNK = 1
"""The number of the first chunk that trains, as in `SceneBank`: both can read a folder that the other has filled."""


class _Ahead(NamedTuple):
    """Scenes on their way: those of `size` places from `place` on."""

    place: int
    size: int
    scenes: Future[list[SceneChunk]]


class StoredScenes:
    """The first `count` scenes of a folder, all of them in each pass, in another order each time.

    The order depends on `seed` alone, which need not be that of the scenes. Of several processes that train together,
    the one numbered `rank` has chunks of its own. Files are mapped into memory and read by a thread, a draw ahead of
    the training.

    Raises UsageError where the supply has no folder, where there are fewer scenes than processes need, or where the
    folder lacks some of them.
    """

    def __init__(self, supply: SceneSupply, count: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        if supply.folder is None:
            raise UsageError("synth.scenes counts scenes in a folder; name it: --bank DIR")
        self.supply = supply
        self.scenes = list_scenes(count, rank, processes)
        self.place = 0
        _check_stored(supply, count)
        self._order = lru_cache(maxsize=2)(partial(_shuffle_pass, seed, rank, len(self.scenes)))
        self._reader = ThreadPoolExecutor(1, "stored-scenes")
        self._ahead: _Ahead | None = None

    def close(self) -> None:
        """Stop the thread that reads."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def seek(self, drawn: int) -> None:
        """Go on as if so many scenes had been drawn."""
        self.place = drawn

    def draw(self, count: int) -> SceneChunk:
        """Draw the next scenes, in single precision."""
        ahead = self._ahead
        due = ahead if ahead is not None and ahead[:2] == (self.place, count) else self._begin(count)
        self.place += count
        parts = due.scenes.result()
        self._ahead = self._begin(count)
        return SceneChunk.concat(parts).map(Tensor.float)

    def _begin(self, count: int) -> _Ahead:
        numbers = self._find_scenes(self.place, count)
        return _Ahead(self.place, count, self._reader.submit(self._read, numbers))

    def _find_scenes(self, place: int, count: int) -> list[int]:
        """Find the numbers of the scenes at some places of the sequence."""
        turns = [divmod(position, len(self.scenes)) for position in range(place, place + count)]
        return [int(self.scenes[self._order(turn)[within]]) for turn, within in turns]

    def _read(self, numbers: list[int]) -> list[SceneChunk]:
        return [self._read_scene(*divmod(number, CHUNK)) for number in numbers]

    def _read_scene(self, chunk: int, row: int) -> SceneChunk:
        scene = self.supply.read_scenes(FIRST_CHUNK + chunk, slice(row, row + 1))
        # By NumPy: PyTorch would start threads of its own beside those that train.
        return scene.map(lambda tensor: torch.from_numpy(tensor.numpy().copy()))


def list_scenes(count: int, rank: int = 0, processes: int = 1) -> Int[np.ndarray, " scene"]:
    """List which of `count` scenes a process draws: whole chunks in turn. Raises UsageError where there is none."""
    numbers = np.arange(count)
    own: Int[np.ndarray, " scene"] = numbers[numbers // CHUNK % processes == rank]
    if not len(own):
        raise UsageError(
            f"synth.scenes must be {processes * CHUNK} at least for {processes} processes, each of which takes chunks "
            f"of {CHUNK}, got {count}"
        )
    return own


def list_chunks(count: int) -> range:
    """List the numbers of the chunks that hold so many scenes."""
    return range(FIRST_CHUNK, FIRST_CHUNK - (-count // CHUNK))


def _check_stored(supply: SceneSupply, count: int) -> None:
    chunks = list_chunks(count)
    missing = sum(not supply.find_file(number).exists() for number in chunks)
    if missing:
        raise UsageError(
            f"synth.scenes asks for {count} scenes, and {missing} of their {len(chunks)} files are missing; render "
            f"them with `seldfuse synth bank`, or set synth.scenes=0 to render while the network learns: "
            f"{supply.folder}"
        )


def _shuffle_pass(seed: int, rank: int, count: int, turn: int) -> Int[np.ndarray, " scene"]:
    """Draw the order of the scenes in a pass."""
    order: Int[np.ndarray, " scene"] = np.random.default_rng([seed, rank, turn]).permutation(count)
    return order
