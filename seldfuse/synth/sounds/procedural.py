"""Sounds made from a seed: bells, knocks, steps and more, for classes of which nobody has enough recordings.

Each model draws its numbers at random, so that no two seeds sound alike, and puts together what such sounds are made
of: damped modes, filtered noise, and hits in time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import butter, lfilter, sosfilt

from seldfuse.core.grid import SAMPLE_RATE_HZ
from seldfuse.core.labels import LabelSet
from seldfuse.errors import UsageError
from seldfuse.storage.digest import hash_bytes
from seldfuse.synth.sounds.soundbank import BankSound, SoundBank, normalize_sound

PEAK = 0.7
SHORTEST_S, LONGEST_S = 1.0, 5.0
FEW_GROUPS = {False: 12, True: 3}
"""A class with fewer groups is topped up; of the side that is held out, by its share."""

Rng = np.random.Generator
Number = float | int
Wave = Float[np.ndarray, "_"]


@dataclass(frozen=True)
class ModelEntry:
    """A sound of a bank that a model makes from a seed."""

    cls: int
    name: str
    seed: int

    @property
    def source(self) -> str:
        return "procedural"

    @property
    def group(self) -> str:
        return f"procedural/{self.name}/{self.seed}"

    def read(self) -> BankSound:
        return normalize_sound(self.cls, self.group, synthesize(self.name, self.seed))

    def hash_content(self) -> str:
        return hash_bytes(synthesize(self.name, self.seed).tobytes(), "sha256")


def build_procedural_bank(labels: LabelSet, held_out: bool, count: int = 40) -> SoundBank:
    """Build a bank that needs no files: `count` sounds of each class that has a model. Raises UsageError where none
    has.
    """
    return SoundBank(
        labels, _entries(labels, _count_modelled(labels), count, held_out), "held" if held_out else "train"
    )


def add_procedural(bank: SoundBank, count: int, classes: Sequence[int] | None = None) -> SoundBank:
    """Add `count` procedural sounds of each of `classes` to the bank, every one a group of its own.

    By default these are the classes that have a model and fewer than 12 groups (3 on the side that is held out). The
    sides never share a seed. Raises UsageError where a class has no model.
    """
    held_out = bank.side == "held"
    if classes is None:
        classes = [cls for cls in _count_modelled(bank.labels) if len(bank.classes[cls]) < FEW_GROUPS[held_out]]
    return bank.add_entries(_entries(bank.labels, classes, count, held_out))


def _count_modelled(labels: LabelSet) -> list[int]:
    return [cls for cls, name in enumerate(labels.names) if name in MODELS]


def _entries(labels: LabelSet, classes: Sequence[int], count: int, held_out: bool) -> dict[str, ModelEntry]:
    for cls in classes:
        _model(labels.names[cls])
    made = [ModelEntry(cls, labels.names[cls], 2 * seed + held_out) for cls in classes for seed in range(count)]
    return {entry.group: entry for entry in made}


def _model(name: str) -> Callable[[Rng], Wave]:
    if name not in MODELS:
        raise UsageError(f"expected a class that has a model of its sound ({', '.join(MODELS)}), got {name!r}")
    return MODELS[name]


def synthesize(name: str, seed: int) -> Float32[np.ndarray, "sample"]:
    """Synthesize one to five seconds of a sound of the class `name` at 24 kHz, the same for the same seed. Raises
    UsageError.
    """
    samples = _model(name)(np.random.default_rng([*name.encode(), seed]))
    samples = samples[: _count(LONGEST_S)]
    samples = np.pad(samples, (0, max(0, _count(SHORTEST_S) - samples.size)))
    samples = samples * _fade_out(samples.size)
    return np.asarray(samples * (PEAK / np.abs(samples).max()), dtype=np.float32)


# What models are made of


def _count(seconds: Number) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _time_s(seconds: Number) -> Wave:
    return np.asarray(np.arange(_count(seconds)) / SAMPLE_RATE_HZ)


def _modes(
    frequencies_hz: Float[np.ndarray, "mode"],
    decays_s: Float[np.ndarray, "mode"],
    gains: Float[np.ndarray, "mode"],
    seconds: Number,
) -> Wave:
    """Sines that start together and fall by 60 dB in `decays_s`; those that are too high to be heard are left out."""
    audible = frequencies_hz < 0.46 * SAMPLE_RATE_HZ
    poles = (-6.91 / decays_s[audible] + 2j * np.pi * frequencies_hz[audible]) / SAMPLE_RATE_HZ
    # A damped sine is a power, and a power of k·n + j one of k·n times one of j: a single product sums all modes.
    count, block = _count(seconds), 256
    coarse = np.exp(np.arange(0, count, block)[:, None] * poles) * gains[audible]
    waves = coarse @ np.exp(poles[:, None] * np.arange(block))
    return np.asarray(waves.imag.reshape(-1)[:count] * _fade_out(count))


def _fade_out(count: int) -> Wave:
    """Ones that fall to 0 over the last 20 ms, so that nothing ends in a click."""
    return np.asarray(np.minimum(1.0, np.arange(count)[::-1] / _count(0.02)))


def _noise(rng: Rng, seconds: Number, low_hz: Number, high_hz: Number) -> Wave:
    """Noise in a band, with a root mean square of 1."""
    noise = sosfilt(_band(low_hz, min(high_hz, 0.48 * SAMPLE_RATE_HZ)), rng.standard_normal(_count(seconds)))
    return np.asarray(noise / np.std(noise))


@lru_cache(maxsize=64)
def _band(low_hz: Number, high_hz: Number) -> Float[np.ndarray, "section 6"]:
    return np.asarray(butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos"))


def _burst(rng: Rng, decay_s: Number, low_hz: Number, high_hz: Number) -> Wave:
    """Noise in a band that falls by 60 dB in `decay_s`."""
    return _noise(rng, decay_s, low_hz, high_hz) * np.exp(-6.91 * _time_s(decay_s) / decay_s)


def _place_at(pieces: Iterable[tuple[float, Wave]], seconds: Number) -> Wave:
    """Pieces laid over each other, each from its start in seconds on; what reaches beyond the end is cut off."""
    track = np.zeros(_count(seconds))
    for start_s, piece in pieces:
        start = _count(start_s)
        track[start : start + piece.size] += piece[: max(0, track.size - start)]
    return track


def _beats(rng: Rng, count: int, interval_s: Number, unevenness: Number) -> Float[np.ndarray, "beat"]:
    """Times of hits by a hand or foot: intervals that differ by a share, the first at 0."""
    steps = interval_s * np.maximum(0.5, 1 + unevenness * rng.standard_normal(count - 1))
    return np.concatenate([[0.0], np.cumsum(steps)])


def _wandering(rng: Rng, seconds: Number, knots_per_s: Number, low: Number, high: Number) -> Wave:
    """A smooth random curve between two bounds."""
    knots = rng.uniform(low, high, max(2, round(seconds * knots_per_s) + 1))
    return np.asarray(np.interp(np.linspace(0, knots.size - 1, _count(seconds)), np.arange(knots.size), knots))


def _log_uniform(rng: Rng, low: Number, high: Number, count: int) -> Float[np.ndarray, "{count}"]:
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), count)))


def _one(rng: Rng, low: Number, high: Number) -> float:
    """A number, as likely in one octave as in another."""
    return float(_log_uniform(rng, low, high, 1)[0])


def _pick_either(rng: Rng, *models: Callable[[Rng], Wave]) -> Wave:
    return models[rng.integers(len(models))](rng)


# Bells

CHURCH_RATIOS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.3])
"""Hum, prime, minor third, fifth, octave and above of a tuned church bell."""
BAR_RATIOS = np.array([1.0, 2.76, 5.40, 8.93])
"""Modes of a free bar, which are those of chimes and xylophones."""


def bell(rng: Rng) -> Wave:
    return _pick_either(rng, _church_bell, _hand_bell, _chime, _bicycle_bell)


def _church_bell(rng: Rng) -> Wave:
    ring = _ring(rng, CHURCH_RATIOS, _one(rng, 180, 700), rng.uniform(2.5, 6.0), 3.5)
    return _struck(rng, ring, int(rng.integers(1, 4)), rng.uniform(0.9, 1.6))


def _hand_bell(rng: Rng) -> Wave:
    ratios = np.sort(np.concatenate([[1.0], rng.uniform(1.8, 9.0, rng.integers(4, 8))]))
    ring = _ring(rng, ratios, _one(rng, 500, 2000), rng.uniform(0.8, 3.0), 2.5)
    return _struck(rng, ring, int(rng.integers(1, 9)), rng.uniform(0.15, 0.6))


def _chime(rng: Rng) -> Wave:
    scale = 2 ** (rng.choice([0, 2, 4, 7, 9, 12], 5) / 12)
    lowest_hz, decay_s = _one(rng, 400, 1500), rng.uniform(1.0, 3.0)
    rings = [_ring(rng, BAR_RATIOS, lowest_hz * ratio, decay_s, 2.5) for ratio in scale]
    times_s = np.sort(rng.uniform(0, 2.5, rng.integers(2, 9)))
    return _place_at(((time_s - times_s[0], rings[rng.integers(5)] * rng.uniform(0.3, 1.0)) for time_s in times_s), 5.0)


def _bicycle_bell(rng: Rng) -> Wave:
    ratios = np.sort(np.concatenate([[1.0], rng.uniform(1.5, 4.0, 5)]))
    ring = _ring(rng, ratios, _one(rng, 1500, 3500), rng.uniform(0.5, 1.5), 1.5)
    trill_s, strikes = 1 / rng.uniform(10, 28), int(rng.integers(2, 12))
    again_s = 0.3 + trill_s * strikes + rng.uniform(0.0, 0.6)
    once = _struck(rng, ring, strikes, trill_s)
    return _place_at([(again_s * turn, once) for turn in range(rng.integers(1, 4))], 4.0)


def _ring(
    rng: Rng, ratios: Float[np.ndarray, "mode"], fundamental_hz: Number, decay_s: Number, seconds: Number
) -> Wave:
    """One stroke. Every mode is a pair that beats, since no bell is quite round; high ones die first."""
    frequencies_hz = fundamental_hz * ratios * (1 + 0.004 * rng.standard_normal(ratios.size))
    split_hz = rng.uniform(0.2, 3.0, ratios.size)
    decays_s = decay_s * (ratios / ratios[0]) ** -rng.uniform(0.5, 1.0)
    gains = rng.uniform(0.2, 1.0, ratios.size) * ratios ** -rng.uniform(0.0, 0.8)
    pairs = [np.concatenate(two) for two in ((frequencies_hz, frequencies_hz + split_hz), (decays_s, decays_s))]
    return _modes(pairs[0], pairs[1], np.concatenate([gains, gains * rng.uniform(0.1, 0.6)]), seconds)


def _struck(rng: Rng, ring: Wave, strikes: int, interval_s: Number) -> Wave:
    times_s = _beats(rng, strikes, interval_s, 0.06)
    seconds = times_s[-1] + ring.size / SAMPLE_RATE_HZ
    return _place_at(((time_s, ring * rng.uniform(0.6, 1.0)) for time_s in times_s), seconds)


# Telephones


def telephone(rng: Rng) -> Wave:
    return _pick_either(rng, _ringing_gongs, _warble, _melody, _buzzing)


def _apply_cadence(rng: Rng, on: Callable[[float], Wave]) -> Wave:
    """A ring, silence, a ring: once or twice, as telephones do."""
    on_s, off_s, seconds = rng.uniform(0.4, 2.0), rng.uniform(0.2, 2.0), rng.uniform(1.5, LONGEST_S)
    ring = on(on_s)
    starts_s = np.arange(0, seconds, on_s + off_s)
    return _place_at([(start_s, ring) for start_s in starts_s], seconds)


def _ringing_gongs(rng: Rng) -> Wave:
    """A clapper that beats two gongs in turn."""
    ratios = np.array([1.0, 1.6, 2.3, 3.1, 4.2])
    low_hz = _one(rng, 700, 1600)
    gongs = [_ring(rng, ratios, low_hz * ratio, 0.6, 0.7) for ratio in (1.0, rng.uniform(1.1, 1.3))]
    beat_s = 1 / rng.uniform(18, 28)

    def ring(seconds: Number) -> Wave:
        starts_s = np.arange(0, seconds, beat_s)
        return _place_at(((start_s, gongs[turn % 2]) for turn, start_s in enumerate(starts_s)), seconds + 0.5)

    return _apply_cadence(rng, ring)


def _warble(rng: Rng) -> Wave:
    """Two tones in quick turn, rich in overtones, from a small loudspeaker."""
    low_hz, ratio, rate_hz = _one(rng, 400, 2800), rng.uniform(1.1, 1.4), rng.uniform(6, 25)
    drive = rng.uniform(1, 8)

    def ring(seconds: Number) -> Wave:
        high = (_time_s(seconds) * rate_hz) % 1 > 0.5
        phase = 2 * np.pi * np.cumsum(low_hz * np.where(high, ratio, 1.0)) / SAMPLE_RATE_HZ
        return np.asarray(np.tanh(drive * np.sin(phase)))

    return _apply_cadence(rng, ring)


def _melody(rng: Rng) -> Wave:
    """A ringtone: a few notes of a scale, again and again."""
    notes = _one(rng, 500, 1000) * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12], rng.integers(3, 9)) / 12)
    note_s, depth, ratio = rng.uniform(0.08, 0.3), rng.uniform(0.0, 3.0), float(rng.integers(1, 5))
    seconds, decay_s = rng.uniform(1.5, LONGEST_S), rng.uniform(0.2, 1.0)

    def note(frequency_hz: Number) -> Wave:
        time_s = _time_s(decay_s)
        fall = np.exp(-6.91 * time_s / decay_s)
        modulation = depth * fall * np.sin(2 * np.pi * ratio * frequency_hz * time_s)
        return np.asarray(fall * np.sin(2 * np.pi * frequency_hz * time_s + modulation))

    played = [note(frequency_hz) for frequency_hz in notes]
    starts_s = np.arange(0, seconds, note_s)
    return _place_at(((start_s, played[turn % len(played)]) for turn, start_s in enumerate(starts_s)), seconds)


def _buzzing(rng: Rng) -> Wave:
    """A vibrating telephone, which rattles on a table."""
    rate_hz, rattle = rng.uniform(130, 210), rng.uniform(0.1, 0.8)

    def ring(seconds: Number) -> Wave:
        phase = 2 * np.pi * rate_hz * np.cumsum(_wandering(rng, seconds, 10, 0.98, 1.02)) / SAMPLE_RATE_HZ
        touches = np.maximum(0, np.sin(phase)) ** 8
        return np.asarray(np.sin(phase) + 0.4 * np.sin(3 * phase) + rattle * touches * _noise(rng, seconds, 400, 6000))

    return _apply_cadence(rng, ring)


# Hits: knocks, claps, steps, doors


def knock(rng: Rng) -> Wave:
    """Two to five knocks on wood."""
    count = int(rng.integers(2, 6))
    wood_hz = _log_uniform(rng, 90, 1600, 8)
    decays_s = rng.uniform(0.04, 0.16) * (wood_hz / 200) ** -0.4
    gains = rng.uniform(0.2, 1.0, 8) * (wood_hz / 200) ** -rng.uniform(0.3, 1.0)
    click, hardness = (800, _one(rng, 2500, 8000)), rng.uniform(0.1, 0.8)

    def hit() -> Wave:
        ring = _modes(wood_hz, decays_s, gains * rng.uniform(0.7, 1.3, 8), 0.2)
        return rng.uniform(0.6, 1.0) * (ring + hardness * _place_at([(0.0, _burst(rng, 0.015, *click))], 0.2))

    times_s = _beats(rng, count, rng.uniform(0.13, 0.35), 0.07)
    return _place_at(((time_s, hit()) for time_s in times_s), times_s[-1] + 0.25)


def clapping(rng: Rng) -> Wave:
    """One to eight people clap their hands, each with hands and a beat of their own."""
    seconds, people = rng.uniform(1.0, LONGEST_S), int(rng.choice([1, 1, 1, 2, 3, 5, 8]))
    return np.asarray(sum(rng.uniform(0.4, 1.0) * _clapper(rng, seconds) for _ in range(people)))


def _clapper(rng: Rng, seconds: Number) -> Wave:
    """The hollow between the hands rings low; flat hands give the noise above it."""
    hollow_hz, width, decay_s = _one(rng, 500, 1800), rng.uniform(1.3, 3.0), rng.uniform(0.02, 0.08)
    interval_s, brightness = 1 / rng.uniform(1.8, 5.0), rng.uniform(0.1, 0.6)

    def clap() -> Wave:
        body = _burst(rng, decay_s, hollow_hz / width, hollow_hz * width)
        crack = _place_at([(0.0, _burst(rng, 0.012, 2000, 9000))], decay_s)
        return rng.uniform(0.6, 1.0) * (body + brightness * crack)

    times_s = _beats(rng, int(seconds / interval_s) + 1, interval_s, 0.05) + rng.uniform(0, interval_s)
    return _place_at(((time_s, clap()) for time_s in times_s), seconds)


def footsteps(rng: Rng) -> Wave:
    """Heel and toe, left and right, on a floor: wood, stone, gravel or carpet."""
    floor = (_wooden_step, _stone_step, _gravel_step, _carpet_step)[rng.integers(4)](rng)
    interval_s, roll_s, toe = 1 / rng.uniform(1.4, 2.6), rng.uniform(0.05, 0.14), rng.uniform(0.2, 0.7)
    limp, seconds = 1 + 0.1 * rng.standard_normal(2), rng.uniform(2.0, LONGEST_S)
    times_s = _beats(rng, int(seconds / interval_s) + 1, interval_s, 0.03)
    heels = [(time_s, limp[turn % 2] * rng.uniform(0.7, 1.0) * floor()) for turn, time_s in enumerate(times_s)]
    toes = [(time_s + roll_s, toe * limp[turn % 2] * floor()) for turn, time_s in enumerate(times_s)]
    return _place_at(heels + toes, seconds)


def _wooden_step(rng: Rng) -> Callable[[], Wave]:
    boards_hz = _log_uniform(rng, 60, 500, 6)
    decays_s = rng.uniform(0.08, 0.2, 6)
    tap_hz = _one(rng, 2000, 5000)

    def step() -> Wave:
        thump = _modes(boards_hz, decays_s, rng.uniform(0.2, 1.0, 6), 0.2)
        return _place_at([(0.0, thump), (0.0, 0.5 * _burst(rng, 0.03, 300, tap_hz))], 0.2)

    return step


def _stone_step(rng: Rng) -> Callable[[], Wave]:
    heel_hz, decay_s, thump = _one(rng, 1200, 4000), rng.uniform(0.015, 0.05), rng.uniform(0.1, 0.6)
    return lambda: _place_at(
        [(0.0, _burst(rng, decay_s, heel_hz / 2, heel_hz * 2)), (0.0, thump * _burst(rng, 0.06, 60, 250))], 0.1
    )


def _gravel_step(rng: Rng) -> Callable[[], Wave]:
    grains, low_hz = int(rng.integers(15, 60)), _one(rng, 800, 2500)

    def step() -> Wave:
        times_s = rng.beta(1.5, 3.0, grains) * 0.2
        return _place_at(((time_s, rng.exponential() * _burst(rng, 0.008, low_hz, 9000)) for time_s in times_s), 0.22)

    return step


def _carpet_step(rng: Rng) -> Callable[[], Wave]:
    high_hz, rustle = _one(rng, 200, 600), rng.uniform(0.02, 0.2)
    return lambda: _place_at(
        [(0.0, _burst(rng, 0.12, 40, high_hz)), (0.0, rustle * _burst(rng, 0.15, 1500, 8000))], 0.15
    )


def door(rng: Rng) -> Wave:
    """A door opens (latch, creak), closes (creak, slam, latch), or just slams."""
    creak = 0.5 * _creak(rng, rng.uniform(0.5, 2.0))
    creak_s = creak.size / SAMPLE_RATE_HZ
    latch, slam = rng.uniform(0.3, 0.8) * _latch(rng), _slam(rng)
    opened = [(0.0, latch), (rng.uniform(0.1, 0.4), creak)]
    closed = [(0.0, creak), (creak_s, slam), (creak_s + rng.uniform(0.0, 0.03), latch)]
    slammed = [(0.0, latch), (0.25, slam), (0.25 + rng.uniform(0.0, 0.05), latch)]
    pieces = (opened, closed, slammed, opened + [(creak_s + 0.6 + start_s, piece) for start_s, piece in slammed])
    return _place_at(pieces[rng.integers(len(pieces))], creak_s + 1.8)


def _creak(rng: Rng, seconds: Number) -> Wave:
    """Stick and slip: pulses at a rate that wanders with the door's speed, through the modes of its wood."""
    rate_hz = _wandering(rng, seconds, 4, 0.5, 1.5) * _one(rng, 20, 180)
    turns = np.cumsum(rate_hz * _wandering(rng, seconds, 60, 0.8, 1.2)) / SAMPLE_RATE_HZ
    slips = np.diff(np.floor(turns), prepend=0.0) * rng.uniform(0.4, 1.0, turns.size)
    pulses = slips * _wandering(rng, seconds, 5, 0.1, 1.0)
    ringing = sum(
        rng.uniform(0.2, 1.0) * _resonate(pulses, mode_hz, mode_hz / rng.uniform(15, 60))
        for mode_hz in _log_uniform(rng, 250, 4500, 7)
    )
    return np.asarray(ringing / np.abs(ringing).max())


