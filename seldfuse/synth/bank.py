"""Rendered scenes at hand: two cores cannot render as fast as they train, so each scene serves a few times."""

import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seldfuse import __version__
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.values import Feature
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.audio_reader import encode_audio
from seldfuse.encoders.load import LoadedEncoder, find_encoder, load_encoder_cached
from seldfuse.encoders.models import AudioEncoderModel, ImageEncoderModel
from seldfuse.encoders.tokens import EncoderTokens, TokensByEncoder, concat_tokens, map_tokens
from seldfuse.errors import PluginError, UsageError
from seldfuse.features.load import make_batch
from seldfuse.features.stack import find_channel_slices, stack_features
from seldfuse.interruption import end_children, is_interrupted, shield_children
from seldfuse.storage.atomic import write_atomically
from seldfuse.storage.digest import hash_text
from seldfuse.storage.read_json import read_object
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.pictures.encode import encode_views
from seldfuse.synth.render import render_scenes
from seldfuse.synth.scene import ScenePlan
from seldfuse.synth.worker_process import prepare_worker

CHUNK = 8
"""Scenes that are rendered together; every chunk has random numbers of its own, whichever process renders it."""

MOST_USES = 10
"""No scene is handed out more often."""

STANDARD_FEATURES = ("logmel", "ild", "intensity", "stpacc")
"""Features whose origin the card of a folder does not name."""

CARD = "bank.json"

PICTURE_ENTRIES = ("encoders", "sprites", "backgrounds")
"""What a card says of encoders and of what they are shown."""

LARGEST_HALF = torch.finfo(torch.half).max

PLAIN, FLIPPED = "/plain", "/flipped"
"""Ends of the names of an encoder's tensors in a file."""


class SceneChunk(NamedTuple):
    """Some scenes: their features, their true events, and what encoders make of them."""

    features: Float[Tensor, "scene channel time mel"]
    truth: Posterior
    embeddings: TokensByEncoder

    def map(self, change: Callable[[Tensor], Tensor]) -> "SceneChunk":
        """Change every tensor alike."""
        return SceneChunk(change(self.features), self.truth.map(change), map_tokens(self.embeddings, change))

    @classmethod
    def concat(cls, parts: "Sequence[SceneChunk]") -> "SceneChunk":
        """Concatenate scenes with the same features and encoders."""
        features, truths, embeddings = zip(*parts, strict=True)
        return cls(torch.cat(features), Posterior.concat(truths), concat_tokens(embeddings))


