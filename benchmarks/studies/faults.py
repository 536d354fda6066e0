"""Faults made on purpose in data sets, and how often `seldfuse check` finds them by name.

Clean sets are made elsewhere: rendered in our own rooms or in pyroomacoustics', or panned by the sine law for tests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64

from seldfuse.checks.ambisonics import check_ambisonics
from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import AZIMUTH, CLASS, DISTANCE, FRAME, ONSCREEN, CheckedClip, measure_sound
from seldfuse.checks.run import check_clips
from seldfuse.core.detections import PERSON, UNTRACKED, Detections
from seldfuse.core.geometry import fold_azimuth
from seldfuse.core.grid import SAMPLES_PER_FRAME
from seldfuse.core.labels import DCASE2025
from seldfuse.vision.recorded_units import describe_wrong_units

FRAMES = 50
STRENGTHS = (0, 1, 2)
"""From weak to strong."""


@dataclass(frozen=True)
class RawClip:
    """A clip before it is measured: samples `(channel, sample)` at 24 kHz, and label rows as checks have them."""

    name: str
    samples: Float[np.ndarray, "channel sample"]
    rows: Float64[np.ndarray, "row 6"]
    part: str = "train"


RawSet = list[RawClip]
Change = Callable[[RawSet, int, np.random.Generator], RawSet]


@dataclass(frozen=True)
class Fault:
    """A way to spoil a set, and the reasons by any of which `check` may find it."""

    name: str
    change: Change
    reasons: tuple[str, ...]


def find_reasons(clips: RawSet) -> tuple[Finding, ...]:
    """Measure clips and check them as `seldfuse check` does."""
    checked = [CheckedClip(one.name, one.rows, measure_sound([one.samples]), one.part) for one in clips]
    return check_clips(checked, DCASE2025, np.ones(len(DCASE2025), dtype=bool)).findings


# --- changes ---------------------------------------------------------------------------------------------------------

SHARES = (0.6, 0.8, 1.0)
"""The share of the clips that a fault of a set is in, by strength."""


def _of_share(change: Callable[[RawClip, int, np.random.Generator], RawClip]) -> Change:
    """Change so many of the clips, the first ones."""

    def changed(clips: RawSet, strength: int, rng: np.random.Generator) -> RawSet:
        count = round(SHARES[strength] * len(clips))
        return [change(clip, strength, rng) if n < count else clip for n, clip in enumerate(clips)]

    return changed


def _column(column: int, function: Callable[[np.ndarray, int], np.ndarray]) -> Callable[..., RawClip]:
    def changed(clip: RawClip, strength: int, _rng: np.random.Generator) -> RawClip:
        rows = clip.rows.copy()
        rows[:, column] = function(rows[:, column], strength)
        return replace(clip, rows=rows)

    return changed


def _sound(function: Callable[[np.ndarray, int], np.ndarray]) -> Callable[..., RawClip]:
    return lambda clip, strength, _rng: replace(clip, samples=function(clip.samples, strength))


def _all(change: Callable[..., RawClip]) -> Change:
    return lambda clips, strength, rng: [change(clip, strength, rng) for clip in clips]


def _shuffle_labels(clips: RawSet, strength: int, _rng: np.random.Generator) -> RawSet:
    count = round(SHARES[strength] * len(clips))
    rows = [clip.rows for clip in clips]
    return [replace(clip, rows=rows[(n + 1) % count]) if n < count else clip for n, clip in enumerate(clips)]


def _lengthen(clip: RawClip, strength: int, rng: np.random.Generator) -> RawClip:
    more = clip.rows[rng.random(len(clip.rows)) < (0.1, 0.3, 0.5)[strength]].copy()
    more[:, FRAME] = len(clip.samples[0]) // SAMPLES_PER_FRAME + 1 + np.arange(len(more)) % 20
    return replace(clip, rows=np.concatenate([clip.rows, more]))


def _copy_some(part: str) -> Change:
    def changed(clips: RawSet, strength: int, _rng: np.random.Generator) -> RawSet:
        gains = (0.7, 0.9, 1.0)[strength]
        count = max(1, len(clips) // 4)
        copies = [replace(clip, name=f"{clip.name}-again", samples=clip.samples * gains, part=part) for clip in clips]
        return [*clips, *copies[:count]]

    return changed


def _share_recordings(clips: RawSet, strength: int, _rng: np.random.Generator) -> RawSet:
    count = (1, 2, 4)[strength]
    named = [replace(clip, name=f"fold1_room1_mix{n:03}_deg010_start0000") for n, clip in enumerate(clips)]
    others = [
        replace(clip, name=f"fold1_room1_mix{n:03}_deg090_start0100", part="validate", samples=clip.samples[:, ::-1])
        for n, clip in enumerate(clips[:count])
    ]
    return [*named, *others]


def _keep_classes(clips: RawSet, strength: int, _rng: np.random.Generator) -> RawSet:
    return [replace(clip, rows=clip.rows[clip.rows[:, CLASS] != 12 - strength]) for clip in clips]


def _make_rare(clips: RawSet, _strength: int, _rng: np.random.Generator) -> RawSet:
    """One class keeps a single frame of all."""
    cls = int(np.bincount(np.concatenate([clip.rows[:, CLASS] for clip in clips]).astype(int)).argmax())
    kept, changed = False, []
    for clip in clips:
        rows = clip.rows[clip.rows[:, CLASS] != cls]
        if not kept and (clip.rows[:, CLASS] == cls).any():
            rows, kept = np.concatenate([rows, clip.rows[clip.rows[:, CLASS] == cls][:1]]), True
        changed.append(replace(clip, rows=rows))
    return changed


def _gain(samples: np.ndarray, strength: int) -> np.ndarray:
    loudest = np.percentile(np.abs(samples), (97, 95, 90)[strength])
    return np.asarray((samples / max(loudest, 1e-9)).clip(-1, 1))


def _exchange_onscreen(values: np.ndarray, _strength: int) -> np.ndarray:
    return 1 - values


def _set_onscreen(clip: RawClip, _strength: int, _rng: np.random.Generator) -> RawClip:
    rows = clip.rows.copy()
    rows[:, ONSCREEN] = np.abs(rows[:, AZIMUTH]) > 50
    return replace(clip, rows=rows)


FAULTS: Sequence[Fault] = (
    Fault("mirrored azimuths", _of_share(_column(AZIMUTH, lambda v, _: -v)), ("mirrored azimuth", "unrelated azimuth")),
    Fault("channels exchanged", _of_share(_sound(lambda s, _: s[::-1])), ("mirrored azimuth", "unrelated azimuth")),
    Fault(
        "azimuths turned by 30°, 45°, 60°",
        _all(_column(AZIMUTH, lambda v, n: fold_azimuth(v - (30, 45, 60)[n]))),
        ("rotated azimuth", "unrelated azimuth"),
    ),
    Fault("labels of other clips", _shuffle_labels, ("unrelated azimuth", "mirrored azimuth")),
    Fault("azimuths in radians", _of_share(_column(AZIMUTH, lambda v, _: np.radians(v))), ("azimuth in radians",)),
    Fault("dual mono", _of_share(_sound(lambda s, _: np.repeat(s.mean(0, keepdims=True), 2, 0))), ("dual mono",)),
    Fault("a dead channel", _of_share(_sound(lambda s, _: s * [[1.0], [0.0]])), ("dead channel",)),
    Fault("an inverted channel", _of_share(_sound(lambda s, _: s * [[1.0], [-1.0]])), ("inverted channel",)),
    Fault(
        "a channel 10, 14, 20 dB louder",
        _all(_sound(lambda s, n: s * [[1.0], [10 ** (-(10, 14, 20)[n] / 20)]])),
        ("unequal channels", "rotated azimuth"),
    ),
    Fault("distances in metres", _of_share(_column(DISTANCE, lambda v, _: v / 100)), ("distance units",)),
    Fault("distances in feet", _of_share(_column(DISTANCE, lambda v, _: v / 30.48)), ("distance units",)),
    Fault("distances in millimetres", _of_share(_column(DISTANCE, lambda v, _: v * 10)), ("distance units",)),
    Fault("distances 0", _all(_column(DISTANCE, lambda v, _: v * 0)), ("distance 0",)),
    Fault("one distance", _all(_column(DISTANCE, lambda v, n: v * 0 + 1 + n)), ("constant distance",)),
    Fault("on-screen outside the picture", _of_share(_set_onscreen), ("on-screen outside the picture",)),
    Fault("times in ms", _of_share(_column(FRAME, lambda v, _: v * 100)), ("time units",)),
    Fault("frames of 20 ms", _of_share(_column(FRAME, lambda v, _: v * 5)), ("time units",)),
    Fault("frames of 10 ms", _of_share(_column(FRAME, lambda v, _: v * 10)), ("time units",)),
    Fault("times in seconds", _all(_column(FRAME, lambda v, _: v // 10)), ("labels end early",)),
    Fault(
        "labels 0.5, 1, 1.5 s late",
        _all(_column(FRAME, lambda v, n: v + (5, 10, 15)[n])),
        ("shifted labels", "labels beyond the sound"),
    ),
    Fault("labels beyond the sound", _all(_lengthen), ("labels beyond the sound", "time units")),
    Fault("silent clips", _of_share(_sound(lambda s, _: s * 0)), ("silent clips", "labels in silence")),
    Fault("clipped sound", _of_share(_sound(_gain)), ("clipped sound",)),
    Fault("copies", _copy_some("train"), ("copies",)),
    Fault("validation on training sound", _copy_some("validate"), ("validation on training sound",)),
    Fault("shared recordings", _share_recordings, ("shared recordings",)),
    Fault("a class that never sounds", _keep_classes, ("absent class",)),
    Fault("a class that hardly sounds", _make_rare, ("rare class",)),
)
"""Faults of stereo sets; those of boxes and of first-order recordings have their own functions."""


# --- boxes -----------------------------------------------------------------------------------------------------------

WIDTH_PX, HEIGHT_PX, DURATION_S, FPS = 640, 360, 5.0, 29.97

BOX_FAULTS: Mapping[str, tuple[str, Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]]] = {
    "shares": ("boxes as shares", lambda box, t, _: (box / [WIDTH_PX, HEIGHT_PX], t)),
    "corner and size": (
        "boxes as corner and size",
        lambda box, t, _: (np.stack([box[:, 0], box[:, 1] - box[:, 0]], 1), t),
    ),
    "another size of picture": ("boxes outside the picture", lambda box, t, n: (box * (1.5, 2.0, 3.0)[n], t)),
    "percent": ("boxes in percent", lambda box, t, _: (100 * box / [WIDTH_PX, HEIGHT_PX], t)),
    "milliseconds": ("times of boxes", lambda box, t, _: (box, 1000 * t)),
    "numbers of pictures": ("times of boxes", lambda box, t, _: (box, np.round(FPS * t))),
}


def find_box_fault(name: str, strength: int, rng: np.random.Generator) -> bool:
    """Tell whether people that walk through a picture, recorded in other units, are found out."""
    box, times_s = _draw_boxes(rng)
    reason, change = BOX_FAULTS[name]
    found = describe_wrong_units(_record(*change(box, times_s, strength)), WIDTH_PX, HEIGHT_PX, DURATION_S)
    return found is not None and found[0] == reason


def is_clean_box_set(rng: np.random.Generator) -> bool:
    """Tell whether nothing is said against people that are recorded as they should be."""
    return describe_wrong_units(_record(*_draw_boxes(rng)), WIDTH_PX, HEIGHT_PX, DURATION_S) is None


def _draw_boxes(rng: np.random.Generator) -> tuple[Float64[np.ndarray, "row corner xy"], Float64[np.ndarray, "row"]]:
    times_s = np.repeat(np.arange(0, DURATION_S, 0.2), 2)
    wide, high = rng.uniform(30, 200, 2), rng.uniform(80, 300, 2)
    left = np.linspace(rng.uniform(0, 400), rng.uniform(0, 400), len(times_s))
    person = np.arange(len(times_s)) % 2
    corner = np.stack([left + 40 * person, np.full(len(times_s), rng.uniform(0, 50))], axis=1)
    box = np.stack([corner, corner + np.stack([wide[person], high[person]], axis=1)], axis=1)
    return box.clip(0, [WIDTH_PX, HEIGHT_PX]), times_s


def _record(box: np.ndarray, times_s: np.ndarray) -> Detections:
    rows = [
        (float(t), PERSON, 0.9, *map(float, corners.ravel()), UNTRACKED)
        for t, corners in zip(times_s, box, strict=True)
    ]
    return Detections.from_rows(rows)


# --- first-order recordings
# --------------------------------------------------------------------------------------------

DIFFUSE_DB = (-3.0, -10.0, -30.0)
"""The level of a diffuse field beside the sources: a fault is weak where the room is strong."""

_CAPSULES = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])

FOA_FAULTS: Mapping[str, tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]]] = {
    "FuMa": (
        ("Ambisonics convention", "Ambisonics normalisation"),
        lambda s, r: (s[[0, 3, 1, 2]] * _scale(0.5**0.5), r),
    ),
    "FuMa levels": (("Ambisonics normalisation",), lambda s, r: (s * _scale(0.5**0.5), r)),
    "N3D": (("Ambisonics normalisation",), lambda s, r: (s * _scale(3**-0.5) * 3**0.5, r)),
    "capsules": (("Ambisonics convention",), lambda s, r: (_to_capsules(s), r)),
    "mirrored labels": (("mirrored azimuth",), lambda s, r: (s, _turn(r, mirror=True))),
    "labels turned by 60°": (("rotated azimuth",), lambda s, r: (s, _turn(r, 60.0))),
    "labels of another recording": (("unrelated azimuth",), lambda s, r: (s, _turn(r, random=True))),
}


def find_foa_fault(name: str, strength: int, rng: np.random.Generator) -> bool:
    """Tell whether a first-order recording of another kind is found out."""
    reasons, change = FOA_FAULTS[name]
    samples, rows = change(*draw_foa(DIFFUSE_DB[strength], rng))
    return any(one.reason in reasons for one in check_ambisonics(CheckedClip("foa", rows, measure_sound([samples]))))


def is_clean_foa(strength: int, rng: np.random.Generator) -> bool:
    """Tell whether nothing is said against a first-order recording as it should be."""
    samples, rows = draw_foa(DIFFUSE_DB[strength], rng)
    return not check_ambisonics(CheckedClip("foa", rows, measure_sound([samples])))


def draw_foa(
    diffuse_db: float, rng: np.random.Generator, seconds: int = 12
) -> tuple[Float[np.ndarray, "4 sample"], Float64[np.ndarray, "row 6"]]:
    """Draw sources one after the other, around a microphone in a diffuse field: ACN, SN3D, and their labels."""
    pieces, rows = [], []
    count = 10 * SAMPLES_PER_FRAME
    for second in range(seconds):
        azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(-0.4, 0.4)
        sound = rng.normal(size=count) * 0.05
        x, y = np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation)
        plane = np.stack([sound, y * sound, np.sin(elevation) * sound, x * sound])
        field = (
            rng.normal(size=(4, count))
            * 0.05
            * 10 ** (diffuse_db / 20)
            * np.array([[1], [3**-0.5], [3**-0.5], [3**-0.5]])
        )
        pieces.append(plane + field)
        rows += [[10 * second + frame, 1, 0, np.degrees(azimuth), 2.0, np.nan] for frame in range(10)]
    return np.concatenate(pieces, axis=1), np.array(rows)


def _scale(w: float) -> np.ndarray:
    return np.array([[w], [1.0], [1.0], [1.0]])


def _to_capsules(samples: np.ndarray) -> np.ndarray:
    w, y, z, x = samples
    return np.asarray(0.5 * _CAPSULES.T @ np.stack([w, x / 3**0.5, y / 3**0.5, z / 3**0.5]))


def _turn(rows: np.ndarray, angle_deg: float = 0.0, mirror: bool = False, random: bool = False) -> np.ndarray:
    turned = rows.copy()
    turned[:, AZIMUTH] = -turned[:, AZIMUTH] if mirror else turned[:, AZIMUTH] + angle_deg
    if random:
        order = np.random.default_rng(1).permutation(len(rows) // 10)
        turned[:, AZIMUTH] = rows[:, AZIMUTH].reshape(-1, 10)[order].ravel()
    turned[:, AZIMUTH] = (turned[:, AZIMUTH] + 180) % 360 - 180
    return turned


# --- sets ------------------------------------------------------------------------------------------------------------


def draw_panned_set(rng: np.random.Generator, clips: int = 12) -> RawSet:
    """Draw a set without rooms, for tests: two sources in turn in each clip, by the sine law, with a little noise."""
    found = []
    for number in range(clips):
        samples = rng.normal(size=(2, FRAMES * SAMPLES_PER_FRAME)) * 5e-4
        rows = []
        for source, (first, last) in enumerate(((int(rng.integers(3, 10)), 22), (27, int(rng.integers(38, 46))))):
            azimuth, level = rng.uniform(-80, 80), rng.uniform(0.02, 0.1)
            side = np.sin(np.radians(azimuth))
            sound = rng.normal(size=(last - first) * SAMPLES_PER_FRAME) * level
            span = slice(first * SAMPLES_PER_FRAME, last * SAMPLES_PER_FRAME)
            samples[:, span] += np.stack([sound * (1 + side), sound * (1 - side)]) / 2
            cls, distance, seen = (2 * number + source) % 13, rng.uniform(0.7, 4.0), float(abs(azimuth) < 48)
            rows += [[f, cls, 0, round(azimuth), distance, seen] for f in range(first, last)]
        found.append(RawClip(f"clip{number}", samples.astype(np.float32), np.array(rows)))
    return found


@dataclass(frozen=True)
class FaultRates:
    """How often each fault is found, by strength, in how many sets; how many clean sets gave which errors."""

    found: Mapping[str, tuple[float, ...]]
    spoiled: int
    clean: int
    alarms: tuple[str, ...]


def measure_rates(sets: Iterable[RawSet], spoiled: int, seed: int = 1) -> FaultRates:
    """Check clean sets, and make every fault in the first `spoiled` of them, and check these."""
    alarms, clean, hits = list[str](), 0, {fault.name: [list[bool]() for _ in STRENGTHS] for fault in FAULTS}
    for clips in sets:
        alarms += (one.describe() for one in find_reasons(clips) if one.severity == "error")
        clean += 1
        for fault in FAULTS if clean <= spoiled else ():
            for strength in STRENGTHS:
                hits[fault.name][strength].append(_is_found(clips, fault, strength, seed))
    rates = {name: tuple(float(np.mean(some)) for some in by_strength) for name, by_strength in hits.items()}
    for name in BOX_FAULTS:
        rates[f"boxes: {name}"] = tuple(_repeat(find_box_fault, name, n, spoiled, seed) for n in STRENGTHS)
    for name in FOA_FAULTS:
        rates[f"first order: {name}"] = tuple(_repeat(find_foa_fault, name, n, spoiled, seed) for n in STRENGTHS)
    return FaultRates(rates, min(spoiled, clean), clean, tuple(alarms))


def _is_found(clips: RawSet, fault: Fault, strength: int, seed: int) -> bool:
    changed = fault.change(clips, strength, np.random.default_rng(seed))
    return any(one.reason in fault.reasons for one in find_reasons(changed))


def _repeat(
    find: Callable[[str, int, np.random.Generator], bool], name: str, strength: int, times: int, seed: int
) -> float:
    return float(np.mean([find(name, strength, np.random.default_rng([seed, n])) for n in range(times)]))


def make_table(measured: Mapping[str, FaultRates]) -> str:
    """Make a table in Markdown of the rates by kind of room, from weak to strong, and of false alarms."""
    names = list(next(iter(measured.values())).found)
    heads = (f"{kind}, {rates.spoiled} sets" for kind, rates in measured.items())
    lines = [f"| fault | {' | '.join(heads)} |", f"|---|{'---|' * len(measured)}"]
    for name in names:
        cells = (", ".join(f"{rate:.0%}" for rate in rates.found[name]) for rates in measured.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    alarms = (f"{len(rates.alarms)} errors in {rates.clean} clean sets" for rates in measured.values())
    return "\n".join([*lines, f"| nothing | {' | '.join(alarms)} |"])