def _resonate(samples: Wave, frequency_hz: Number, width_hz: Number) -> Wave:
    """Samples through one resonance, which rings with a peak of about 1 at each pulse."""
    radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
    angle = 2 * np.pi * frequency_hz / SAMPLE_RATE_HZ
    return np.asarray(lfilter([np.sin(angle)], [1.0, -2 * radius * np.cos(angle), radius**2], samples))


def _slam(rng: Rng) -> Wave:
    boom = _modes(_log_uniform(rng, 45, 350, 7), rng.uniform(0.15, 0.6, 7), rng.uniform(0.2, 1.0, 7), 0.6)
    return _place_at([(0.0, boom), (0.0, rng.uniform(0.3, 1.0) * _burst(rng, rng.uniform(0.05, 0.25), 100, 4000))], 0.6)


def _latch(rng: Rng) -> Wave:
    """Two clicks of metal."""
    metal_hz, decays_s = _log_uniform(rng, 1200, 7000, 6), rng.uniform(0.01, 0.05, 6)
    clicks = [_modes(metal_hz, decays_s, rng.uniform(0.2, 1.0, 6), 0.06) for _ in range(2)]
    return _place_at([(0.0, clicks[0]), (rng.uniform(0.03, 0.12), rng.uniform(0.3, 1.0) * clicks[1])], 0.2)


