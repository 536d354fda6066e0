"""Directions and distances smoothed along time: what sounds moves little from frame to frame.

Each track walks at random, and an estimate is where it is, with an error: a local-level model. Its smoother is that of
H. E. Rauch, F. Tung and C. T. Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA Journal 3(8),
1965, here as the sum of two filters (D. C. Fraser and J. E. Potter, "The optimum linear smoother as a combination of
two optimum linear filters", IEEE Trans. Automatic Control 14(4), 1969): the same numbers, but nothing needs to be known
of a track before it is first active.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seldfuse.core.class_values import ClassValues, to_class_tensor
from seldfuse.core.labels import LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.errors import UsageError
from seldfuse.fusion.align import align
from seldfuse.fusion.averages import compute_terms, finish_mean, is_known, to_linear_scale
from seldfuse.fusion.smooth_activity import split_classes
from seldfuse.fusion.tracks import take_along_track
from seldfuse.settings.bounds import NOT_NEGATIVE, POSITIVE, STRICT

STEP, ERROR, SILENT_STEP = 0.02, 0.3, 0.5
"""A place to begin where nothing was fitted; as directions 1°, 17° and 29°."""
ACTIVE_ABOVE = 0.2
"""Up to this activity a track's place is not estimated: models are not taught directions of what is silent."""
PSEUDO_FRAMES = 50
"""Every class is fitted as if it had so many more frames, of the kind that all classes have on average."""
SMALLEST_ERROR = 1e-3


@dataclass(frozen=True)
class RandomWalkSettings:
    """How a track moves and how well it is measured, by class.

    Root mean squares, in radians for directions (of the difference of unit vectors), in natural logarithms for
    distances: of the `step` from one frame to the next (its square is the process variance q), of the `silent_step`
    where the track is silent before or after, and of the `error` of a fully active track's estimate (its square is the
    variance r of the measurement; at activity a it is r / a). Only their ratios matter.
    """

    __pydantic_config__ = STRICT

    step: Annotated[ClassValues, NOT_NEGATIVE] = STEP
    error: Annotated[ClassValues, POSITIVE] = ERROR
    silent_step: Annotated[ClassValues, NOT_NEGATIVE] = SILENT_STEP

    def resolve_growth(self, labels: LabelSet) -> "StepGrowth":
        """Resolve to numbers of each class. Raises UsageError for unknown classes."""
        error = to_class_tensor(self.error, labels, ERROR)
        step, silent = to_class_tensor(self.step, labels, STEP), to_class_tensor(self.silent_step, labels, SILENT_STEP)
        return StepGrowth((step / error).square(), (silent / error).square())


@dataclass(frozen=True)
class StepGrowth:
    """`RandomWalkSettings` as numbers of each class: variance of an active and of a silent step, over the error's."""

    active: Float[Tensor, "cls"]
    silent: Float[Tensor, "cls"]

    def to(self, device: torch.device) -> "StepGrowth":
        return StepGrowth(self.active.to(device), self.silent.to(device))


def smooth_track(
    name: str, posterior: Posterior, activity: Float[Tensor, "batch frame cls track"], growth: StepGrowth
) -> Tensor:
    """Smooth field `name` (direction or distance) of a posterior, given its values in all frames of the clip.

    Directions are averaged as vectors and get length 1 again, distances as logarithms. A frame counts as far as the
    posterior's activity, and not at all where that is `ACTIVE_ABOVE` or less or the value is NaN. Between frames that
    count the track moves evenly, before the first and after the last it stands still; one of which none counts stays as
    it was. `activity` is where the source goes on: the posterior's own, or better, the smoothed one, in which a short
    dropout is none.
    """
    whole = posterior.tensors()[name]
    weight = torch.where((posterior.activity > ACTIVE_ABOVE) & is_known(name, whole), posterior.activity, 0.0)
    steps = _select_growth(activity, growth)
    # Most tracks are never active, and stay as they are.
    lanes = weight.any(1)
    value, weight, steps = (tensor.movedim(1, 0)[:, lanes] for tensor in (whole, weight, steps))
    terms = compute_terms(name, value, weight)
    evidence = torch.cat([weight[None], terms.movedim(-1, 0) if name == "direction" else terms[None]])
    loudness, *total = _gather(evidence, steps)
    mean = finish_mean(name, torch.stack(total, -1) if name == "direction" else total[0], loudness)
    result = whole.clone()
    result.movedim(1, 0)[:, lanes] = torch.where(mean.isnan(), value, mean)
    return result


