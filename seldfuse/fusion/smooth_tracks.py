"""Directions and distances smoothed along time: what sounds moves little from frame to frame.

Each track walks at random, and what is said of it is where it is, with an error: a local-level model. Its smoother is
that of H. E. Rauch, F. Tung and C. T. Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA Journal
3(8), 1965, here as the sum of two filters (D. C. Fraser and J. E. Potter, "The optimum linear smoother as a combination
of two optimum linear filters", IEEE Trans. Automatic Control 14(4), 1969): the same numbers, but nothing needs to be
known of a track before it is first heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

STEP, ERROR, SILENT_STEP = 0.02, 0.3, 0.5
"""A place to begin where nothing was fitted; as directions 1°, 17° and 29°."""
HEARD = 0.2
"""Activity up to which nothing is said of where a track is: models are not taught directions of what is silent."""
PSEUDO_FRAMES = 50
"""Every class is fitted as if it had so many more frames, of the kind that all classes have on average."""
SMALLEST_ERROR = 1e-3


@dataclass(frozen=True)
class RandomWalkSettings:
    """How a track moves and how well it is seen, by class.

    Root mean squares, in radians for directions (of the difference of unit vectors), in natural logarithms for
    distances: of the `step` from one frame to the next (its square is the process variance q), of the `silent_step`
    where the track is silent before or after, and of the `error` of what a fully active track says (its square is the
    variance r of the measurement; at activity a it is r / a). Only their ratios matter.

    Raises UsageError where an `error` is not above 0.
    """

    step: ClassValues = STEP
    error: ClassValues = ERROR
    silent_step: ClassValues = SILENT_STEP

    def __post_init__(self) -> None:
        for number in self.error.values() if isinstance(self.error, Mapping) else [self.error]:
            if not number > 0:
                raise UsageError(f"error must be above 0, got {number}")

    def resolve_growth(self, labels: LabelSet) -> tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]:
        """Variance of a sounding and of a silent step over that of the error. Raises UsageError for unknown classes."""
        error = to_class_tensor(self.error, labels, ERROR)
        step, silent = to_class_tensor(self.step, labels, STEP), to_class_tensor(self.silent_step, labels, SILENT_STEP)
        return (step / error).square(), (silent / error).square()


def smooth_track(
    name: str, posterior: Posterior, sounding: Float[Tensor, "batch frame cls track"], settings: RandomWalkSettings
) -> Tensor:
    """Field `name` (direction or distance) of the posterior, given what is said in all frames of the clip.

    Directions are averaged as vectors and get length 1 again, distances as logarithms. What a frame says counts as far
    as the posterior's activity, and not at all where that is `HEARD` or less or the value is NaN. Between frames that
    are heard the track moves evenly, before the first and after the last it stands still; one that is never heard stays
    as it was. `sounding` tells where the source goes on: the activity, or better, the smoothed one, in which a short
    dropout is none.

    Raises UsageError for unknown classes.
    """
    whole = posterior.tensors()[name]
    weight = torch.where((posterior.activity > HEARD) & is_known(name, whole), posterior.activity, 0.0)
    growth = _growth(sounding, settings.resolve_growth(posterior.labels))
    # Most tracks are never heard, and stay as they are.
    lanes = weight.any(1)
    value, weight, growth = (tensor.movedim(1, 0)[:, lanes] for tensor in (whole, weight, growth))
    said = compute_terms(name, value, weight)
    evidence = torch.cat([weight[None], said.movedim(-1, 0) if name == "direction" else said[None]])
    loudness, *total = _gather(evidence, growth)
    mean = finish_mean(name, torch.stack(total, -1) if name == "direction" else total[0], loudness)
    result = whole.clone()
    result.movedim(1, 0)[:, lanes] = torch.where(mean.isnan(), value, mean)
    return result


def fit_random_walk(truth: Posterior, said: Posterior, name: str = "direction") -> RandomWalkSettings:
    """Settings for field `name` from true tracks, whose activity is 0 or 1, and what a system says of them.

    `step` is what true tracks move from frame to frame, `silent_step` what they have moved per frame when they come
    back after silence, `error` the difference between both sides where both are heard, tracks matched as by `align`.
    A step counts only where the same tracks of a class sound before and after, for tables renumber their tracks. Rare
    classes lean on the others: each gets `PSEUDO_FRAMES` frames of the average class on top.

    Raises UsageError where the two do not fit together, or are never heard together.
    """
    steps, silent_steps = _steps(truth, name)
    errors = _errors(truth, said, name)
    if errors.isnan().all():
        raise UsageError(f"there is no frame in which truth and estimate of the {name} are both heard; nothing to fit")
    labels = truth.labels
    return RandomWalkSettings(
        step=split_classes(_root_mean(steps, STEP), labels),
        error=split_classes(_root_mean(errors, ERROR).clamp_min(SMALLEST_ERROR), labels),
        silent_step=split_classes(_root_mean(silent_steps, SILENT_STEP), labels),
    )


def _growth(
    sounding: Float[Tensor, "batch frame cls track"], growth: tuple[Float[Tensor, "cls"], Float[Tensor, "cls"]]
) -> Float[Tensor, "batch step cls track"]:
    """By how much each step from frame to frame blurs where the track is, in variances of the error.

    The next event of a class may come from anywhere, so what an event says of others must fade with the silence between
    them: k silent steps add k times the greater variance, of which a few leave no say against a single heard frame.
    """
    step, silent = (variance.to(sounding)[:, None] for variance in growth)
    heard = sounding > HEARD
    return torch.where(heard[:, 1:] & heard[:, :-1], step, silent)


def _gather(
    evidence: Float[Tensor, "channel frame lane"], growth: Float[Tensor, "step lane"]
) -> Float[Tensor, "channel frame lane"]:
    """For each frame the evidence of all frames, faded by the steps between: its weight, and values times weight."""
    own, steps = evidence.unbind(1), growth.unbind(0)
    ahead, behind = _carry_forward(own, steps), _carry_forward(own[::-1], steps[::-1])[::-1]
    return torch.stack([past + now + future for past, now, future in zip(ahead, own, behind, strict=True)], 1)


def _carry_forward(
    own: Sequence[Float[Tensor, "channel lane"]], steps: Sequence[Float[Tensor, "lane"]]
) -> list[Float[Tensor, "channel lane"]]:
    """For each frame the evidence of the frames before it.

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
    """What tracks move, squared, per frame: to the next frame, and over silence; NaN where there is no such step."""
    value = to_linear_scale(name, truth.tensors()[name])
    heard = (truth.activity > 0.5) & is_known(name, value)
    frame = torch.arange(truth.frames, device=heard.device)[:, None, None]
    last = torch.where(heard, frame, -1).cummax(1).values[:, :-1]
    moved = _square(name, value[:, 1:] - take_along_track(value, last.clamp_min(0), 1)) / (frame[1:] - last)
    same = (heard[:, 1:] == heard[:, :-1]).all(-1, keepdim=True)
    back = heard[:, 1:] & ~heard[:, :-1] & (last >= 0)
    return _where(heard[:, 1:] & same, moved), _where(back, moved)