# Water and machines


def water_tap(rng: Rng) -> Wave:
    """A jet that hisses, and bubbles in the basin."""
    seconds, low_hz = rng.uniform(2.0, LONGEST_S), _one(rng, 400, 5000)
    jet = _noise(rng, seconds, low_hz, low_hz * rng.uniform(3, 8)) * _wandering(rng, seconds, 8, 0.7, 1.0)
    basin = _bubbles(rng, seconds, _one(rng, 50, 3000), 400, 6000)
    opening = np.minimum(1.0, _time_s(seconds) / rng.uniform(0.02, 0.4))
    return np.asarray(opening * (jet + rng.uniform(0.1, 1.5) * basin))


def _bubbles(rng: Rng, seconds: Number, per_s: Number, low_hz: Number, high_hz: Number) -> Wave:
    """Bubbles of twelve sizes, each size a resonance that is hit at random times; root mean square 1."""
    hits, count = np.zeros((12, _count(seconds))), 1 + rng.poisson(per_s * seconds)
    hits[rng.integers(12, size=count), rng.integers(hits.shape[1], size=count)] = rng.exponential(1.0, count)
    sizes_hz = _log_uniform(rng, low_hz, high_hz, 12)
    bubbles = sum(_resonate(row, size_hz, size_hz / 12) for row, size_hz in zip(hits, sizes_hz, strict=True))
    return np.asarray(bubbles / np.std(bubbles))


