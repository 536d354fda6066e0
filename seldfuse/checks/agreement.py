"""Directions that a system states against those of the labels: the slips that make a good system score badly."""

import numpy as np
from jaxtyping import Float

from seldfuse.checks.findings import Finding, Severity
from seldfuse.core.geometry import fold_azimuth

LEAST_PAIRS = 50
LEAST_ERROR_DEG = 15.0
BETTER = 0.5
"""An explanation must halve the error."""


def check_agreement(
    truth_deg: Float[np.ndarray, "pair"], stated_deg: Float[np.ndarray, "pair"], who: str, severity: Severity
) -> list[Finding]:
    """Find out whether the azimuths that `who` states would fit the labels with the other sign, or turned."""
    known = ~np.isnan(truth_deg + stated_deg)
    truth, stated = fold_azimuth(truth_deg[known]), fold_azimuth(stated_deg[known])
    if len(truth) < LEAST_PAIRS or np.abs(truth).mean() < LEAST_ERROR_DEG / 2:
        return []
    error_deg, mirrored_deg = float(np.abs(stated - truth).mean()), float(np.abs(stated + truth).mean())
    if error_deg < LEAST_ERROR_DEG or mirrored_deg > BETTER * error_deg:
        return []
    return [
        Finding(
            "mirrored azimuth",
            severity,
            f"azimuths of {who} are {error_deg:.0f}° off, and {mirrored_deg:.0f}° with the other sign",
            "azimuth is positive to the left: change the sign on the side that counts otherwise",
        )
    ]
