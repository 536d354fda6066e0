"""Settings of fusion as tensors: made once for the members, classes and device of a run, and used for each clip."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from seldfuse.fusion.calibrate import ClassCalibration
from seldfuse.fusion.decode import DecodeLimits
from seldfuse.fusion.smooth import ClassSmoothing
from seldfuse.fusion.uncertainty import ClassUncertainty


@dataclass(frozen=True)
class ResolvedFusion:
    """What `FusionSettings.resolve_for` makes of settings.

    `weights` maps fields to the weight of each member, in the order of names, and class.
    """

    weights: Mapping[str, Float[Tensor, "member cls"]]
    calibration: Mapping[str, ClassCalibration]
    smooth: ClassSmoothing
    uncertainty: ClassUncertainty
    decode: DecodeLimits
