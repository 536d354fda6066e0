"""A slow, readable reference implementation of fusion: what the fast one is compared with.

It shares no code with `seldfuse.fusion`. It walks over clips, classes, frames and tracks in float64. A track of one
member in one frame is a dictionary of what the member knows there; what it does not know (NaN) is not in it. Where a
member has no such track there is None.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import Label, LabelSet
from seldfuse.core.posterior import Posterior
from seldfuse.fusion import DecodeSettings, FusionSettings

Track = dict[str, Any]
Array = np.ndarray[Any, Any]

FIELDS = ("activity", "direction", "distance", "onscreen", "azimuth_std_deg", "distance_log_std")
BREADTH = ("activity", "direction", "distance", "onscreen")
WEIGHED_AS = {"azimuth_std_deg": "direction", "distance_log_std": "distance"}
DOUBTS = {"direction": "azimuth_std_deg", "distance": "distance_log_std"}
EPSILON = 1e-6
"""Probabilities are at least so far from 0 and 1 where odds are taken, and a silent track counts for so much."""
NEAREST_M = 0.01
ACTIVE_ABOVE = 0.2
"""Up to this activity a track's position is not estimated."""


def fuse(posteriors: Mapping[str, Posterior], settings: FusionSettings) -> dict[str, Array]:
    """Compute every field of the fused posterior, `[batch, frame, cls, track]`, NaN where no member knows it."""
    labels = next(iter(posteriors.values())).labels
    frames = min(posterior.frames for posterior in posteriors.values())
    tracks = max(posterior.tracks for posterior in posteriors.values())
    fields = {name: numbers(posterior) for name, posterior in sorted(posteriors.items())}
    weights = [weights_of(posteriors, settings, name) for name in labels.names]
    ranked = ranking(posteriors, weights)
    models = list_models(settings, {field for values in fields.values() for field in values})
    shape = (len(next(iter(posteriors.values())).activity), frames, len(labels), tracks)
    fused = {field: np.full((*shape, 3) if field == "direction" else shape, np.nan) for field in FIELDS}
    for clip, cls in np.ndindex(shape[0], shape[2]):
        name = labels.names[cls]
        cells = []
        for frame in range(frames):
            members = {m: prepared(m, split_tracks(fields[m], (clip, frame, cls)), settings, name) for m in fields}
            cells.append(combined(aligned(members, ranked, tracks), weights[cls], settings.combine))
        for track in range(tracks):
            lane = smooth_lane([cell[track] for cell in cells], settings, name)
            for frame, cell in enumerate(lane):
                fill_cell(fused, (clip, frame, cls, track), with_uncertainty(cell, models, name))
    return fused


def fill_cell(fused: Mapping[str, Array], index: tuple[int, ...], track: Track) -> None:
    for field in track.keys() & fused.keys():
        fused[field][index] = track[field]


def numbers(posterior: Posterior) -> dict[str, Array]:
    return {field: tensor.double().numpy() for field, tensor in posterior.tensors().items()}


def split_tracks(values: Mapping[str, Array], cell: tuple[int, ...]) -> list[Track]:
    """What is known of each track of a cell (clip, frame, class)."""
    tracks = range(values["activity"].shape[3])
    return [
        {field: value[cell][track] for field, value in values.items() if not np.isnan(value[cell][track]).any()}
        for track in tracks
    ]


def number(value: Any, name: str, otherwise: float) -> float:
    """The number of the class: tables by class may have a default."""
    return float(value.get(name, value.get("default", otherwise)) if isinstance(value, Mapping) else value)


def log_odds(chance: float) -> float:
    chance = min(max(chance, EPSILON), 1 - EPSILON)
    return math.log(chance / (1 - chance))


