"""Do a sound and an object in the picture have one cause? The arithmetic of `bayes`.

For one event let θ be the azimuth of the audio, v that of a candidate, π the probability of being on-screen as the
backends estimate it. What is on-screen is detected with probability R (recall); distractors, which might sound and do
not, stand anywhere in the picture, U of them on average, so with the density λ = U / field of view. Then

    on-screen, detected as candidate j  π · R · f(θ − v_j) / λ
    on-screen, not detected             π · (1 − R) · P(θ inside of the picture)
    off-screen                          1 − π

are in proportion to their probabilities (Bar-Shalom & Fortmann, Tracking and Data Association, 1988, ch. 6), with f a
normal density plus a share of a uniform one. With some probability the picture has nothing to do with the sound, and
everything stays as it was. That a candidate stands where a source behind the camera is folded to is
the coincidence whose odds λ gives; that nobody stands there counts by 1 − R.

The docs (vision.md) explain it at length.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

ANYWHERE_DEG = 180.0
"""The width of the front half-plane, into which all is folded."""

LEAST_UNRELATED = 0.02
"""Fewer distractors per picture would make certainties of few observations."""

LEAST_LIKELY = 1e-12

ROUNDS = 6
"""Messages between events and candidates; with one event at a time the first settles it."""

SURE = 1e-4
"""No probability passes this or one minus this."""


@dataclass(frozen=True)
class AudioEvidence:
    """Events as the backends estimate them.

    Shape: all `(frame, event)`: the probability that it is active, the azimuth (folded to the front) and its standard
    deviation, the probability of being on-screen, and whether a backend estimated that.
    """

    activity: Float[Tensor, "frame event"]
    azimuth_deg: Float[Tensor, "frame event"]
    std_deg: Float[Tensor, "frame event"]
    onscreen: Float[Tensor, "frame event"]
    onscreen_known: Bool[Tensor, "frame event"]


@dataclass(frozen=True)
class VisualEvidence:
    """Candidates of each event: `(frame, event, lane)`; and what is known of the detectors: `(frame, event)`.

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
        """Select some of the frames."""
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

    `azimuth_outlier_rate` is how often the azimuth of the audio is nowhere near, `uninformative_rate` how often a
    picture has nothing to do with the sound, `evidence_weight` the exponent of the evidence where a backend estimates
    on-screen, `smoothing_frames` how many frames before and after count too, `fov_deg` and `yaw_deg` where the picture
    is.
    """

    azimuth_outlier_rate: float
    uninformative_rate: float
    evidence_weight: float
    smoothing_frames: int
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


def infer_common_cause(audio: AudioEvidence, visual: VisualEvidence, parameters: CauseParameters) -> CauseEstimate:
    """Infer azimuth and on-screen from audio and picture; where no detector got a picture, they stay as they were."""
    return combine_evidence(audio, visual, compute_evidence(audio, visual, parameters), parameters)


def compute_evidence(
    audio: AudioEvidence, visual: VisualEvidence, parameters: CauseParameters
) -> Float[Tensor, "frame event lane"]:
    """Compute R · f / λ for each candidate, f as the geometric mean over the event's near past and future.

    Errors of neighbouring frames are much the same, so that they are averaged and do not add up; and a candidate that
    was there for part of the time counts for that part.
    """
    _, near, outlier = _likelihoods(audio, visual, parameters)
    weight = torch.where(visual.looked, audio.activity, 0.0)
    with_candidate = weight.unsqueeze(-1) * visual.there
    logarithm = (near + outlier).clamp_min(LEAST_LIKELY).log()
    reach = parameters.smoothing_frames
    time, whole = _sum_around(with_candidate, reach), _sum_around(weight, reach).unsqueeze(-1)
    mean = _sum_around(with_candidate * logarithm, reach) / time.clamp_min(1e-9)
    density = visual.unrelated.clamp_min(LEAST_UNRELATED) / parameters.fov_deg
    found = (visual.recall / density).unsqueeze(-1) * time / whole.clamp_min(1e-9) * mean.exp()
    return torch.where((time > 1e-6) & visual.looked.unsqueeze(-1), found, 0.0)


def combine_evidence(
    audio: AudioEvidence,
    visual: VisualEvidence,
    support: Float[Tensor, "frame event lane"],
    parameters: CauseParameters,
) -> CauseEstimate:
    """Combine the evidence with the prior, frame by frame."""
    undetected = (1 - visual.recall) * compute_inside_probability(audio.azimuth_deg, audio.std_deg, parameters)
    support = (1 - parameters.uninformative_rate) * _one_to_one(support, undetected, audio, visual.rivals)
    # How much likelier on-screen is than off-screen.
    total = (1 - parameters.uninformative_rate) * undetected + parameters.uninformative_rate + support.sum(-1)
    before = torch.logit(audio.onscreen, SURE)
    weight = torch.where(audio.onscreen_known, parameters.evidence_weight, 1.0)
    after = torch.sigmoid(before + weight * total.clamp_min(SURE).log())
    onscreen = torch.where(visual.looked, after, audio.onscreen)
    common = torch.where(visual.looked, after / total.clamp_min(SURE), 0.0).unsqueeze(-1) * support

    # An azimuth that is an outlier is no evidence: then the picture is all there is.
    apart_deg, near, outlier = _likelihoods(audio, visual, parameters)
    variance = audio.std_deg.unsqueeze(-1).square()
    gain = near * variance / (variance + visual.std_deg.square()) + outlier
    gain = gain / (near + outlier).clamp_min(LEAST_LIKELY)
    moved = torch.where(visual.there, common * gain * apart_deg, 0.0).sum(-1)
    return CauseEstimate(onscreen, audio.azimuth_deg + moved, torch.where(visual.there, common, 0.0))


def _likelihoods(
    audio: AudioEvidence, visual: VisualEvidence, parameters: CauseParameters
) -> tuple[Float[Tensor, "frame event lane"], Float[Tensor, "frame event lane"], float]:
    """Compute how far candidates are from the azimuth of the audio, and how likely that is if they are its source: the
    part of azimuths near the source, and that of outliers, which may be anywhere.
    """
    apart_deg = torch.where(visual.there, visual.azimuth_deg - audio.azimuth_deg.unsqueeze(-1), 0.0)
    std_deg = torch.hypot(audio.std_deg.unsqueeze(-1), torch.where(visual.there, visual.std_deg, 1.0))
    near = torch.exp(-0.5 * (apart_deg / std_deg).square()) / (std_deg * math.sqrt(2 * math.pi))
    return apart_deg, (1 - parameters.azimuth_outlier_rate) * near, parameters.azimuth_outlier_rate / ANYWHERE_DEG


def compute_inside_probability(
    azimuth_deg: Float[Tensor, "*event"], std_deg: Float[Tensor, "*event"], parameters: CauseParameters
) -> Float[Tensor, "*event"]:
    """Compute the probability that an azimuth which is known so well lies in the picture."""
    right, left = parameters.yaw_deg - parameters.fov_deg / 2, parameters.yaw_deg + parameters.fov_deg / 2
    return _count_below((left - azimuth_deg) / std_deg) - _count_below((right - azimuth_deg) / std_deg)


def _sum_around(value: Float[Tensor, "frame *rest"], reach: int) -> Float[Tensor, "frame *rest"]:
    """Sum over so many frames before and after each."""
    sums = torch.cat([torch.zeros_like(value[:1]), value.double().cumsum(0)])
    frame = torch.arange(len(value), device=value.device)
    last, first = (frame + reach + 1).clamp_max(len(value)), (frame - reach).clamp_min(0)
    return (sums[last] - sums[first]).to(value.dtype)


def _one_to_one(
    support: Float[Tensor, "frame event lane"],
    undetected: Float[Tensor, "frame event"],
    audio: AudioEvidence,
    rivals: Float[Tensor, "event event"],
) -> Float[Tensor, "frame event lane"]:
    """Reduce support where another event has the better claim to a candidate: each has one source, at most.

    Belief propagation on the graph of events and candidates (Williams & Lau, Approximate evaluation of marginal
    association probabilities with belief propagation, 2014). An event claims the more the surer it is active.
    """
    prior = audio.activity * audio.onscreen.clamp(SURE, 1 - SURE)
    claim = prior.unsqueeze(-1) * support
    without = (1 - prior + prior * undetected).unsqueeze(-1)
    free = torch.ones_like(claim)
    for _ in range(ROUNDS):
        claimed = claim * free
        message = claim / (without + claimed.sum(-1, keepdim=True) - claimed)
        free = 1 / (1 + torch.einsum("ef,tfl->tel", rivals, message))
    return support * free


def _count_below(value: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(value / math.sqrt(2)))
