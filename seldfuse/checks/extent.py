"""Labels against the time of the sound: other units, another start, beyond the end, where nothing is heard."""

import numpy as np

from seldfuse.checks.findings import Finding, count_clips
from seldfuse.checks.measure import FRAME, CheckedClip
from seldfuse.core.grid import FRAME_S

BEYOND = 0.01
"""So large a share of the labels may be beyond the sound without being an error."""

UNITS = {1000.0: "seconds", 100.0: "ms in place of frames", 10.0: "frames of 10 ms", 5.0: "frames of 20 ms"}
SHIFTS = range(-30, 31)
LEAST_SHIFT = 3
LEAST_GAIN = 0.08
LEAST_FRAMES = 200
SILENT = 0.3


def check_extent(clips: list[CheckedClip]) -> list[Finding]:
    """Find labels in other units of time, beyond the end of the sound, and where nothing is heard."""
    heard = [clip for clip in clips if clip.sound is not None and len(clip.rows)]
    if not heard:
        return []
    return [*_check_end(heard), *_check_silence(heard), *_check_shift(heard)]


def check_silent_clips(clips: list[CheckedClip]) -> list[Finding]:
    """Find clips without any sound, and clips that are clipped."""
    heard = [clip for clip in clips if clip.sound is not None]
    silent = tuple(clip.name for clip in heard if clip.sound is not None and not clip.sound.loud.any())
    clipped = tuple(clip.name for clip in heard if clip.sound is not None and clip.sound.clipped > 0.01)
    found = []
    if silent:
        share = len(silent) / len(heard)
        found.append(
            Finding(
                "silent clips",
                "error" if share > 0.5 else "note",
                f"there is no sound in {count_clips(silent, heard)}",
                "check the export",
                silent,
            )
        )
    if clipped:
        found.append(
            Finding(
                "clipped sound",
                "note",
                f"more than 1 % of the samples are at full scale in {count_clips(clipped, heard)}",
                "record with less gain: what is clipped has lost its level differences",
                clipped,
            )
        )
    return found


def _check_end(clips: list[CheckedClip]) -> list[Finding]:
    ends = np.array([clip.rows[:, FRAME].max() + 1 for clip in clips])
    frames = np.array([clip.sound.frames for clip in clips if clip.sound is not None]).clip(min=1)
    beyond = np.array([(clip.rows[:, FRAME] > n).mean() for clip, n in zip(clips, frames, strict=True)])
    late = tuple(clip.name for clip, share in zip(clips, beyond, strict=True) if share > 0)
    ratio = float(np.percentile(ends / frames, 75))
    if ratio > 1.5:
        unit = min(UNITS, key=lambda one: abs(np.log(ratio / one)))
        return [
            Finding(
                "time units",
                "error",
                f"labels go on {ratio:.0f} times as long as the sound, as if they counted {UNITS[unit]}",
                f"frames are {FRAME_S * 1000:.0f} ms long, counted from 0: divide the frames of the labels",
                late,
            )
        ]
    if late:
        share = float(beyond.mean())
        return [
            Finding(
                "labels beyond the sound",
                "error" if share > 5 * BEYOND else "note",
                f"{share:.1%} of the labels are behind the end of the sound",
                "was the sound cut, or are these the labels of other recordings?",
                late,
            )
        ]
    whole = frames >= 40
    if whole.sum() >= 5 and float(np.percentile((ends / frames)[whole], 90)) < 0.25:
        return [
            Finding(
                "labels end early",
                "error",
                f"nine in ten clips have labels in their first {np.percentile(ends / frames, 90):.0%} only",
                "frames are 100 ms long: are seconds written?",
            )
        ]
    return []


def _check_silence(clips: list[CheckedClip]) -> list[Finding]:
    """Labelled frames in which nothing is heard."""
    empty = total = 0
    for clip in clips:
        assert clip.sound is not None
        frame = np.unique(clip.rows[:, FRAME].astype(np.int64))
        frame = frame[frame < clip.sound.frames]
        total += len(frame)
        empty += int((clip.sound.level_db[frame] <= -75.0).sum())
    share = empty / max(total, 1)
    if share <= SILENT / 3:
        return []
    return [
        Finding(
            "labels in silence",
            "error" if share > SILENT else "note",
            f"{share:.0%} of the labelled frames hold no sound at all",
            "are these the labels of these recordings?",
        )
    ]


def _check_shift(clips: list[CheckedClip]) -> list[Finding]:
    """How well activity goes with level, at shifts of up to 3 s: labels that start late fit better elsewhere."""
    scores = np.zeros(len(SHIFTS))
    used = 0
    for clip in clips:
        assert clip.sound is not None
        frames = clip.sound.frames
        active = np.zeros(frames)
        at = clip.rows[:, FRAME].astype(np.int64)
        active[at[at < frames]] = 1.0
        level = clip.sound.level_db.clip(-75.0)
        if frames < 40 or not 0.1 < active.mean() < 0.9 or level.std() < 1.0:
            continue
        used += frames
        scores += [_correlate(active, level, shift) for shift in SHIFTS]
    if used < LEAST_FRAMES:
        return []
    scores /= used / 50
    best, plain = int(scores.argmax()), scores[len(SHIFTS) // 2]
    shift = SHIFTS[best]
    near = scores[len(SHIFTS) // 2 - 2 : len(SHIFTS) // 2 + 3].max()
    if (
        abs(shift) < LEAST_SHIFT
        or scores[best] - near < LEAST_GAIN
        or scores[best] < 0.2
        or plain > 0.75 * scores[best]
    ):
        return []
    return [
        Finding(
            "shifted labels",
            "error" if plain < 0.4 * scores[best] else "note",
            f"labels fit the sound's level best {abs(shift) * FRAME_S:.1f} s {'later' if shift > 0 else 'earlier'}",
            "labels and sound must start together: is there a delay, or was something cut from the beginning?",
        )
    ]


def _correlate(active: np.ndarray, level: np.ndarray, shift: int) -> float:
    """The correlation of activity moved by `shift` frames with the level, weighted by how long the clip is."""
    first, second = (active[: len(active) - shift], level[shift:]) if shift >= 0 else (active[-shift:], level[:shift])
    if first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1]) * len(active) / 50
