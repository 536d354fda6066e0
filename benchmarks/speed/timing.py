"""Times several things in turn, so that all of them meet the machine in the same moods."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

PAUSE_S = 0.1


@dataclass(frozen=True)
class Case:
    """Something to time; one call of it deals with `sound_s` seconds of sound."""

    name: str
    call: Callable[[], object]
    sound_s: float


def interleaved(cases: Sequence[Case], rounds: int) -> dict[str, Float64[np.ndarray, "round"]]:
    """Seconds of each call: every case once to warm up, then A B C A B C … for so many rounds.

    A pause goes before each call: idle threads of the one before (those of BLAS for some 100 ms) spin, which takes a
    core away from the next.
    """
    for case in cases:
        case.call()
    seconds = np.array([[_seconds(case) for case in cases] for _ in range(rounds)])
    return {case.name: column for case, column in zip(cases, seconds.T, strict=True)}


def _seconds(case: Case) -> float:
    time.sleep(PAUSE_S)
    started = time.perf_counter()
    case.call()
    return time.perf_counter() - started
