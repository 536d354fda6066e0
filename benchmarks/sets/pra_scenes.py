"""Scenes whose rooms are pyroomacoustics', an independent implementation: to check ours, and to validate on.

The sounds, the noise, the recording chain and the truth of a plan are seldfuse's own; only what the rooms do is theirs
(R. Scheibler, E. Bezzam, I. Dokmanić, "Pyroomacoustics: a Python package for audio room simulation and array
processing algorithms", ICASSP 2018). A source at rest has one response of mirror images. A moving one has one
every 100 ms, of fewer images; what the others bring comes from the middle of the way. Babble stands in the corner of
the room that is farthest from the microphone. A directive source is an omnidirectional one and a figure of eight, each
with a share of every octave, as `seldfuse.synth.rooms.directivity` has it. Their rooms are perfect shoeboxes without
tables, whatever the plan says.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import torch
from jaxtyping import Float, Float32, Int
from pyroomacoustics.directivities import DirectionVector, FigureEight, Omnidirectional
from scipy.signal import fftconvolve

from seldfuse.core.grid import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from seldfuse.core.labels import DCASE2025
from seldfuse.formats.dcase import write_events
from seldfuse.media.encode import write_wav
from seldfuse.synth.dataset.folder import DatasetSplit, render_with_codec
from seldfuse.synth.dataset.plans import check_plans, read_plans
from seldfuse.synth.draw import SceneIngredients
from seldfuse.synth.render import add_takes, apply_recording_chain, render_dry_sounds, render_noise
from seldfuse.synth.rooms.bands import BANDS_HZ, build_band_filters
from seldfuse.synth.rooms.directivity import Directivity
from seldfuse.synth.rooms.shoebox import SPEED_OF_SOUND_M_S
from seldfuse.synth.scene import Room, ScenePlan, ScenePlanSource
from seldfuse.synth.sounds.soundbank import SoundBank, load_bank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.synth.truth import SceneTruth, compute_truth
from seldfuse.synth.worker_process import prepare_worker

HIGHEST_ORDER = 60
MOVING_ORDER = 12
LEFT_OUT = 1e-4
"""Share of a reverberation's energy (−40 dB) that the images beyond the order may have, unless it is the highest."""

HOP = SAMPLE_RATE_HZ // 10
RINGING = 1024
CORNER_M = 0.5
WALLS = ("west", "east", "south", "north", "floor", "ceiling")


def render_with_pyroomacoustics(
    scene: ScenePlan, bank: SoundBank
) -> tuple[Float32[np.ndarray, "2 sample"], SceneTruth]:
    """Render the sound at 24 kHz and truth of one scene, as `seldfuse.synth.render.render_scenes` gives them, but for
    the room.

    Raises ValueError where the room is no shoebox, and what `render` raises.
    """
    if not isinstance(scene.room, Room):
        raise ValueError(f"expected a plan with a shoebox room, got {type(scene.room).__name__}")
    samples = scene.frames * SAMPLES_PER_FRAME
    dry = render_dry_sounds([scene], bank, samples)
    field = render_noise([scene], samples, "cpu")[0].double().numpy() + _babble(scene, scene.room, bank, samples)
    for row, source in zip(dry, scene.sources, strict=True):
        field += _render_source(row, source, scene.room)
    mid, side = field
    audio = torch.from_numpy(np.stack([mid + side, mid - side]).astype(np.float32))[None]
    return apply_recording_chain(audio, [scene])[0].numpy(), compute_truth([scene], bank.labels, torch.from_numpy(dry))


def responses(
    room: Room, positions_m: Float[np.ndarray, "pos 3"], order: int, facing: Float[np.ndarray, "pos 3"] | None = None
) -> Float[np.ndarray, "pos 2 sample"]:
    """Compute the responses of W and Y' to positions in the view's axes, of images up to an order; time starts at the
    source. Sources are omnidirectional, or figures of eight where vectors say which way they are turned.
    """
    bands = {"center_freqs": list(BANDS_HZ), "description": "wall"}
    walls = {
        name: pra.Material({"coeffs": list(wall), **bands}) for name, wall in zip(WALLS, room.absorption, strict=True)
    }
    shoebox = pra.ShoeBox(list(room.size_m), fs=SAMPLE_RATE_HZ, materials=walls, max_order=order)
    shoebox.set_sound_speed(SPEED_OF_SOUND_M_S)
    turned = None if facing is None else room.locate(facing) - np.array(room.microphone_m)
    for number, position_m in enumerate(room.locate(positions_m)):
        shoebox.add_source(position_m, directivity=None if turned is None else _turned_eight(turned[number]))
    left = DirectionVector(azimuth=room.yaw_deg + 90, colatitude=90, degrees=True)
    microphones_m = np.stack([room.microphone_m] * 2, axis=1)
    shoebox.add_microphone_array(
        pra.MicrophoneArray(microphones_m, SAMPLE_RATE_HZ, directivity=[Omnidirectional(), FigureEight(left)])
    )
    shoebox.compute_rir()
    # Theirs come late by half the length of the filters that delay by parts of a sample.
    late = pra.constants.get("frac_delay_length") // 2
    pairs = [[shoebox.rir[channel][number][late:] for channel in range(2)] for number in range(len(positions_m))]
    samples = max(len(response) for pair in pairs for response in pair)
    return np.array([[_filled(response, samples) for response in pair] for pair in pairs])


