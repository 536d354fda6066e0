"""Random plans of scenes: a timeline as real recordings have it, in a random room, with a random recording chain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seldfuse.core.grid import FRAME_S, SAMPLE_RATE_HZ
from seldfuse.synth.draw_acoustics import draw_log_uniform, draw_places, draw_source, find_direction, round_point
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.views import draw_view
from seldfuse.synth.rooms.measured import ResponseSet
from seldfuse.synth.rooms.noise import TABLE_SAMPLES
from seldfuse.synth.scene import (  # fmt: skip
    SCENE_FRAMES,
    Ambience,
    MeasuredRoom,
    RecordingChain,
    Room,
    ScenePlan,
    ScenePlanSource,
    SoundTake,
    SourcePath,
)
from seldfuse.synth.sounds.soundbank import REFERENCE_RMS, BankSound, SoundBank
from seldfuse.synth.timelines.statistics import SceneStatistics
from seldfuse.synth.timelines.timeline import SourceTimeline, draw_timeline

SNR_DB = (0.0, 40.0)
NOISE_SLOPES = (0.0, 0.5, 1.0, 1.5, 2.0)
CODECS_KBPS = (32, 48, 64, 96, 128, 192)
BABBLE_SHARE = 0.1
SPEEDS = 0.18
"""Sounds are played up to a fifth faster or slower: with a thousand recordings to learn from, each must be many."""
STILLEST_DB = (-75.0, -45.0)
"""Noise of scenes in which nobody sounds."""


@dataclass(frozen=True)
class SceneIngredients:
    """What random scenes are made of.

    `evenness` goes from 0 (classes as often as in real recordings) to 1 (all equally often). Of the scenes,
    `measured_share` stand in measured rooms. Cut-outs and backgrounds make pictures.
    """

    bank: SoundBank
    statistics: SceneStatistics
    evenness: float = 0.0
    responses: ResponseSet | None = None
    measured_share: float = 1.0
    cutouts: CutoutSet | None = None
    backgrounds: BackgroundSet | None = None
    frames: int = SCENE_FRAMES


def draw_scene(stage: SceneIngredients, rng: np.random.Generator) -> ScenePlan:
    """Draw a random plan. Raises MediaError where no sound of a class can be read."""
    parts = draw_timeline(stage.statistics, stage.bank.present, rng, stage.frames, stage.evenness)
    room: Room | MeasuredRoom | None
    room, paths = _places(stage, parts, rng)
    sources = tuple(_source(part, path, stage.bank, rng) for part, path in zip(parts, paths, strict=True))
    ambience, wear = _ambience(sources, stage.bank, rng), _wear(rng)
    view = None
    if stage.cutouts is not None and stage.backgrounds is not None:
        # Last, so that the same seed sounds alike with and without pictures, but for heights.
        room, sources, view = draw_view(sources, room, stage.cutouts, stage.backgrounds, rng, stage.frames * FRAME_S)
    return ScenePlan(sources, room, ambience, wear, view, stage.frames)


def _places(
    stage: SceneIngredients, parts: Sequence[SourceTimeline], rng: np.random.Generator
) -> tuple[Room | MeasuredRoom, list[SourcePath]]:
    """A room and where its sources are; a scene with more sources than any measured room has places gets a shoebox."""
    responses = stage.responses
    if responses is not None and rng.random() < stage.measured_share and len(parts) <= responses.largest_room:
        return _draw_measured(responses, parts, rng)
    return draw_places(parts, stage.statistics.distances, rng)


def _draw_measured(
    responses: ResponseSet, parts: Sequence[SourceTimeline], rng: np.random.Generator
) -> tuple[MeasuredRoom, list[SourcePath]]:
    """A measured room turned at random; its sources stand where the measurement had them."""
    keys = responses.draw(rng, len(parts))
    yaw_deg = round(rng.uniform(0.0, 360.0), 1)
    paths = []
    for key in keys:
        response = responses.get_response(key)
        direction = find_direction(response.azimuth_deg + yaw_deg, response.elevation_deg)
        place_m = round_point(direction * response.distance_m)
        paths.append(SourcePath(place_m, place_m, 0.0, 1.0))
    return MeasuredRoom(tuple(keys), yaw_deg), paths


def _source(part: SourceTimeline, path: SourcePath, bank: SoundBank, rng: np.random.Generator) -> ScenePlanSource:
    speed = round(math.exp(rng.uniform(-SPEEDS, SPEEDS)), 3) if rng.random() < 0.6 else 1.0
    semitones = round(rng.uniform(-3.0, 3.0), 2) if rng.random() < 0.3 else 0.0
    key = bank.draw(part.cls, rng)
    takes = [
        take
        for start_s, duration_s in part.stretches
        for take in _takes(key, start_s, duration_s, speed, semitones, bank, rng)
    ]
    return draw_source(part.cls, takes, path, rng)


def _takes(
    key: str,
    start_s: float,
    duration_s: float,
    speed: float,
    semitones: float,
    bank: SoundBank,
    rng: np.random.Generator,
) -> list[SoundTake]:
    """Sounds of one group, one after the other with short pauses, until the time is full."""
    takes: list[SoundTake] = []
    end_s = start_s + duration_s
    while end_s - start_s > 0.2 or not takes:
        sound = bank.read_sound(key, speed, semitones)
        offset_s = _offset_s(sound, end_s - start_s, rng)
        length_s = min(len(sound.samples) / SAMPLE_RATE_HZ - offset_s, end_s - start_s)
        takes.append(SoundTake(key, round(start_s, 4), round(length_s, 4), round(offset_s, 4), speed, semitones))
        start_s += length_s + rng.uniform(0.05, 0.4)
        key = bank.draw_alike(key, rng)
    return takes


def _offset_s(sound: BankSound, duration_s: float, rng: np.random.Generator) -> float:
    """Where in a sound a take begins: it must not be a pause."""
    spare_frames = int((len(sound.samples) / SAMPLE_RATE_HZ - duration_s) / FRAME_S)
    active_frames = np.flatnonzero(sound.active[: max(0, spare_frames) + 1])
    return FRAME_S * int(rng.choice(active_frames)) if len(active_frames) else 0.0


def _ambience(sources: Sequence[ScenePlanSource], bank: SoundBank, rng: np.random.Generator) -> Ambience:
    noise_db = _level_db(sources) - _snr_db(rng) if sources else rng.uniform(*STILLEST_DB)
    slope, start = float(rng.choice(NOISE_SLOPES)), int(rng.integers(TABLE_SAMPLES))
    babble = _draw_voices(bank, rng) if rng.random() < BABBLE_SHARE else ()
    return Ambience(round(noise_db, 2), slope, start, babble, round(noise_db + rng.uniform(-6.0, 3.0), 2))


def _snr_db(rng: np.random.Generator) -> float:
    """Good recordings are more frequent than bad ones."""
    lowest_db, highest_db = SNR_DB
    return float(highest_db - (highest_db - lowest_db) * rng.random() ** 2)


def _level_db(sources: Sequence[ScenePlanSource]) -> float:
    """Level of the direct sound of all sources at the microphone, dB below full scale."""
    distances_m = [math.dist(source.path.start_m, (0.0, 0.0, 0.0)) for source in sources]
    power = [10 ** (source.gain_db / 10) / metres**2 for source, metres in zip(sources, distances_m, strict=True)]
    return 20 * math.log10(REFERENCE_RMS) + 10 * math.log10(sum(power) / len(power))


def _draw_voices(bank: SoundBank, rng: np.random.Generator) -> tuple[SoundTake, ...]:
    """Four to eight voices through the whole scene; without speech in the bank, whatever it has."""
    names = {cls: bank.labels.classes[cls].name for cls in bank.present}
    speech = [cls for cls, name in names.items() if "speech" in name] or list(names)
    voices = []
    for _ in range(int(rng.integers(4, 9))):
        key = bank.draw(int(rng.choice(speech)), rng)
        voices += _takes(key, 0.0, 5.0, 1.0, 0.0, bank, rng)
    return tuple(voices)


def _wear(rng: np.random.Generator) -> RecordingChain:
    clips = rng.random() < 0.05
    mismatched, low_cut, limited, coded, follows, held = rng.random(6) < (0.8, 0.2, 0.3, 0.25, 0.15, 0.15)
    return RecordingChain(
        gain_db=round(rng.uniform(1.0, 10.0) if clips else rng.uniform(-24.0, 0.0), 2),
        highpass_hz=round(draw_log_uniform(rng, 40.0, 300.0), 1) if low_cut else None,
        lowpass_hz=round(draw_log_uniform(rng, 3_500.0, 12_000.0), 1) if limited else None,
        codec_kbps=int(rng.choice(CODECS_KBPS)) if coded else None,
        mismatch_db=round(rng.uniform(-1.0, 1.0), 2) if mismatched else 0.0,
        agc_db=round(rng.uniform(-35.0, -18.0), 1) if follows else None,
        agc_release_s=round(draw_log_uniform(rng, 0.2, 3.0), 2) if follows else 1.0,
        limiter_db=round(rng.uniform(-20.0, -3.0), 1) if held else None,
    )