def domestic_sounds(rng: Rng) -> Wave:
    return _pick_either(rng, _vacuum_cleaner, _fan, _kettle, _frying, _dishes)


def _vacuum_cleaner(rng: Rng) -> Wave:
    """A motor that whines as it runs up, and rushing air."""
    seconds, rise_s = rng.uniform(2.0, LONGEST_S), rng.uniform(0.05, 1.0)
    speed = np.minimum(1.0, 0.3 + 0.7 * _time_s(seconds) / rise_s) * _wandering(rng, seconds, 2, 0.98, 1.0)
    phase = 2 * np.pi * np.cumsum(_one(rng, 180, 600) * speed) / SAMPLE_RATE_HZ
    whine = sum(rng.uniform(0.1, 1.0) / order * np.sin(order * phase) for order in range(1, 9))
    air = _noise(rng, seconds, _one(rng, 80, 400), _one(rng, 2000, 9000))
    return np.asarray(speed**2 * (rng.uniform(0.2, 1.0) * whine + air))


def _fan(rng: Rng) -> Wave:
    """Blades that pass, a hum of the mains, air."""
    seconds, blades_hz, mains_hz = rng.uniform(2.0, LONGEST_S), _one(rng, 15, 120), float(rng.choice([50, 60]))
    time_s = _time_s(seconds)
    air = _noise(rng, seconds, 60, _one(rng, 600, 4000)) * (
        1 + rng.uniform(0.1, 0.7) * np.sin(2 * np.pi * blades_hz * time_s)
    )
    hum = sum(rng.uniform(0.0, 0.6) / order * np.sin(2 * np.pi * 2 * order * mains_hz * time_s) for order in (1, 2, 3))
    return np.asarray(air + hum)


