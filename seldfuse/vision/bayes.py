"""Do a sound and a thing in the picture have one cause? The arithmetic of `bayes`.

For one event let θ be the heard azimuth, v that of a candidate, π the probability of being on-screen as the models have
it. What is on-screen is seen with probability R (recall); things that might sound and do not stand anywhere in the
picture, U of them on average, so with the density λ = U / field of view. Then

    on-screen, seen as candidate j      π · R · f(θ − v_j) / λ
    on-screen, not seen                 π · (1 − R) · P(θ inside of the picture)
    off-screen                          1 − π

are in proportion to their probabilities (Bar-Shalom & Fortmann, Tracking and Data Association, 1988, ch. 6), with f a
normal density plus a share of a uniform one. With some probability the picture has nothing to do with the sound, and
everything stays as it was. That a candidate stands where a source behind the camera is folded to is
the coincidence whose odds λ gives; that nobody stands there speaks by 1 − R.

The docs (vision.md) say it at length.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ANYWHERE_DEG = 180.0
"""The width of the front half-plane, into which all is folded."""

LEAST_UNRELATED = 0.02
"""Fewer unrelated things per picture would make certainties of few observations."""

LEAST_LIKELY = 1e-12

ROUNDS = 6
"""Messages between events and candidates; with one event at a time the first settles it."""

SURE = 1e-4
"""No probability passes this or one minus this."""


@dataclass(frozen=True)
class AudioEvidence:
    """Events as they were heard.

    Shape: all `(frame, event)`: the probability that it sounds, the azimuth (folded to the front) and its standard
    deviation, the probability of being on-screen, and whether a model told that.
    """

    activity: Float[Tensor, "frame event"]
    azimuth_deg: Float[Tensor, "frame event"]
    std_deg: Float[Tensor, "frame event"]
    onscreen: Float[Tensor, "frame event"]
    onscreen_known: Bool[Tensor, "frame event"]


@dataclass(frozen=True)
class VisualEvidence:
    """Candidates of each event: `(frame, event, lane)`; and what is known of who looked: `(frame, event)`.

    `rivals` is `(event, event)`: who may not have the same candidate.
    """

    there: Bool[Tensor, "frame event lane"]
    azimuth_deg: Float[Tensor, "frame event lane"]
    std_deg: Float[Tensor, "frame event lane"]
    looked: Bool[Tensor, "frame event"]
    recall: Float[Tensor, "frame event"]
    unrelated: Float[Tensor, "frame event"]
    rivals: Float[Tensor, "event event"]

    def select(self, frames: Int[Tensor, "some"]) -> "VisualEvidence":
        """Some of the frames."""
        return VisualEvidence(
            self.there[frames],
            self.azimuth_deg[frames],
            self.std_deg[frames],
            self.looked[frames],
            self.recall[frames],
            self.unrelated[frames],
            self.rivals,
        )


@dataclass(frozen=True)
class CauseParameters:
    """How events and pictures go together.

    `astray` is how often a heard azimuth is nowhere near, `disbelief` how often a picture has nothing to do with the
    sound, `evidence_weight` the exponent of the evidence where a model told of on-screen, `memory` how many frames
    before and after speak too, `fov_deg` and `yaw_deg` where the picture is.
    """

    astray: float
    disbelief: float
    evidence_weight: float
    memory: int
    fov_deg: float
    yaw_deg: float


@dataclass(frozen=True)
class CauseEstimate:
    """Shape: `onscreen` and `azimuth_deg` are `(frame, event)`, `common` `(frame, event, lane)`: the probability that
    the event is on-screen and a candidate is its source.
    """

    onscreen: Float[Tensor, "frame event"]
    azimuth_deg: Float[Tensor, "frame event"]
    common: Float[Tensor, "frame event lane"]


def infer_common_cause(heard: AudioEvidence, seen: VisualEvidence, belief: CauseParameters) -> CauseEstimate:
    """What is to be believed once both were asked; where nobody looked, what was heard."""
    return combine_evidence(heard, seen, compute_evidence(heard, seen, belief), belief)


def compute_evidence(
    heard: AudioEvidence, seen: VisualEvidence, belief: CauseParameters
) -> Float[Tensor, "frame event lane"]:
    """R · f / λ for each candidate, f as the geometric mean over the event's near past and future.

    Errors of neighbouring frames are much the same, so that they are averaged and do not add up; and a candidate that
    was there for part of the time counts for that part.
    """
    _, straight, astray = _likelihoods(heard, seen, belief)
    weight = torch.where(seen.looked, heard.activity, 0.0)
    with_thing = weight.unsqueeze(-1) * seen.there
    logarithm = (straight + astray).clamp_min(LEAST_LIKELY).log()
    time, whole = _neighbours(with_thing, belief.memory), _neighbours(weight, belief.memory).unsqueeze(-1)
    mean = _neighbours(with_thing * logarithm, belief.memory) / time.clamp_min(1e-9)
    density = seen.unrelated.clamp_min(LEAST_UNRELATED) / belief.fov_deg
    found = (seen.recall / density).unsqueeze(-1) * time / whole.clamp_min(1e-9) * mean.exp()
    return torch.where((time > 1e-6) & seen.looked.unsqueeze(-1), found, 0.0)


def combine_evidence(
    heard: AudioEvidence, seen: VisualEvidence, support: Float[Tensor, "frame event lane"], belief: CauseParameters
) -> CauseEstimate:
    """What follows from the evidence, frame by frame."""
    unseen = (1 - seen.recall) * compute_inside_probability(heard.azimuth_deg, heard.std_deg, belief)
    support = (1 - belief.disbelief) * _one_to_one(support, unseen, heard, seen.rivals)
    # How much likelier on-screen is than off-screen.
    total = (1 - belief.disbelief) * unseen + belief.disbelief + support.sum(-1)
    before = torch.logit(heard.onscreen, SURE)
    weight = torch.where(heard.onscreen_known, belief.evidence_weight, 1.0)
    after = torch.sigmoid(before + weight * total.clamp_min(SURE).log())
    onscreen = torch.where(seen.looked, after, heard.onscreen)
    common = torch.where(seen.looked, after / total.clamp_min(SURE), 0.0).unsqueeze(-1) * support

    # A heard azimuth that went astray tells nothing: then the picture tells alone.
    apart_deg, straight, astray = _likelihoods(heard, seen, belief)
    variance = heard.std_deg.unsqueeze(-1).square()
    gain = straight * variance / (variance + seen.std_deg.square()) + astray
    gain = gain / (straight + astray).clamp_min(LEAST_LIKELY)
    moved = torch.where(seen.there, common * gain * apart_deg, 0.0).sum(-1)
    return CauseEstimate(onscreen, heard.azimuth_deg + moved, torch.where(seen.there, common, 0.0))


def _likelihoods(
    heard: AudioEvidence, seen: VisualEvidence, belief: CauseParameters
) -> tuple[Float[Tensor, "frame event lane"], Float[Tensor, "frame event lane"], float]:
    """How far candidates are from where something is heard, and how likely that is if they are its source: the part of
    ears that point near it, and that of ears that point anywhere.
    """
    apart_deg = torch.where(seen.there, seen.azimuth_deg - heard.azimuth_deg.unsqueeze(-1), 0.0)
    std_deg = torch.hypot(heard.std_deg.unsqueeze(-1), torch.where(seen.there, seen.std_deg, 1.0))
    straight = torch.exp(-0.5 * (apart_deg / std_deg).square()) / (std_deg * math.sqrt(2 * math.pi))
    return apart_deg, (1 - belief.astray) * straight, belief.astray / ANYWHERE_DEG


def compute_inside_probability(
    azimuth_deg: Float[Tensor, "*event"], std_deg: Float[Tensor, "*event"], belief: CauseParameters
) -> Float[Tensor, "*event"]:
    """The probability that an azimuth which is known so well lies in the picture."""
    right, left = belief.yaw_deg - belief.fov_deg / 2, belief.yaw_deg + belief.fov_deg / 2
    return _count_below((left - azimuth_deg) / std_deg) - _count_below((right - azimuth_deg) / std_deg)


def _neighbours(value: Float[Tensor, "frame *rest"], memory: int) -> Float[Tensor, "frame *rest"]:
    """Sums over so many frames before and after each."""
    sums = torch.cat([torch.zeros_like(value[:1]), value.double().cumsum(0)])
    frame = torch.arange(len(value), device=value.device)
    last, first = (frame + memory + 1).clamp_max(len(value)), (frame - memory).clamp_min(0)
    return (sums[last] - sums[first]).to(value.dtype)


def _one_to_one(
    support: Float[Tensor, "frame event lane"],
    unseen: Float[Tensor, "frame event"],
    heard: AudioEvidence,
    rivals: Float[Tensor, "event event"],
) -> Float[Tensor, "frame event lane"]:
    """The same, less where another event has the better claim to a candidate: each has one source, at most.

    Belief propagation on the graph of events and candidates (Williams & Lau, Approximate evaluation of marginal
    association probabilities with belief propagation, 2014). An event claims the more the surer it sounds.
    """
    prior = heard.activity * heard.onscreen.clamp(SURE, 1 - SURE)
    claim = prior.unsqueeze(-1) * support
    without = (1 - prior + prior * unseen).unsqueeze(-1)
    free = torch.ones_like(claim)
    for _ in range(ROUNDS):
        claimed = claim * free
        message = claim / (without + claimed.sum(-1, keepdim=True) - claimed)
        free = 1 / (1 + torch.einsum("ef,tfl->tel", rivals, message))
    return support * free


def _count_below(value: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(value / math.sqrt(2)))