def chance_of(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


# --- each member alone ----------------------------------------------------------------------------------------------


def prepared(name: str, tracks: list[Track], settings: FusionSettings, cls: str) -> list[Track]:
    """Copies of a source merged, then activities calibrated."""
    active = [track.get("activity", 0.0) > 0.5 for track in tracks]
    tracks, _ = unified(tracks, active, settings.unify_angle_deg)
    if name not in settings.calibration:
        return tracks
    temperature = number(settings.calibration[name].temperature, cls, 1.0)
    bias = number(settings.calibration[name].bias, cls, 0.0)
    return [calibrated(track, temperature, bias) for track in tracks]


def unified(tracks: list[Track], active: Sequence[bool], limit_deg: float) -> tuple[list[Track], list[bool]]:
    """Copies of one source merged on the first of their tracks, and which tracks are active then."""
    out, left = [dict(track) for track in tracks], list(active)
    for group in groups(tracks, active, limit_deg):
        first, *copies = group
        out[first] |= merged([tracks[k] for k in group])
        for field in {"distance", "azimuth_std_deg", "distance_log_std"} & out[first].keys():
            if any(field not in tracks[k] for k in group):
                del out[first][field]
        for k in copies:
            out[k]["activity"], left[k] = 0.0, False
    return out, left


def groups(tracks: list[Track], active: Sequence[bool], limit_deg: float) -> list[list[int]]:
    """Active tracks that lie near each other, directly or by way of others; two or more."""
    found: list[list[int]] = []
    for k in (k for k, track in enumerate(tracks) if active[k] and "direction" in track):
        touching = [
            group
            for group in found
            if any(angle_deg(tracks[k]["direction"], tracks[other]["direction"]) < limit_deg for other in group)
        ]
        found = [group for group in found if group not in touching]
        found.append(sorted([k, *itertools.chain(*touching)]))
    return [group for group in found if len(group) > 1]


def merged(tracks: list[Track]) -> Track:
    """What becomes of copies of one source; its on-screen probability stays that of the first."""
    pull = sum(max(track["activity"], EPSILON) * track["direction"] for track in tracks)
    means = {
        field: np.mean([track[field] for track in tracks])
        for field in ("distance", "azimuth_std_deg", "distance_log_std")
        if all(field in track for track in tracks)
    }
    return {"activity": max(track["activity"] for track in tracks), "direction": normalize_or_front(pull), **means}


def angle_deg(one: Array, other: Array) -> float:
    return math.degrees(math.acos(np.clip(one @ other, -1, 1)))


def normalize_or_front(vector: Array) -> Array:
    length = np.linalg.norm(vector)
    return vector / length if length > 1e-8 else np.array([1.0, 0.0, 0.0])


def calibrated(track: Track, temperature: float, bias: float) -> Track:
    if not track.get("activity", 0.0) > 0:
        return track
    return {**track, "activity": chance_of(log_odds(track["activity"]) / temperature + bias)}


# --- weights --------------------------------------------------------------------------------------------------------


def weights_of(posteriors: Mapping[str, Posterior], settings: FusionSettings, cls: str) -> dict[str, dict[str, float]]:
    """For one class, by field and member; a member that does not provide the field weighs nothing."""
    weights: dict[str, dict[str, float]] = {}
    for field in BREADTH:
        breadth = {
            name: len(set(BREADTH) & set(posterior.provides))
            for name, posterior in posteriors.items()
            if field in posterior.provides
        }
        weights[field] = dict.fromkeys(posteriors, 0.0)
        for name in breadth:
            preset = 1.0
            if settings.preset == "nercslip" and field in ("direction", "distance"):
                preset = float(breadth[name] == min(breadth.values()))
            weights[field][name] = number(settings.weights.get(name, {}).get(field, preset), cls, preset)
    return weights


# --- which track is which -------------------------------------------------------------------------------------------


def ranking(posteriors: Mapping[str, Posterior], weights: Sequence[Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Members by who is to be the reference: most tracks, then the greatest weight of activity, then the name."""
    weight = {name: sum(of_class["activity"][name] for of_class in weights) for name in posteriors}
    return sorted(posteriors, key=lambda name: (-posteriors[name].tracks, -weight[name], name))


def aligned(members: Mapping[str, list[Track]], ranked: Sequence[str], tracks: int) -> list[dict[str, Track | None]]:
    """For each track that of every member: tracks are matched to those of the first that knows activities."""
    padded = {name: [*cell, *[None] * (tracks - len(cell))] for name, cell in members.items()}
    knowing = [name for name in ranked if any("activity" in track for track in members[name])]
    anchor = (knowing or ranked)[0]
    matched = {name: cell if name == anchor else match(padded[anchor], cell) for name, cell in padded.items()}
    return [{name: cell[track] for name, cell in matched.items()} for track in range(tracks)]


def match(anchor: Sequence[Track | None], member: Sequence[Track | None]) -> Sequence[Track | None]:
    """The member's tracks in the order that fits the anchor's best, of all orders."""
    return max(
        itertools.permutations(member),
        key=lambda order: sum(score_match(*pair) for pair in zip(anchor, order, strict=True)),
    )


def score_match(anchor: Track | None, track: Track | None) -> float:
    """How well two tracks fit; a track that the anchor does not have is none for a source."""
    if track is None:
        return 0.0
    if anchor is None:
        return -math.inf
    both = "direction" in anchor and "direction" in track
    cosine = anchor["direction"] @ track["direction"] if both else 1.0
    return float(anchor.get("activity", 0.0) * track.get("activity", 0.0) * cosine)


# --- one from several -----------------------------------------------------------------------------------------------


def combined(
    tracks: Sequence[Mapping[str, Track | None]], weights: Mapping[str, Mapping[str, float]], way: str
) -> list[Track]:
    return [one_track(track, weights, way) for track in tracks]


def one_track(tracks: Mapping[str, Track | None], weights: Mapping[str, Mapping[str, float]], way: str) -> Track:
    """The common track, with the number of members that detect it. `tracks` holds that of each member, or None."""
    known = {name: track for name, track in tracks.items() if track and "activity" in track}
    out: Track = {"members": sum(track["activity"] > 0.5 for track in known.values()), "activity": 0.0}
    mixed: Track = {}
    for field in FIELDS:
        knowing = [name for name in known if field in known[name]]
        if not knowing:
            continue
        values = [to_mean_scale(field, known[name][field], way) for name in knowing]
        loudness = [1.0 if field == "activity" else max(known[name]["activity"], EPSILON) for name in knowing]
        weight = [weights[WEIGHED_AS.get(field, field)][name] for name in knowing]
        weight = weight if any(weight) else [1.0] * len(knowing)
        out[field] = from_mean_scale(field, mean(values, np.multiply(weight, loudness)), way)
        if field in DOUBTS and len(knowing) > 1:
            own = [known[name].get(DOUBTS[field], 0.0) for name in knowing]
            mixed[DOUBTS[field]] = mixed_std(field, values, own, loudness)
    return out | mixed


def mean(values: Sequence[Any], weights: Sequence[float] | Array) -> Any:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def to_mean_scale(field: str, value: Any, way: str) -> Any:
    """A value on the scale of its mean."""
    if field == "distance":
        return math.log(max(value, NEAREST_M))
    if field == "onscreen" or (field == "activity" and way == "log-odds"):
        return log_odds(value)
    if field == "activity" and way == "geometric":
        return math.log(max(value, EPSILON))
    return value


def from_mean_scale(field: str, value: Any, way: str) -> Any:
    """A mean as the field has it."""
    if field == "direction":
        return normalize_or_front(value)
    if field == "onscreen" or (field == "activity" and way == "log-odds"):
        return chance_of(value)
    return math.exp(value) if field == "distance" or (field == "activity" and way == "geometric") else value


def mixed_std(field: str, values: Sequence[Any], own: Sequence[float], loudness: Sequence[float]) -> float:
    """The standard deviation of the mixture of members, each counting as far as its activity, whatever its weight."""
    if field == "direction":
        vectors = [value * math.exp(-(math.radians(std) ** 2) / 2) for value, std in zip(values, own, strict=True)]
        length = min(max(float(np.linalg.norm(mean(vectors, loudness))), 1e-6), 1.0)
        return min(math.degrees(math.sqrt(-2 * math.log(length))), 180.0)
    middle = mean(values, loudness)
    variances = [(value - middle) ** 2 + std**2 for value, std in zip(values, own, strict=True)]
    return math.sqrt(mean(variances, loudness))


# --- along time -----------------------------------------------------------------------------------------------------


def smooth_lane(lane: list[Track], settings: FusionSettings, cls: str) -> list[Track]:
    """One track of one class and clip, frame by frame."""
    activity = np.array([track["activity"] for track in lane])
    after = activity
    if settings.smooth.activity is not None:
        after = forward_backward(activity, *rates(settings.smooth.activity, cls))
    out = [{**track, "activity": chance} for track, chance in zip(lane, after, strict=True)]
    for field, walk in (("direction", settings.smooth.direction), ("distance", settings.smooth.distance)):
        counts = [field in track and track["activity"] > ACTIVE_ABOVE for track in lane]
        weight = np.array([track["activity"] if count else 0 for track, count in zip(lane, counts, strict=True)])
        if walk is None or not weight.any():
            continue
        blank = np.zeros(3) if field == "direction" else 0.0
        values = [to_mean_scale(field, track[field], "") if w else blank for track, w in zip(lane, weight, strict=True)]
        steps = number(walk.step, cls, 0.02), number(walk.error, cls, 0.3), number(walk.silent_step, cls, 0.5)
        for track, value in zip(out, walked(np.array(values), weight, after, *steps), strict=True):
            track[field] = from_mean_scale(field, value, "")
    return out


def rates(settings: Any, cls: str) -> tuple[float, float, float, float]:
    """Of a class: how likely sounds begin, how likely they stop, the share of active frames, and the trust."""
    start, stop = number(settings.start, cls, 0.005), number(settings.stop, cls, 0.05)
    share = start / (start + stop)
    prior = share if settings.prior is None else number(settings.prior, cls, share)
    return start, stop, prior, number(settings.trust, cls, 1.0)


def forward_backward(activity: Array, start: float, stop: float, prior: float, trust: float) -> Array:
    """The probability of sound in each frame, given all frames (Rabiner 1989, III.B); states are silence and sound."""
    step = np.array([[1 - start, start], [stop, 1 - stop]])
    evidence = [np.array([1.0, math.exp(trust * (log_odds(a) - log_odds(prior)))]) for a in activity]
    forward = [np.array([stop, start]) / (start + stop) * evidence[0]]
    for now in evidence[1:]:
        forward.append(forward[-1] / forward[-1].sum() @ step * now)
    backward = [np.ones(2)]
    for later in evidence[:0:-1]:
        backward.append(step @ (later * backward[-1]) / (later * backward[-1]).sum())
    both = [ahead * behind for ahead, behind in zip(forward, backward[::-1], strict=True)]
    return np.array([sound / (silence + sound) for silence, sound in both])


def walked(values: Array, weight: Array, activity: Array, step: float, error: float, silent_step: float) -> Array:
    """The mean of the Gaussian that measurements and steps make, by linear algebra on all frames at once."""
    precision = np.diag(weight / error**2)
    right = (weight / error**2 * values.T).T
    for frame in range(len(values) - 1):
        both = activity[frame] > ACTIVE_ABOVE and activity[frame + 1] > ACTIVE_ABOVE
        difference = np.zeros(len(values))
        difference[[frame, frame + 1]] = -1, 1
        precision += np.outer(difference, difference) / (step if both else silent_step) ** 2
    return np.linalg.solve(precision, right)


# --- what it is worth -----------------------------------------------------------------------------------------------


def list_models(settings: FusionSettings, fields: Collection[str]) -> dict[str, Any]:
    """The models by field; there is none for a field that no member has."""
    models = {"activity": settings.uncertainty.activity}
    models["azimuth_std_deg"] = settings.uncertainty.azimuth if "direction" in fields else None
    models["distance_log_std"] = settings.uncertainty.distance if "distance" in fields else None
    return {field: model for field, model in models.items() if model is not None}


def with_uncertainty(track: Track, models: Mapping[str, Any], cls: str) -> Track:
    """The track with fitted uncertainties; silence stays silence."""
    out, apart = dict(track), track.get("azimuth_std_deg")
    azimuth = None if apart is None else math.log1p(apart / 5.0)
    if "activity" in models and track["activity"] > 0:
        out["activity"] = chance_of(predict(models["activity"], track, azimuth, cls))
    if "azimuth_std_deg" in models:
        std_deg = math.exp(predict(models["azimuth_std_deg"], track, azimuth, cls))
        out["azimuth_std_deg"] = min(max(std_deg, 0.5), 104.0)
    if "distance_log_std" in models:
        log_std = math.exp(predict(models["distance_log_std"], track, track.get("distance_log_std"), cls))
        out["distance_log_std"] = min(max(log_std, 0.02), 3.0)
    return out


def predict(of: Any, track: Track, spread: float | None, cls: str) -> float:
    """A sum of a class's constant and of predictors of errors."""
    apart = of.typical_spread if spread is None else spread
    total = number(of.constant, cls, 0.0) + of.log_odds * log_odds(track["activity"])
    return float(total + of.spread * (apart - of.typical_spread) + of.members * track["members"])


# --- what sounds ----------------------------------------------------------------------------------------------------


def decode_slowly(fused: Mapping[str, Array], settings: DecodeSettings, labels: LabelSet) -> list[list[Track]]:
    """For each clip the rows of its table of events, sorted by frame, class and source; what is unknown is missing."""
    clips, frames, classes, tracks = fused["activity"].shape
    rows: list[list[Track]] = [[] for _ in range(clips)]
    for clip, cls in np.ndindex(clips, classes):
        limits = limits_of(settings, labels.names[cls])
        lanes = [along_time(fused, (clip, slice(None), cls, track), *limits) for track in range(tracks)]
        for frame in range(frames):
            cell, active = [dict(track) for track, _ in (it[frame] for it in lanes)], [it[frame][1] for it in lanes]
            cell, active = unified(cell, active, settings.unify_angle_deg)
            rows[clip] += [event(cell[k], frame, cls, k) for k in range(tracks) if active[k]]
    return [sorted(clip, key=lambda row: (row["frame"], row["cls"], row["source"])) for clip in rows]


def limits_of(settings: DecodeSettings, cls: str) -> tuple[float, float, float, float]:
    """Of a class: high and low threshold, the longest pause, the shortest sound."""
    high = number(settings.threshold, cls, 0.5)
    low = high if settings.offset_threshold is None else number(settings.offset_threshold, cls, high)
    return high, low, number(settings.max_gap_frames, cls, 0), number(settings.min_frames, cls, 1)


def along_time(
    fused: Mapping[str, Array], index: tuple[Any, ...], high: float, low: float, gap: float, shortest: float
) -> list[tuple[Track, bool]]:
    """One track along time: its fields, in pauses those of the last frame before, and whether it is active."""
    activity = fused["activity"][index]
    detected, active = find_active_frames(activity, high, low, gap, shortest)
    out, last = [], 0
    for frame in range(len(activity)):
        last = frame if detected[frame] else last
        held = {field: value[index][last] for field, value in fused.items()} | {"activity": activity[frame]}
        known = {field: value for field, value in held.items() if not np.isnan(value).any()}
        out.append((known, bool(active[frame])))
    return out


def find_active_frames(activity: Array, high: float, low: float, gap: float, shortest: float) -> tuple[Array, Array]:
    """Where one track is detected, and where it is active."""
    detected = np.zeros(len(activity), bool)
    for begin, end in find_runs(activity > low):
        detected[begin:end] = (activity[begin:end] > high).any()
    closed = detected.copy()
    for (_, end), (begin, _) in itertools.pairwise(find_runs(detected)):
        if begin - end <= gap:
            closed[end:begin] = True
    for begin, end in find_runs(closed):
        if end - begin < shortest:
            closed[begin:end] = False
    return detected, closed


def find_runs(active: Array) -> list[tuple[int, int]]:
    """Begin and end of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def event(track: Track, frame: int, cls: int, source: int) -> Track:
    """A row of the table of events."""
    row: Track = {"frame": frame, "cls": cls, "source": source, "score": track["activity"]}
    if "direction" in track:
        # The rear is folded onto the front.
        row["azimuth_deg"] = math.degrees(math.atan2(track["direction"][1], abs(track["direction"][0])))
    if "distance" in track:
        row["distance_m"] = track["distance"]
    if "onscreen" in track:
        row["onscreen"] = float(track["onscreen"] > 0.5)
    if "azimuth_std_deg" in track:
        row["azimuth_std_deg"] = track["azimuth_std_deg"]
    if "distance" in track and "distance_log_std" in track:
        row["distance_std_m"] = track["distance_log_std"] * track["distance"]
    return row


# --- what the tests of fusion share ---------------------------------------------------------------------------------

LABELS = LabelSet("three", (Label("cat", "Cat"), Label("dog", "Dog"), Label("hen", "Hen")))
POSITION_FIELDS = ("direction", "distance", "onscreen")


def draw_posterior(
    seed: int, tracks: int = 3, fields: Sequence[str] = POSITION_FIELDS, batch: int = 2, frames: int = 7
) -> Posterior:
    """A random posterior in which many tracks lie near one another."""
    g = torch.Generator().manual_seed(seed)
    shape = (batch, frames, len(LABELS), tracks)
    around = direction_from_azimuth(torch.randint(-2, 3, shape, generator=g) * 60.0)
    direction = around + 0.1 * torch.randn(*shape, 3, generator=g)
    values = {
        "direction": direction / direction.norm(dim=-1, keepdim=True),
        "distance": 0.3 + 5 * torch.rand(shape, generator=g),
        "onscreen": torch.rand(shape, generator=g) * 0.98 + 0.01,
        "azimuth_std_deg": 1 + 30 * torch.rand(shape, generator=g),
        "distance_log_std": 0.1 + torch.rand(shape, generator=g),
    }
    return Posterior(
        torch.rand(shape, generator=g) * 0.98 + 0.01, **{name: values[name] for name in fields}, labels=LABELS
    )


def assert_alike(one: Posterior, other: Posterior, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """Both provide the same fields with the same numbers."""
    assert one.provides == other.provides
    for name, tensor in one.tensors().items():
        # The spread is a root that is steep where members agree; a twentieth of a degree is its rounding error.
        near = 0.05 if name == "azimuth_std_deg" and atol else atol
        torch.testing.assert_close(tensor, other.tensors()[name], rtol=rtol, atol=near, equal_nan=True, msg=name)