def _kettle(rng: Rng) -> Wave:
    """Water that comes to the boil."""
    seconds = rng.uniform(2.0, LONGEST_S)
    rumble = _noise(rng, seconds, _one(rng, 100, 300), _one(rng, 800, 3000)) * _wandering(rng, seconds, 10, 0.5, 1.0)
    swell = np.linspace(rng.uniform(0.2, 1.0), 1.0, rumble.size)
    bubbles = _bubbles(rng, seconds, _one(rng, 30, 300), 150, 1200)
    return np.asarray(swell * (rumble + rng.uniform(0.3, 2.0) * bubbles))


def _frying(rng: Rng) -> Wave:
    """Fat that hisses and crackles."""
    seconds = rng.uniform(2.0, LONGEST_S)
    hiss = _noise(rng, seconds, _one(rng, 1500, 4000), 11_000) * _wandering(rng, seconds, 6, 0.5, 1.0)
    crackle = _bubbles(rng, seconds, _one(rng, 20, 200), 1500, 8000)
    return np.asarray(hiss + rng.uniform(0.3, 1.5) * crackle)


def _dishes(rng: Rng) -> Wave:
    """Plates, glasses and forks that touch."""
    seconds, dishes = rng.uniform(1.5, LONGEST_S), [_dish(rng) for _ in range(4)]
    times_s = np.sort(rng.uniform(0.0, seconds - 0.3, rng.integers(4, 20)))
    clinks = [(time_s, rng.uniform(0.2, 1.0) * dishes[rng.integers(4)]) for time_s in times_s]
    return _place_at(clinks, seconds)


