"""The effect of pictures: networks with their own picture, none, a black one, and that of another clip.

CMC is also tried without its tokens of sound.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
import torch

from benchmarks.studies.json_values import bound
from benchmarks.studies.posteriors import infer_posteriors
from benchmarks.studies.two_sources import both_found, two_at_once
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.models import BackendModel
from seldfuse.catalogue.requests import BackendRequest
from seldfuse.core.clip import Clip, Frame
from seldfuse.core.events import Events
from seldfuse.core.posterior import Posterior
from seldfuse.formats import dcase
from seldfuse.fusion import FusionSettings, decode_frames, fuse_posteriors
from seldfuse.inference.clips import LoadedBackends
from seldfuse.inference.load import load_backends
from seldfuse.inference.network_backend import NetworkBackend
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import Counts, count_matches
from seldfuse.metrics.jackknife import compare_systems, compute_intervals
from seldfuse.metrics.matches import Mode
from seldfuse.metrics.rows import Scene
from seldfuse.metrics.scores import Average
from seldfuse.run_manifest import describe_run
from seldfuse.synth.dataset.folder import DatasetSplit
from seldfuse_cmc.network import Cmc

OWN, NONE, BLACK, FOREIGN, OFF = "own", "none", "black", "of another clip", "own, but all called off-screen"
NO_AUDIO_TOKENS, NEITHER = "own, no tokens of sound", "none, no tokens of sound"
CONTROLS = (BLACK, FOREIGN, OFF)
FROZEN, ADDED = "as they are", "two at once"
POOLED = "pooled"
"""Scores of all classes' sounds together; a mean over classes hangs on those that hardly ever sound."""

ASKED = ("f20_1_on", "osa")
"""Scores that are higher with a network's own picture than in every control where it uses the picture."""


@dataclass(frozen=True)
class BlackFrames:
    """As many pictures as another source has, all black."""

    clip: Clip

    def frames(self, rate_hz: float = 10.0, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Frame]:
        assert self.clip.video is not None
        for frame in self.clip.video.frames(rate_hz, start_s, end_s):
            yield Frame(frame.time_s, np.zeros_like(frame.rgb))


@dataclass(frozen=True)
class System:
    """Members by their names, merged by `mean`, and what picture they are shown."""

    members: tuple[str, ...]
    picture: str = OWN

    @property
    def name(self) -> str:
        return self.members[0] if len(self.members) == 1 else f"mean of {', '.join(self.members)}"


PUBLISHED = ("mvanet", "sce")
"""The members of NERC-SLIP's audio-visual ensemble, without the network that was taught, which does not ship."""


def measure(split: DatasetSplit, requests: Sequence[BackendRequest]) -> dict[str, Any]:
    """Measure everything, as JSON values. Raises the first clip's error, and what `load_backends` raises."""
    recipe = describe_run(requests, (), load_registry())
    loaded = load_backends(requests, "auto")
    clips = find_clips(sorted(split.get_folder("wav").glob("*.wav")))
    references = dcase.read_many([split.get_path(clip.path.stem, "csv") for clip in clips if clip.path is not None])
    posteriors = _infer_pictures(clips, requests, loaded)
    with_video = list(posteriors[BLACK])
    tried = list(_systems([request.instance for request in requests], with_video, list(posteriors[NO_AUDIO_TOKENS])))
    events = {system: _decode(system, posteriors) for system in tried}
    counted = {
        mode: {system: count_matches(references, found, mode=mode) for system, found in events.items()}
        for mode in get_args(Mode)
    }
    return {
        "seldfuse": recipe["seldfuse"],
        "backends": {request.instance: entry for request, entry in zip(requests, recipe["backends"], strict=True)},
        "systems": [{**asdict(system), "name": system.name, "members": list(system.members)} for system in tried],
        "clips": len(references),
        "twins": [
            {"scenes": scenes, "system": system.name, **dict(zip(("both", "of"), both_found(true, found), strict=True))}
            for scenes, true, decoded in ((FROZEN, references, events), _at_once(clips, references, loaded, tried))
            for system, found in decoded.items()
            if system.picture == OWN
        ],
        **{mode: _scored(counts, with_video) for mode, counts in counted.items()},
    }


def _systems(instances: Sequence[str], with_video: Sequence[str], with_tokens: Sequence[str]) -> Iterator[System]:
    for name in instances:
        yield System((name,))
        if name in with_video:
            yield from (System((name,), picture) for picture in (NONE, *CONTROLS))
        if name in with_tokens:
            yield from (System((name,), picture) for picture in (NO_AUDIO_TOKENS, NEITHER))
    ensembles = [tuple(name for name in PUBLISHED if name in instances), tuple(instances)]
    yield from (System(members) for members in dict.fromkeys(ensembles) if len(members) > 1)


