"""What is timed: every stage of a run, the run from end to end, and the challenge's baseline beside it."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.baseline import features
from benchmarks.baseline.sounding import build_constant_network
from benchmarks.speed.timing import Case
from benchmarks.studies.material import (
    BATCH,
    CLIP_S,
    cut_clips,
    demo,
    draw_events,
    sound_of,
    write_clips,
    write_references_and_predictions,
)
from benchmarks.studies.ways import FUSION, hear_clips, run_baseline, run_seldfuse
from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip_batch import FeatureFunction
from seldfuse.core.run_stats import RunStats
from seldfuse.features.load import find_function, make_batch
from seldfuse.formats import dcase
from seldfuse.formats.folder import find_label_files
from seldfuse.fusion import decode_frames, fuse_posteriors
from seldfuse.inference.clips import LoadedBackends
from seldfuse.media.inputs import find_clips
from seldfuse.metrics.counts import count_matches
from seldfuse.metrics.jackknife import compute_intervals
from seldfuse.metrics.scores import compute_scores
from seldfuse_baseline.network import BaselineNetwork

EVAL_CLIPS = 100
SPEECH_AND_MUSIC = (0, 8)


def cases(folder: Path, loaded: LoadedBackends) -> list[Case]:
    """List all cases, on files that are written to `folder`."""
    wavs = write_clips(folder / "clips", cut_clips(BATCH))
    network = build_constant_network(SPEECH_AND_MUSIC)
    return [
        *_media(wavs[0]),
        *_features(1),
        *_features(BATCH),
        *_networks(loaded, network, 1),
        *_networks(loaded, network, BATCH),
        *_fusion(wavs[0], loaded),
        *_files(folder),
        *_ways(wavs[:1], loaded, network, folder),
        *_ways(wavs, loaded, network, folder),
    ]


def _media(wav: Path) -> list[Case]:
    (clip,), video = find_clips([wav]), demo()
    pictures, video_s = video.video, video.audio.duration_s
    assert pictures is not None
    assert video_s is not None
    return [
        Case("wav, sound", partial(sound_of, clip), CLIP_S),
        Case("mp4, sound", partial(sound_of, video), video_s),
        Case("mp4, 10 pictures a second", lambda: list(pictures.frames()), video_s),
    ]


def _features(size: int) -> list[Case]:
    """Each feature by itself: what it builds on was computed before."""
    audio = cut_clips(size)
    batch = make_batch(torch.from_numpy(audio))
    own = [Case(f"{name}, batch {size}", partial(feature, batch), size * CLIP_S) for name, feature in _all_features()]
    theirs = Case(
        f"baseline log-mel, batch {size}",
        lambda: [features.compute_baseline_logmel(clip) for clip in audio],
        size * CLIP_S,
    )
    return [*own, theirs]


def _all_features() -> list[tuple[str, FeatureFunction]]:
    return [(name, find_function(name)) for name in (*load_registry().features, "compact-audio")]


def _networks(loaded: LoadedBackends, network: BaselineNetwork, size: int) -> list[Case]:
    """Each network by itself, from features to what it means."""
    batch = make_batch(torch.from_numpy(cut_clips(size)))
    logmel = batch["logmel"]
    own = [
        Case(f"{name}, batch {size}", partial(backend.infer, batch), size * CLIP_S)
        for name, backend in loaded.backends.items()
    ]
    return [*own, Case(f"baseline network, batch {size}", partial(_infer, network, logmel), size * CLIP_S)]


@torch.inference_mode()
def _infer(network: BaselineNetwork, logmel: Float[Tensor, "batch 2 251 64"]) -> Float[Tensor, "batch 50 117"]:
    raw: Tensor = network(logmel)
    return raw


def _fusion(wav: Path, loaded: LoadedBackends) -> list[Case]:
    (result,) = hear_clips(find_clips([wav]), loaded, RunStats())
    return [
        Case("fusion", partial(fuse_posteriors, result.members, FUSION), CLIP_S),
        Case("decoding to events", partial(decode_frames, result.posterior, FUSION.decode), CLIP_S),
    ]


def _files(folder: Path) -> list[Case]:
    reference, prediction = folder / "references", folder / "predictions"
    write_references_and_predictions(reference, prediction, EVAL_CLIPS)
    events = draw_events(np.random.default_rng(0))
    return [
        Case("writing a CSV", partial(dcase.write_events, events, folder / "written.csv"), CLIP_S),
        Case(f"eval of {EVAL_CLIPS} clips", partial(_evaluate, reference, prediction), EVAL_CLIPS * CLIP_S),
    ]


def _evaluate(reference: Path, prediction: Path) -> None:
    """What `seldfuse eval` does, but for showing it."""
    references, predictions = (
        dcase.read_many(list(find_label_files(folder).values())) for folder in (reference, prediction)
    )
    counts = count_matches(references, predictions)
    compute_scores(counts)
    compute_intervals(counts)


def _ways(wavs: list[Path], loaded: LoadedBackends, network: BaselineNetwork, folder: Path) -> list[Case]:
    """From WAV files to CSV files, with all models loaded."""
    clips, clips_s = find_clips(wavs), len(wavs) * CLIP_S
    many = "1 clip" if len(wavs) == 1 else f"{len(wavs)} clips"
    (folder / "baseline").mkdir(exist_ok=True)
    return [
        Case(f"wav to CSV, {many}", lambda: run_seldfuse(clips, loaded, folder / "seldfuse", RunStats()), clips_s),
        Case(
            f"baseline's wav to CSV, {many}",
            partial(run_baseline, wavs, network, folder / "baseline"),
            clips_s,
        ),
    ]
