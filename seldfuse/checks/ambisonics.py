"""Which kind of Ambisonics four channels are: order, normalisation, capsules, by energies and by the labels.

Of a plane wave, and of a diffuse field too, the powers of X, Y and Z are together that of W in SN3D; in FuMa, whose W
is 3 dB softer, they are twice, in N3D three times as much. The direction of the intensity tells the order of the
channels.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from seldfuse.checks.findings import Finding
from seldfuse.checks.measure import AZIMUTH, CheckedClip, select_single

WANTED_DEG = 20.0
"""The median difference of labels and sound above which something else is tried."""

LOST_DEG = 60.0
LEAST_FRAMES = 20
LOUDEST = 0.5
"""The share of the frames, the loudest ones, in which the direct sound counts most."""

# W, X, Y, Z of four capsules: front left up, front right down, back left down, back right up.
_CAPSULES = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 4.0


def _pick(w: int, x: int, y: int, z: int, sign: float = 1.0) -> np.ndarray:
    matrix = np.zeros((4, 4))
    matrix[[0, 1, 2, 3], [w, x, y, z]] = [1, 1, sign, 1]
    return matrix


CONVENTIONS: Mapping[str, np.ndarray] = {
    "ACN order (W, Y, Z, X)": _pick(0, 3, 1, 2),
    "FuMa order (W, X, Y, Z)": _pick(0, 1, 2, 3),
    "capsules of a tetrahedron": _CAPSULES,
    "azimuths with the other sign": _pick(0, 3, 1, 2, -1.0),
}
"""What the channels may be, as W, X, Y and Z made of them; the first one is what is expected."""

EXPECTED = next(iter(CONVENTIONS))

REMEDIES = {
    "FuMa order (W, X, Y, Z)": "convert it to ACN and SN3D: the channels W·√2, Y, Z, X",
    "capsules of a tetrahedron": "take the first-order version of the data set (foa_dev), or encode the capsules",
    "azimuths with the other sign": "azimuth is positive to the left: change its sign in the labels",
}


def check_ambisonics(clip: CheckedClip) -> list[Finding]:
    """Find out whether a first-order recording is ACN and SN3D, and its labels those of its sound."""
    assert clip.sound is not None
    covariance = clip.sound.covariance[clip.sound.loud]
    if not len(covariance) or covariance.shape[1] != 4:
        return []
    ratio = _compute_ratio(covariance)
    errors_deg = _compare_labels(clip)
    best = min(errors_deg, key=errors_deg.__getitem__, default=EXPECTED)
    if errors_deg and errors_deg[EXPECTED] > WANTED_DEG and errors_deg[best] < errors_deg[EXPECTED] / 2:
        return [
            Finding(
                "Ambisonics convention" if best != "azimuths with the other sign" else "mirrored azimuth",
                "error",
                f"labels and sound differ by {errors_deg[EXPECTED]:.0f}° in the median, and by {errors_deg[best]:.0f}° "
                f"as {best}",
                REMEDIES[best],
                (clip.name,),
            )
        ]
    if ratio > 1.55:
        kind, level = ("N3D", "by √3") if ratio > 2.45 else ("FuMa", "by √2 against W")
        return [
            Finding(
                "Ambisonics normalisation",
                "error",
                f"X, Y and Z have {ratio:.1f} times the power of W, as in {kind}, where SN3D has 1",
                f"convert it to SN3D: divide Y, Z and X {level}",
                (clip.name,),
            )
        ]
    if errors_deg and errors_deg[EXPECTED] > WANTED_DEG:
        turned = _fit_turn(clip)
        if turned is not None:
            return [
                Finding(
                    "rotated azimuth",
                    "error",
                    f"labels and sound differ by {turned:.0f}° throughout",
                    "labels count from the front of the microphone: turn them",
                    (clip.name,),
                )
            ]
        return [
            Finding(
                "unrelated azimuth",
                "error" if errors_deg[EXPECTED] > LOST_DEG else "note",
                f"labels and sound differ by {errors_deg[EXPECTED]:.0f}° in the median, whatever the channels are",
                "are these the labels of this recording?",
                (clip.name,),
            )
        ]
    return []


def _compute_ratio(covariance: Float64[np.ndarray, "frame 4 4"]) -> float:
    """The power of the figures of eight over that of W, whatever their order."""
    power = np.einsum("fcc->fc", covariance)
    return float(np.median(power[:, 1:].sum(axis=1) / power[:, 0].clip(1e-15)))


def _compare_labels(clip: CheckedClip) -> dict[str, float]:
    """The median difference in degrees of labels and sound by convention; empty where too little can be compared."""
    assert clip.sound is not None
    frame, rows = select_single(clip)
    if len(frame) < LEAST_FRAMES:
        return {}
    loud = clip.sound.level_db[frame]
    kept = loud >= np.quantile(loud, 1 - LOUDEST)
    frame, azimuth_deg = frame[kept], rows[kept, AZIMUTH]
    return {
        name: float(np.median(np.abs(_wrap(_hear(clip.sound.covariance[frame], matrix) - azimuth_deg))))
        for name, matrix in CONVENTIONS.items()
    }


def _fit_turn(clip: CheckedClip) -> float | None:
    assert clip.sound is not None
    frame, rows = select_single(clip)
    apart = np.radians(_hear(clip.sound.covariance[frame], CONVENTIONS[EXPECTED]) - rows[:, AZIMUTH])
    mean = np.exp(1j * apart).mean()
    return float(np.degrees(np.angle(mean))) if abs(mean) > 0.8 else None


def _hear(covariance: np.ndarray, matrix: np.ndarray) -> Float64[np.ndarray, "frame"]:
    """The azimuth of the intensity: W times X and Y."""
    made = matrix @ covariance @ matrix.T
    return np.asarray(np.degrees(np.arctan2(made[:, 0, 2], made[:, 0, 1])))


def _wrap(angle_deg: np.ndarray) -> np.ndarray:
    return np.asarray((angle_deg + 180) % 360 - 180)
