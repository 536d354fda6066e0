"""Members' directions against those of the labels, before anything is fitted to them."""

import numpy as np

from seldfuse.checks.agreement import check_agreement
from seldfuse.checks.findings import Finding
from seldfuse.core.directions import azimuth_from_direction
from seldfuse.tune.tuning_data import TuningData

ACTIVE = 0.5


def check_members(data: TuningData) -> list[Finding]:
    """Find members whose azimuths would fit the labels with the other sign."""
    target, found = data.target, list[Finding]()
    if target.direction is None:
        return found
    true = np.asarray(azimuth_from_direction(target.direction[..., :1, :]))
    sounding = np.asarray(target.activity[..., 0] > ACTIVE) & (np.asarray(target.activity > ACTIVE).sum(-1) == 1)
    for name, member in data.members.items():
        if member.direction is None:
            continue
        loudest = member.activity.nan_to_num().argmax(dim=-1, keepdim=True)
        direction = member.direction.take_along_dim(loudest.unsqueeze(-1), dim=3)
        stated = np.asarray(azimuth_from_direction(direction))[..., 0]
        heard = sounding & (np.asarray(member.activity.nan_to_num().amax(-1)) > ACTIVE)
        found += check_agreement(true[..., 0][heard], stated[heard], name, "error")
    return found
