"""Losses that several backends share."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def activity_loss(
    predicted: Float[Tensor, "batch frame cls"],
    activity: Float[Tensor, "batch frame cls"],
    active_positive_weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Mean binary cross-entropy over all cells that are labelled, in which active ones count `active_positive_weight`
    times.

    Cells whose `activity` is NaN are of classes that nobody annotated there.

    With weight w a network says ½ where the probability is 1 / (1 + w): most cells are silent, and F is best at a
    threshold below ½.
    """
    labelled = ~activity.isnan()
    if labelled.all():
        return F.binary_cross_entropy(predicted, activity, weight=1.0 + (active_positive_weight - 1.0) * activity)
    activity = activity.nan_to_num()
    weight = (1.0 + (active_positive_weight - 1.0) * activity) * labelled
    total = F.binary_cross_entropy(predicted, activity, weight=weight, reduction="sum")
    return total / labelled.sum().clamp_min(1)