@dataclass(frozen=True)
class SceneSupply:
    """What the scenes of a bank are made from; `folder` stores them for others who draw from the same.

    `encoders` compute on `encoder_device`; for those of pictures the stage needs cut-outs and backgrounds. A new folder
    stores the features and the tokens that are asked for; an old one those that its card names, so that it does not
    matter what is installed, and a training may take some of the encoders.

    Raises UsageError where the folder holds scenes of another kind, or lacks a feature that is asked for.
    """

    stage: SceneIngredients
    features: tuple[str, ...]
    seed: int
    folder: Path | None = None
    encoders: tuple[str, ...] = ()
    encoder_device: str = "cpu"

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        path = self.folder / CARD
        if not path.exists():
            with write_atomically(path) as draft:
                draft.write_text(json.dumps(self._make_card(self.features), indent=2) + "\n", encoding="utf-8")
            return
        card = _read_card(path)
        stored = tuple(card.get("features", ()))
        missing = [name for name in self.features if name not in stored]
        if missing:
            raise UsageError(
                f"this folder holds scenes with {', '.join(stored)}, not with {', '.join(missing)}; name a new one, "
                f"which stores these too: {path}"
            )
        differing = _describe_differences(self._leave_out_unused(card), self._make_card(stored))
        if differing:
            raise UsageError(
                "this folder holds scenes from other sounds, another seed, or another version of seldfuse or of a "
                f"plugin ({differing}); name a new one: {path}"
            )

    def _leave_out_unused(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what a card says of encoders that this training does not take."""
        wanted = self._list_stored_encoders()
        encoders = {name: version for name, version in card.get("encoders", {}).items() if name in wanted}
        rest = {name: value for name, value in card.items() if encoders or name not in PICTURE_ENTRIES}
        return {**rest, "encoders": encoders} if encoders else rest

    def load_chunk(self, number: int) -> SceneChunk:
        """Load the scenes of a chunk, in half precision, from the folder where they are there already.

        Raises PluginError where a feature or a token has values that half precision cannot hold.
        """
        if self.folder is None:
            return _halve(self.render_chunk(number), self.features)
        self.store_chunk(number)
        return self.read_scenes(number, slice(None))

    def find_file(self, number: int) -> Path:
        """Find the place of a chunk in the folder, whether it is there or not."""
        assert self.folder is not None
        return self.folder / f"{number:06}.safetensors"

    def store_chunk(self, number: int) -> None:
        """Store a chunk in the folder, unless it is there. Raises what `load_chunk` does, and UsageError."""
        path = self.find_file(number)
        if path.exists():
            return
        encoders = self._read_stored_encoders()
        if self.stage.cutouts is None and any(find_encoder(name).input == "pictures" for name in encoders):
            raise UsageError(
                "this folder holds tokens of pictures, which new scenes cannot have without any; render enough of them "
                f"with `seldfuse synth bank`, and set synth.scenes to their number: {self.folder}"
            )
        whole = replace(self, features=self._read_stored_features(), encoders=encoders, folder=None)
        with write_atomically(path) as draft:
            draft.write_bytes(safetensors.torch.save(_flat(whole.load_chunk(number))))

    def read_scenes(self, number: int, rows: slice) -> SceneChunk:
        """Read some scenes of a stored chunk, in half precision; of the file only these are read."""
        try:
            with safetensors.safe_open(self.find_file(number), framework="pt") as file:
                stored_names = file.keys()
                names = [name for name in stored_names if self._takes(name)]
                chunk = _unflat({name: file.get_slice(name)[rows] for name in names}, self.stage.bank.labels)
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, IndexError) as error:
            raise UsageError(
                f"a chunk of stored scenes is damaged ({error}); delete it, and it is made anew: "
                f"{self.find_file(number)}"
            ) from error
        stored = self._read_stored_features()
        if stored == self.features:
            return chunk
        places = find_channel_slices(stored)
        wanted = torch.cat([chunk.features[:, places[name]] for name in self.features], dim=1)
        return chunk._replace(features=wanted)

    def _takes(self, tensor: str) -> bool:
        """Test whether a tensor of a file is none of another encoder."""
        name, slash, _ = tensor.partition("/")
        return not slash or name in (find_encoder(reference).name for reference in self._list_stored_encoders())

    def render_chunk(self, number: int, count: int = CHUNK, device: str = "cpu") -> SceneChunk:
        """Render the scenes of a chunk, which has random numbers of its own, their sound on `device`."""
        rng, stage = np.random.default_rng([self.seed, number]), self.stage
        scenes = [draw_scene(stage, rng) for _ in range(count)]
        rendered = render_scenes(scenes, stage.bank, stage.responses, device)
        target = rendered.truth.to_posterior().to(device)
        embeddings = self._encode_scenes(scenes, rendered.audio)
        return SceneChunk(stack_features(make_batch(rendered.audio), self.features), target, embeddings)

    def _encode_scenes(
        self, scenes: Sequence[ScenePlan], audio: Float[Tensor, "scene 2 sample"]
    ) -> dict[str, EncoderTokens]:
        """Encode sound and pictures, by the encoders' names; tokens of log-mel spectrograms follow from features."""
        encoders = [load_encoder_cached(reference, self.encoder_device) for reference in self._list_stored_encoders()]
        return {encoder.name: self._encode(scenes, audio, encoder) for encoder in encoders}

    def _encode(self, scenes: Sequence[ScenePlan], audio: Tensor, encoder: LoadedEncoder) -> EncoderTokens:
        if encoder.value.input == "audio":
            assert isinstance(encoder.model, AudioEncoderModel)
            return encode_audio(audio, encoder.model)
        assert self.stage.cutouts is not None
        assert self.stage.backgrounds is not None
        assert isinstance(encoder.model, ImageEncoderModel)
        return encode_views(scenes, self.stage.cutouts, self.stage.backgrounds, encoder.model, encoder.value.has_mirror)

    def _list_stored_encoders(self) -> list[str]:
        return [reference for reference in self.encoders if find_encoder(reference).input != "logmel"]

    def _read_stored_features(self) -> tuple[str, ...]:
        """Read the list of features on the card of the folder."""
        assert self.folder is not None
        return _read_features(self.folder / CARD)

    def _read_stored_encoders(self) -> tuple[str, ...]:
        """Read which encoders the card of the folder names; those of log-mel spectrograms it never does."""
        assert self.folder is not None
        card = json.loads((self.folder / CARD).read_text(encoding="utf-8"))
        return tuple(dict.fromkeys([*card.get("encoders", ()), *self.encoders]))

    def _make_card(self, stored: tuple[str, ...]) -> dict[str, object]:
        """Make the card of a folder with these features: whatever its scenes depend on, and nothing else."""
        sounds = hash_text("\n".join(sorted(self.stage.bank.keys)), "sha256")
        card: dict[str, object] = {
            "seldfuse": __version__,
            "seed": self.seed,
            "evenness": self.stage.evenness,
            "features": list(stored),
            "sounds": sounds,
        }
        plugins = {name: _describe_origin(name) for name in stored if name not in STANDARD_FEATURES}
        if plugins:
            card["plugins"] = plugins
        encoders = self._list_stored_encoders()
        if not encoders:
            return card
        cutouts = self.stage.cutouts
        names = [] if cutouts is None else [*cutouts.people, *sorted(cutouts.classes)]
        versions = {name: load_encoder_cached(name, "cpu").version for name in encoders}
        backgrounds = self.stage.backgrounds.chosen if self.stage.backgrounds else ()
        shown = {"backgrounds": hash_text("\n".join(backgrounds), "sha256")} if backgrounds else {}
        return {**card, "encoders": versions, "sprites": names, **shown}


def read_seed(folder: Path, default: int) -> int:
    """Read the seed of the scenes in a folder; `default` where it stores none yet."""
    path = folder / CARD
    return int(_read_card(path)["seed"]) if path.exists() else default


@lru_cache
def _read_features(card: Path) -> tuple[str, ...]:
    """Read the list of features on a card, which never changes, once for all scenes."""
    return tuple(_read_card(card).get("features", ()))


def _read_card(path: Path) -> dict[str, Any]:
    """Read the card of a folder. Raises UsageError where it is none."""
    try:
        card = read_object(path)
        features = card.get("features", [])
        if not (isinstance(features, list) and all(isinstance(name, str) for name in features)):
            raise ValueError("features must be a list of names")
        if type(card.get("seed")) is not int or card["seed"] < 0:
            raise ValueError("seed must be a whole number, 0 or more")
    except (OSError, ValueError) as error:
        raise UsageError(f"expected the card of stored scenes ({error}): {path}") from error
    return card


def _describe_differences(there: Mapping[str, object], here: Mapping[str, object]) -> str:
    """Describe which entries of two cards differ; empty where none does."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(f"{name}: {there.get(name)} there, {here.get(name)} here" for name in names)


def _describe_origin(feature: str) -> str:
    """Describe who computes a feature: another version may compute another."""
    entry = load_registry().find(Feature, feature)
    return f"{entry.distribution} {entry.version}"


def _halve(chunk: SceneChunk, features: Sequence[str]) -> SceneChunk:
    """Return a chunk in half precision. Raises PluginError where that would make a number infinite."""
    for name, place in find_channel_slices(features).items():
        _check_range(f"feature {name!r}", chunk.features[:, place])
    for name, tokens in chunk.embeddings.items():
        _check_range(f"encoder {name!r}", tokens.plain)
    return chunk.map(lambda tensor: tensor.half())


def _check_range(what: str, values: Tensor) -> None:
    largest = float(values.nan_to_num(0.0).abs().amax())
    if largest > LARGEST_HALF:
        raise PluginError(
            f"{what} has values up to {largest:,.0f}, but random scenes are stored in half precision, whose largest "
            f"number is {LARGEST_HALF:,.0f}; scale it down, or give it in dB"
        )


def _flat(chunk: SceneChunk) -> dict[str, Tensor]:
    sides = {
        f"{name}{end}": tensor
        for name, tokens in chunk.embeddings.items()
        for end, tensor in ((PLAIN, tokens.plain), (FLIPPED, tokens.flipped))
        if tensor is not None
    }
    tensors = {"features": chunk.features, **chunk.truth.tensors(), **sides}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _unflat(tensors: dict[str, Any], labels: LabelSet) -> SceneChunk:
    names = [key.removesuffix(PLAIN) for key in tensors if key.endswith(PLAIN)]
    embeddings = {}
    for name in names:
        plain, flipped = tensors.pop(f"{name}{PLAIN}"), tensors.pop(f"{name}{FLIPPED}", None)
        embeddings[name] = EncoderTokens(plain, flipped, "audio" if find_encoder(name).input == "audio" else "pictures")
    return SceneChunk(tensors.pop("features"), Posterior(**tensors, labels=labels), embeddings)


class SceneBank:
    """Random scenes, renewed by other processes while training goes on.

    `pool_size` scenes make a round, in random order. For the next round the oldest part of them is replaced by new
    scenes, so that each is drawn `uses_per_scene` times at most. What is drawn depends on the seed and the place alone,
    not on how fast scenes come. Of several processes that train together, the one numbered `rank` has chunks of its
    own. Close it when done. Raises ValueError where `uses_per_scene` is not 1 to `MOST_USES`.
    """

    def __init__(
        self,
        supply: SceneSupply,
        pool_size: int = 640,
        uses_per_scene: int = 5,
        rank: int = 0,
        processes: int = 1,
        workers: int | None = None,
    ) -> None:
        if not 1 <= uses_per_scene <= MOST_USES:
            raise ValueError(f"uses must be 1 to {MOST_USES}, got {uses_per_scene}")
        self.supply, self.rank, self.processes = supply, rank, processes
        self.renewed = max(1, pool_size // uses_per_scene)
        self.round = self.renewed * uses_per_scene
        self.place = 0
        self._slots = self.round // CHUNK + 2
        workers = workers or max(1, (os.cpu_count() or 2) - 1)
        # Spawned, because a forked child of a process with threads may hang.
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (supply,))
        self._workers = workers
        self._start_at(0)

    def close(self) -> None:
        """Stop the processes that render."""
        if is_interrupted():
            end_children()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def seek(self, drawn: int) -> None:
        """Go on as if so many scenes had been drawn."""
        self.place = drawn
        self._start_at(drawn // self.round * self.renewed // CHUNK)

    def draw(self, count: int) -> SceneChunk:
        """Draw the next scenes, in single precision; wait where rendering is behind."""
        scenes = self._scenes(np.arange(self.place, self.place + count))
        parts = [self._take(part) for part in _split_rounds(scenes, self.place, self.round)]
        self.place += count
        return SceneChunk.concat(parts)

    def _scenes(self, places: Int[np.ndarray, "place"]) -> Int[np.ndarray, "place"]:
        """Find the scene at each place of the sequence: round g takes scenes from g times `renewed` on, shuffled."""
        turns = places // self.round
        orders = {
            turn: np.random.default_rng([self.supply.seed, self.rank, turn]).permutation(self.round)
            for turn in np.unique(turns).tolist()
        }
        return np.array(
            [
                turn * self.renewed + orders[turn][place % self.round]
                for turn, place in zip(turns.tolist(), places, strict=True)
            ]
        )

    def _take(self, scenes: Int[np.ndarray, "scene"]) -> SceneChunk:
        """Copy scenes of one round."""
        self._fill(int(scenes.max()) // CHUNK)
        rows = torch.from_numpy(scenes % (self._slots * CHUNK))
        return self._held.map(lambda tensor: tensor[rows].float())

    def _start_at(self, chunk: int) -> None:
        self._next = self._ordered = chunk
        self._chunks: deque[Future[SceneChunk]] = deque()

    def _fill(self, last: int) -> None:
        """Take in chunks up to `last`, in their order, and order those that come after."""
        while self._ordered <= last + self._ahead():
            with shield_children():
                self._chunks.append(self._pool.submit(_load_chunk, 1 + self._ordered * self.processes + self.rank))
            self._ordered += 1
        while self._next <= last:
            chunk = self._chunks.popleft().result()
            if not hasattr(self, "_held"):
                self._held = chunk.map(self._room_for)
            rows = (self._next % self._slots) * CHUNK + torch.arange(CHUNK)
            held = _flat(self._held)
            for name, tensor in _flat(chunk).items():
                held[name][rows] = tensor
            self._next += 1

    def _room_for(self, tensor: Tensor) -> Tensor:
        """Allocate a tensor of this kind for all scenes at hand."""
        return tensor.new_empty(self._slots * CHUNK, *tensor.shape[1:])

    def _ahead(self) -> int:
        """Count the chunks to have in the making: those of the next round come evenly over this one."""
        return self._workers + self.place % self.round * self.renewed // (self.round * CHUNK)


class SceneStream:
    """Random scenes that are rendered when they are drawn, which a GPU does fast enough."""

    def __init__(self, supply: SceneSupply, device: str, rank: int = 0, processes: int = 1) -> None:
        self.supply, self.device, self.rank, self.processes = supply, device, rank, processes
        self.place = 0

    def close(self) -> None:
        """Do nothing: nothing goes on in the background."""

    def seek(self, drawn: int) -> None:
        """Go on as if so many scenes had been drawn."""
        self.place = drawn

    def draw(self, count: int) -> SceneChunk:
        """Render new scenes on the device."""
        number = 1 + self.place * self.processes + self.rank
        self.place += count
        return self.supply.render_chunk(number, count, self.device)


_supply: SceneSupply | None = None
"""What this process renders from, sent once, because a bank may list many thousand sounds."""


def _begin(supply: SceneSupply) -> None:
    global _supply
    prepare_worker()
    _supply = supply


def _load_chunk(number: int) -> SceneChunk:
    assert _supply is not None
    return _supply.load_chunk(number)


def _split_rounds(scenes: Int[np.ndarray, "place"], place: int, round_: int) -> list[np.ndarray]:
    """Cut where a round ends: its last scenes must be taken before chunks of the next come in."""
    first = -place % round_
    return [part for part in np.split(scenes, range(first, len(scenes), round_)) if len(part)]