def _turned_eight(vector: Float[np.ndarray, "3"]) -> FigureEight:
    x, y, z = vector
    return FigureEight(
        DirectionVector(azimuth=np.arctan2(y, x), colatitude=np.arctan2(np.hypot(x, y), z), degrees=False)
    )


def directive_responses(
    room: Room, positions_m: Float[np.ndarray, "pos 3"], order: int, source: ScenePlanSource
) -> Float[np.ndarray, "pos 2 sample"]:
    """Compute `responses` to a source of the plan's directivity at positions."""
    omni = responses(room, positions_m, order)
    if source.directivity == 0.0:
        return omni
    count = len(positions_m)
    angle_rad = torch.full((count,), math.radians(source.facing_deg), dtype=torch.float64)
    directivity = Directivity(torch.full((count,), source.directivity), angle_rad)
    eight = responses(room, positions_m, order, directivity.compute_facing(torch.from_numpy(positions_m)).numpy())
    fft_samples = omni.shape[-1] + RINGING
    behind = 1.0 - directivity.select_rows(torch.tensor([0])).compute_gains(torch.tensor([-1.0]))[0]  # b of each band
    share = (behind / 2 @ build_band_filters(fft_samples, "cpu")).double().numpy()
    difference = np.fft.rfft(eight - omni, fft_samples) * share
    return np.asarray(omni + np.fft.irfft(difference, fft_samples)[..., : omni.shape[-1]])


def order_for(room: Room) -> int:
    """Find the lowest order that leaves out no more than `LEFT_OUT`, at most `HIGHEST_ORDER`."""
    orders = np.arange(1, HIGHEST_ORDER)
    return int(1 + (energy_beyond(room, orders) > LEFT_OUT).sum())


def energy_beyond(room: Room, orders: Int[np.ndarray, "order"]) -> Float[np.ndarray, "order"]:
    """Compute the share of a reverberation's energy that comes from images beyond some orders, the mean over the bands.

    Along each direction energy decays exponentially with the way, and orders grow in proportion to it.
    """
    directions = np.abs(np.random.default_rng(0).standard_normal((500, 3)))
    per_m = directions / np.linalg.norm(directions, axis=1, keepdims=True) / room.size_m  # crossings of each axis
    swallowed = -np.log1p(-np.array(room.absorption).clip(1e-6, 1 - 1e-6)).reshape(3, 2, -1).mean(axis=1)
    decay_per_m = per_m @ swallowed  # (direction, band)
    way_m = (orders[:, None] + 0.5) / per_m.sum(axis=1)  # (order, direction)
    left = np.exp(-decay_per_m * way_m[..., None]) / decay_per_m
    return np.asarray((left.mean(axis=1) / (1.0 / decay_per_m).mean(axis=0)).mean(axis=-1))


def _render_source(
    dry: Float32[np.ndarray, "sample"], source: ScenePlanSource, room: Room
) -> Float[np.ndarray, "2 sample"]:
    """Render one source in W and Y'."""
    order = order_for(room)
    if source.path.moves:
        return np.asarray(_walked(dry, source, room, min(order, MOVING_ORDER)) + _late(dry, source, room, order))
    return _convolved(dry, directive_responses(room, np.array([source.path.start_m]), order, source)[0])