def _dish(rng: Rng) -> Wave:
    ringing_hz = _log_uniform(rng, 900, 9000, 8)
    decay_s = _one(rng, 0.04, 0.6)
    ring = _modes(ringing_hz, decay_s * (ringing_hz / 1000) ** -0.6, rng.uniform(0.1, 1.0, 8), decay_s)
    return _place_at([(0.0, ring), (0.0, 0.5 * _burst(rng, 0.01, 1500, 10_000))], max(decay_s, 0.05))


# Instruments and music

SCALES = (np.array([0, 2, 4, 5, 7, 9, 11, 12]), np.array([0, 2, 3, 5, 7, 8, 10, 12]), np.array([0, 3, 5, 7, 10, 12]))


def musical_instrument(rng: Rng) -> Wave:
    """A phrase of one instrument: strings that are plucked, bars that are struck, or pipes."""
    voice = cache((_pluck, _strike_bar, _blow_pipe)[rng.integers(3)](rng))
    scale, root_hz, note_s = SCALES[rng.integers(len(SCALES))], _one(rng, 110, 440), _one(rng, 0.15, 0.8)
    seconds = rng.uniform(2.0, LONGEST_S)
    starts_s = np.cumsum(note_s * rng.choice([0.0, 0.5, 1.0, 1.0, 2.0], round(seconds / note_s) + 1))
    starts_s = starts_s[starts_s < seconds] - starts_s[0]
    notes_hz = root_hz * 2 ** (rng.choice(scale, starts_s.size) / 12)
    return _place_at(((start_s, voice(note_hz)) for start_s, note_hz in zip(starts_s, notes_hz, strict=True)), seconds)