def _at_once(
    clips: Sequence[Clip], references: Sequence[Scene], loaded: LoadedBackends, tried: Sequence[System]
) -> tuple[str, Sequence[Scene], dict[System, list[Events]]]:
    """Decode events where two scenes sound at once, without pictures."""
    added, true = two_at_once(clips, references)
    posteriors = {OWN: infer_posteriors(added, loaded)}
    return ADDED, true, {system: _decode(system, posteriors) for system in tried if system.picture == OWN}


def _infer_pictures(
    clips: Sequence[Clip], requests: Sequence[BackendRequest], loaded: LoadedBackends
) -> dict[str, dict[str, Posterior]]:
    """Infer posteriors by picture and member, a batch of all clips; those of audio networks with their own alone."""
    with_video = {
        request.instance: loaded.backends[request.instance] for request in requests if request.value.needs_video
    }
    without_audio = {
        name: _without_audio_tokens(backend) for name, backend in with_video.items() if _takes_tokens(backend)
    }
    shown = {
        NONE: [replace(clip, video=None) for clip in clips],
        BLACK: [replace(clip, video=BlackFrames(clip)) for clip in clips],
        FOREIGN: [replace(clip, video=other.video) for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True)],
    }
    only, changed = replace(loaded, backends=with_video), replace(loaded, backends=without_audio)
    return {
        OWN: infer_posteriors(clips, loaded),
        **{name: infer_posteriors(other, only) for name, other in shown.items()},
        NO_AUDIO_TOKENS: infer_posteriors(clips, changed) if without_audio else {},
        NEITHER: infer_posteriors(shown[NONE], changed) if without_audio else {},
    }


def _takes_tokens(backend: BackendModel) -> bool:
    return isinstance(backend, NetworkBackend) and isinstance(backend.network, Cmc)


def _without_audio_tokens(backend: BackendModel) -> BackendModel:
    """Copy the backend such that its network gets no tokens of sound."""
    other = deepcopy(backend)
    assert isinstance(other, NetworkBackend)
    assert isinstance(other.network, Cmc)
    other.network.audio_tokens = replace(other.network.audio_tokens, encoder="none")
    return other


def _decode(system: System, posteriors: Mapping[str, Mapping[str, Posterior]]) -> list[Events]:
    members = posteriors[OWN if system.picture == OFF else system.picture]
    fused = fuse_posteriors({name: members[name] for name in system.members}, FusionSettings("mean"))
    if system.picture == OFF:
        assert fused.onscreen is not None
        fused = replace(fused, onscreen=torch.zeros_like(fused.onscreen))
    return decode_frames(fused)


def _scored(counts: Mapping[System, Counts], with_video: Sequence[str]) -> dict[str, Any]:
    return {
        "scores": [
            {
                "system": system.name,
                "picture": system.picture,
                **{name: bound(score) for name, score in compute_intervals(counted).items()},
                POOLED: {
                    name: bound(score) for name, score in compute_intervals(counted, "micro").items() if name in ASKED
                },
            }
            for system, counted in counts.items()
        ],
        "controls": [
            {"system": name, "picture": picture, **_with_own(counts, name, picture)}
            for name in with_video
            for picture in (NONE, *CONTROLS, NO_AUDIO_TOKENS, NEITHER)
            if System((name,), picture) in counts
        ],
        "members": list(_against(counts)),
    }


def _with_own(counts: Mapping[System, Counts], name: str, picture: str) -> dict[str, Any]:
    """What a network has more of with all that it can have."""
    own, other = System((name,)), System((name,), picture)
    return {**_more(counts, own, other, ASKED), POOLED: _more(counts, own, other, ASKED, "micro")}


def _against(counts: Mapping[System, Counts]) -> Iterator[dict[str, Any]]:
    """Each ensemble less each of its members, and the first network less the others."""
    complete = [system for system in counts if system.picture == OWN]
    alone = [system for system in complete if len(system.members) == 1]
    for system in [*(system for system in complete if len(system.members) > 1), alone[0]]:
        for other in alone:
            if other != system and (other.members[0] in system.members or system == alone[0]):
                pooled = {POOLED: _more(counts, system, other, ASKED, "micro")}
                yield {"system": system.name, "less": other.name, **_more(counts, system, other), **pooled}


def _more(
    counts: Mapping[System, Counts],
    one: System,
    other: System,
    names: Sequence[str] | None = None,
    average: Average = "macro",
) -> dict[str, Any]:
    found = compare_systems(counts[one], counts[other], average)
    return {name: bound(found[name]) for name in names or found}