def _walked(
    dry: Float32[np.ndarray, "sample"], source: ScenePlanSource, room: Room, order: int
) -> Float[np.ndarray, "2 sample"]:
    """Blocks of 200 ms, each from where the source is in its middle, fade into each other.

    Where they overlap, treble comes with two delays; at a metre a second that costs half a decibel of pink noise.
    """
    padded = np.pad(dry, HOP)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * HOP)[::HOP]
    sounding = np.flatnonzero(np.abs(blocks).max(axis=1) > 0)
    rendered = np.zeros((2, len(padded)))
    if not len(sounding):
        return rendered[:, HOP:-HOP]
    window = np.hanning(2 * HOP + 1)[:-1]
    places_m = source.path.compute_position(sounding * (HOP / SAMPLE_RATE_HZ))
    pairs = directive_responses(room, places_m, order, source)
    for number, pair in zip(sounding, pairs, strict=True):
        part = fftconvolve((blocks[number] * window)[None], pair, axes=1)[:, : len(padded) - number * HOP]
        rendered[:, number * HOP : number * HOP + part.shape[1]] += part
    return rendered[:, HOP:-HOP]


def _late(
    dry: Float32[np.ndarray, "sample"], source: ScenePlanSource, room: Room, order: int
) -> Float[np.ndarray, "2 sample"]:
    """Render what the images bring that moving does without, from the middle of the way."""
    if order <= MOVING_ORDER:
        return np.zeros((2, len(dry)))
    middle_m = np.mean([source.path.start_m, source.path.end_m], axis=0, keepdims=True)
    (many,), (few,) = (directive_responses(room, middle_m, most, source) for most in (order, MOVING_ORDER))
    return _convolved(dry, many - np.stack([_filled(channel, many.shape[1]) for channel in few]))


def _babble(scene: ScenePlan, room: Room, bank: SoundBank, samples: int) -> Float[np.ndarray, "2 sample"]:
    ambience = scene.ambience
    if ambience is None or not ambience.babble:
        return np.zeros((2, samples))
    babble = np.zeros(samples, dtype=np.float32)
    add_takes(babble, ambience.babble, bank, 1.0)
    rendered = _convolved(babble, responses(room, _corner_m(room)[None], order_for(room))[0])
    return np.asarray(rendered * 10 ** (ambience.babble_db / 20) / max(1e-9, np.sqrt(np.square(rendered[0]).mean())))


def _corner_m(room: Room) -> Float[np.ndarray, "3"]:
    """At the microphone's height the corner farthest from it, in the view's axes."""
    size_m, microphone_m = np.array(room.size_m), np.array(room.microphone_m)
    away_m = np.where(microphone_m < size_m / 2, size_m - CORNER_M, CORNER_M) - microphone_m
    yaw = np.radians(room.yaw_deg)
    x, y = away_m[:2]
    return np.array([np.cos(yaw) * x + np.sin(yaw) * y, np.cos(yaw) * y - np.sin(yaw) * x, 0.0])


def _convolved(
    dry: Float32[np.ndarray, "sample"], pair: Float[np.ndarray, "2 response"]
) -> Float[np.ndarray, "2 sample"]:
    return np.asarray(fftconvolve(dry[None], pair, axes=1)[:, : len(dry)])


def _filled(response: Float[np.ndarray, "_"], samples: int) -> Float[np.ndarray, "{samples}"]:
    return np.pad(response, (0, samples - len(response)))


# The command


def write_scenes(plans: Path, split: DatasetSplit, sounds: Path, jobs: int) -> Iterator[str]:
    """Render a file of plans into a split of a data set; yield the names of clips as they are done.

    A clip that has its sound already is passed over; a lossy codec is a real one, as `seldfuse synth` has it. Raises
    UsageError where a sound is not among the folder's held-out ones, and what `render_with_pyroomacoustics` raises.
    """
    named = read_plans(plans)
    bank = load_bank(sounds, DCASE2025, "held")
    check_plans(named, SceneIngredients(bank, SceneStatistics.load()), video=False)
    due = {clip: scene for clip, scene in named.items() if not split.get_path(clip, "wav").exists()}
    # Spawned, because a forked child of a process with threads may hang.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
        yield from pool.map(partial(_write, split, bank), due.keys(), due.values())


def _begin() -> None:
    """One thread each: the scenes come out the same whatever the machine."""
    prepare_worker()
    pra.constants.set("num_threads", 1)


def _write(split: DatasetSplit, bank: SoundBank, clip: str, scene: ScenePlan) -> str:
    audio, truth = render_with_codec(scene, partial(render_with_pyroomacoustics, bank=bank))
    write_events(truth.to_events()[0], split.get_path(clip, "csv"))
    write_wav(split.get_path(clip, "wav"), audio)
    return clip