def _pluck(rng: Rng) -> Callable[[float], Wave]:
    """Overtones die the faster the higher they are; where the string is plucked, some are missing."""
    order = np.arange(1, 25)
    gains = np.abs(np.sin(np.pi * order * rng.uniform(0.08, 0.4))) / order ** rng.uniform(0.8, 1.8)
    decays_s = _one(rng, 0.8, 4.0) / order ** rng.uniform(0.5, 1.0)
    stiff = order * np.sqrt(1 + rng.uniform(0, 5e-4) * order**2)
    return lambda note_hz: _modes(note_hz * stiff, decays_s, gains, 1.5)


def _strike_bar(rng: Rng) -> Callable[[float], Wave]:
    ratios = np.array([1.0, rng.choice([2.76, 3.0, 4.0]), rng.uniform(5.4, 10.0)])
    decays_s, gains = _one(rng, 0.3, 2.0) / ratios, np.array([1.0, *rng.uniform(0.05, 0.5, 2)])
    return lambda note_hz: 2 * _modes(2 * note_hz * ratios, decays_s, gains, 1.0)


def _blow_pipe(rng: Rng) -> Callable[[float], Wave]:
    """Organ, flute, reed: steady overtones, some breath, a vibrato."""
    gains = rng.uniform(0.0, 1.0, 10) / np.arange(1, 11) ** rng.uniform(0.5, 2.0)
    gains[0], depth, held_s, breath = 1.0, rng.uniform(0, 0.008), rng.uniform(0.3, 1.2), rng.uniform(0.0, 0.1)

    def note(note_hz: float) -> Wave:
        time_s = _time_s(held_s)
        phase = 2 * np.pi * note_hz * np.cumsum(1 + depth * np.sin(2 * np.pi * 5.5 * time_s)) / SAMPLE_RATE_HZ
        tone = sum(gain * np.sin(order * phase) for order, gain in enumerate(gains, 1))
        swell = np.minimum(1.0, np.minimum(time_s / 0.04, (held_s - time_s) / 0.08))
        return np.asarray(swell * (tone + breath * _noise(rng, held_s, note_hz, 8 * note_hz)))

    return note