def fit_random_walk(truth: Posterior, estimate: Posterior, name: str = "direction") -> RandomWalkSettings:
    """Fit settings for field `name` to true tracks, whose activity is 0 or 1, and a system's estimate of them.

    `step` is what true tracks move from frame to frame, `silent_step` what they have moved per frame when they come
    back after silence, `error` the difference between both sides where both are active, tracks matched as by `align`.
    A step counts only where the same tracks of a class are active before and after, for tables renumber their tracks.
    Rare classes lean on the others: each gets `PSEUDO_FRAMES` frames of the average class on top.

    Raises UsageError where the two do not fit together, or are never active together.
    """
    steps, silent_steps = _steps(truth, name)
    errors = _errors(truth, estimate, name)
    if errors.isnan().all():
        raise UsageError(f"there is no frame in which truth and estimate of the {name} are both active; nothing to fit")
    labels = truth.labels
    return RandomWalkSettings(
        step=split_classes(_root_mean(steps, STEP), labels),
        error=split_classes(_root_mean(errors, ERROR).clamp_min(SMALLEST_ERROR), labels),
        silent_step=split_classes(_root_mean(silent_steps, SILENT_STEP), labels),
    )


def _select_growth(
    activity: Float[Tensor, "batch frame cls track"], growth: StepGrowth
) -> Float[Tensor, "batch step cls track"]:
    """Select by how much each step from frame to frame blurs where the track is, in variances of the error.

    The next event of a class may come from anywhere, so the evidence of an event for others must fade with the silence
    between them: k silent steps add k times the greater variance; a few leave no weight beside a single active frame.
    """
    step, silent = (variance.to(activity)[:, None] for variance in (growth.active, growth.silent))
    active = activity > ACTIVE_ABOVE
    return torch.where(active[:, 1:] & active[:, :-1], step, silent)


def _gather(
    evidence: Float[Tensor, "channel frame lane"], growth: Float[Tensor, "step lane"]
) -> Float[Tensor, "channel frame lane"]:
    """Sum the evidence of all frames for each, faded by the steps between: its weight, and values times weight."""
    own, steps = evidence.unbind(1), growth.unbind(0)
    ahead, behind = _carry_forward(own, steps), _carry_forward(own[::-1], steps[::-1])[::-1]
    return torch.stack([past + now + future for past, now, future in zip(ahead, own, behind, strict=True)], 1)


def _carry_forward(
    own: Sequence[Float[Tensor, "channel lane"]], steps: Sequence[Float[Tensor, "lane"]]
) -> list[Float[Tensor, "channel lane"]]:
    """Carry the evidence of earlier frames forward to each frame.

    A Kalman filter in inverse variances, in which not to know is 0: a step of variance q makes the variance v of an
    estimate v + q, so its inverse w = 1 / v becomes w / (1 + q·w). Weight and weighted values fade alike.
    """
    evidence = torch.zeros_like(own[0])
    carried = [evidence]
    for now, growth in zip(own[:-1], steps, strict=True):
        evidence = evidence + now
        evidence = evidence / (1 + growth * evidence[0])
        carried.append(evidence)
    return carried


def _steps(
    truth: Posterior, name: str
) -> tuple[Float[Tensor, "clip step cls track"], Float[Tensor, "clip step cls track"]]:
    """Compute squared steps of tracks per frame: to the next frame, and over silence; NaN where there is none."""
    value = to_linear_scale(name, truth.tensors()[name])
    active = (truth.activity > 0.5) & is_known(name, value)
    frame = torch.arange(truth.frames, device=active.device)[:, None, None]
    last = torch.where(active, frame, -1).cummax(1).values[:, :-1]
    moved = _square(name, value[:, 1:] - take_along_track(value, last.clamp_min(0), 1)) / (frame[1:] - last)
    same = (active[:, 1:] == active[:, :-1]).all(-1, keepdim=True)
    back = active[:, 1:] & ~active[:, :-1] & (last >= 0)
    return _where(active[:, 1:] & same, moved), _where(back, moved)


def _errors(truth: Posterior, estimate: Posterior, name: str) -> Float[Tensor, "clip frame cls track"]:
    """Compute squared errors times activity, of a fully active track's variance; NaN where one side is silent."""
    first = torch.tensor([[2.0], [1.0]]).expand(2, len(truth.labels))
    aligned = align({"truth": truth, "estimate": estimate}, first)
    activity = aligned.values["activity"]
    value = to_linear_scale(name, aligned.values[name])
    both = aligned.known[name].all(0) & (activity[0] > 0.5) & (activity[1] > ACTIVE_ABOVE)
    return _where(both, _square(name, value[1] - value[0]) * activity[1])


def _root_mean(squares: Float[Tensor, "clip frame cls track"], otherwise: float) -> Float[Tensor, "cls"]:
    total, count = squares.nansum((0, 1, 3)), (~squares.isnan()).sum((0, 1, 3))
    pooled = total.sum() / count.sum() if count.any() else torch.tensor(otherwise).square()
    return ((total + PSEUDO_FRAMES * pooled) / (count + PSEUDO_FRAMES)).sqrt()


def _square(name: str, difference: Tensor) -> Tensor:
    return difference.square().sum(-1) if name == "direction" else difference.square()


def _where(mask: Bool[Tensor, "*cell"], value: Float[Tensor, "*cell"]) -> Float[Tensor, "*cell"]:
    return torch.where(mask, value, torch.nan)