def _errors(truth: Posterior, said: Posterior, name: str) -> Float[Tensor, "clip frame cls track"]:
    """Squared errors times activity, which have the variance of a fully active track; NaN where one side is unheard."""
    first = torch.tensor([[2.0], [1.0]]).expand(2, len(truth.labels))
    aligned = align({"truth": truth, "said": said}, first)
    activity = aligned.values["activity"]
    value = to_linear_scale(name, aligned.values[name])
    both = aligned.speaks[name].all(0) & (activity[0] > 0.5) & (activity[1] > HEARD)
    return _where(both, _square(name, value[1] - value[0]) * activity[1])


def _root_mean(squares: Float[Tensor, "clip frame cls track"], otherwise: float) -> Float[Tensor, "cls"]:
    total, count = squares.nansum((0, 1, 3)), (~squares.isnan()).sum((0, 1, 3))
    pooled = total.sum() / count.sum() if count.any() else torch.tensor(otherwise).square()
    return ((total + PSEUDO_FRAMES * pooled) / (count + PSEUDO_FRAMES)).sqrt()


def _square(name: str, difference: Tensor) -> Tensor:
    return difference.square().sum(-1) if name == "direction" else difference.square()


def _where(mask: Bool[Tensor, "*cell"], value: Float[Tensor, "*cell"]) -> Float[Tensor, "*cell"]:
    return torch.where(mask, value, torch.nan)