def music(rng: Rng) -> Wave:
    """Four chords with a bass and drums, as from a loudspeaker."""
    voice, bass = (cache((_pluck, _blow_pipe)[rng.integers(2)](rng)) for _ in range(2))
    beat_s, root_hz = 60 / rng.uniform(75, 150), _one(rng, 165, 330)
    degrees = [(0, 5, 7, 5), (0, 9, 5, 7), (9, 5, 0, 7), (0, 7, 9, 5)][rng.integers(4)]
    chords = [root_hz * 2 ** ((degree + np.array([0, 3 if degree == 9 else 4, 7])) / 12) for degree in degrees]
    pieces: list[tuple[float, Wave]] = []
    for beat in range(int(LONGEST_S / beat_s)):
        chord = chords[beat // 2 % 4]
        pieces += [(beat * beat_s, 0.4 * voice(float(note_hz))) for note_hz in chord]
        pieces += [(beat * beat_s, 0.8 * bass(float(chord[0]) / 2))]
    return _place_at(pieces + _drums(rng, beat_s), LONGEST_S)


def _drums(rng: Rng, beat_s: float) -> list[tuple[float, Wave]]:
    kick = _modes(np.array([_one(rng, 50, 90)]), np.array([0.3]), np.array([2.0]), 0.3)
    snare, hat = 0.7 * _burst(rng, 0.15, 200, 7000), 0.3 * _burst(rng, 0.05, 6000, 11_000)
    level, beats = rng.uniform(0.0, 1.0), range(int(LONGEST_S / beat_s))
    hits = [(beat * beat_s, level * (kick, snare)[beat % 2]) for beat in beats]
    return hits + [((half / 2) * beat_s, level * hat) for half in range(2 * len(beats))]


MODELS: dict[str, Callable[[Rng], Wave]] = {
    "clapping": clapping,
    "telephone": telephone,
    "domestic_sounds": domestic_sounds,
    "footsteps": footsteps,
    "door": door,
    "music": music,
    "musical_instrument": musical_instrument,
    "water_tap": water_tap,
    "bell": bell,
    "knock": knock,
}
"""What can be made, by the names of the DCASE classes."""
