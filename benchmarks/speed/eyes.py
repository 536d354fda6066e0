"""The cost of pictures: audio-visual networks against real time, and pictures encoded together against one by one."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from benchmarks.speed.timing import Case, interleaved
from benchmarks.studies.posteriors import infer_posteriors
from seldfuse.core.clip import Clip
from seldfuse.core.labels import DCASE2025
from seldfuse.encoders.deduplicate import STILL_LEVELS, encode_distinct, find_distinct
from seldfuse.encoders.load import load_encoder
from seldfuse.encoders.models import ImageEncoderModel
from seldfuse.encoders.resize import resize_to_encoder
from seldfuse.inference.load import load_backends
from seldfuse.media.encode import write_video
from seldfuse.media.inputs import find_clips
from seldfuse.synth.draw import SceneIngredients, draw_scene
from seldfuse.synth.pictures.background import BackgroundSet
from seldfuse.synth.pictures.cutout_set import CutoutSet
from seldfuse.synth.pictures.film import FPS, render_frames
from seldfuse.synth.render import render_scenes
from seldfuse.synth.sounds.procedural import build_procedural_bank
from seldfuse.synth.timelines.statistics import SceneStatistics

CLIPS, SEED = 2, 7
CLIP_S = 5.0
LEAST_REAL_TIME_FACTOR = {"mvanet": 4.0, "cmc,sce": 3.0}
"""By the backends of a run."""

LEAST_RATIO = 2.0
MOST_DIFFERENCE = 0.01


def measure(rounds: int, folder: Path) -> dict[str, Any]:
    """Measure on random scenes with drawn pictures, as MP4 files in `folder`; nothing is cached between rounds."""
    clips = write_film_clips(folder)
    runs = {backends: replace(load_backends(backends, "cpu"), token_cache=None) for backends in LEAST_REAL_TIME_FACTOR}
    _save_resnet(folder / "resnet-50")
    resnet = load_encoder(f"resnet50@{folder / 'resnet-50'}", torch.device("cpu")).model
    assert isinstance(resnet, ImageEncoderModel)
    films = [_pictures(clip, resnet) for clip in clips]
    cases = [
        *(
            Case(backends, partial(infer_posteriors, clips, loaded), CLIPS * CLIP_S)
            for backends, loaded in runs.items()
        ),
        Case("together", lambda: [encode_distinct(film, resnet) for film in films], CLIPS * CLIP_S),
        Case("one by one", lambda: [_one_by_one(film, resnet) for film in films], CLIPS * CLIP_S),
    ]
    times = interleaved(cases, rounds)
    return {
        "clips": CLIPS,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "times_real_time": {name: CLIPS * CLIP_S / float(np.median(times[name])) for name in runs},
        "ratio": float(np.median(times["one by one"] / times["together"])),
        "difference": _difference(films, resnet),
        "encoded_share": _encoded_share(films),
    }


def table(result: dict[str, Any]) -> Table:
    view = Table("", "value", "limit")
    for name, least in LEAST_REAL_TIME_FACTOR.items():
        view.add_row(f"{name} with encoders, × real time", f"{result['times_real_time'][name]:.1f}", f"≥ {least:g}")
    view.add_row("ResNet-50: one by one / together, time of a clip", f"{result['ratio']:.2f}", f"≥ {LEAST_RATIO:g}")
    view.add_row("its tokens' difference", f"{result['difference']:.2%}", f"≤ {MOST_DIFFERENCE:.0%}")
    view.add_row("pictures encoded, of all", f"{result['encoded_share']:.0%}", "")
    return view


def write_film_clips(folder: Path) -> list[Clip]:
    """Write random scenes with drawn pictures as MP4 files."""
    bank = build_procedural_bank(DCASE2025, held_out=False, count=2)
    stage = SceneIngredients(
        bank, SceneStatistics.load(), 0.5, cutouts=CutoutSet(DCASE2025), backgrounds=BackgroundSet()
    )
    assert stage.cutouts is not None
    assert stage.backgrounds is not None
    rng = np.random.default_rng(SEED)
    for number in range(CLIPS):
        scene = draw_scene(stage, rng)
        film = list(render_frames(scene, stage.cutouts, stage.backgrounds, fps=FPS))
        write_video(folder / f"{number}.mp4", film, Fraction(FPS), render_scenes([scene], bank).audio[0].numpy())
    return find_clips([folder])


def _save_resnet(folder: Path) -> None:
    """A ResNet-50 of random weights: what it costs does not depend on them."""
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    ResNetModel(ResNetConfig()).save_pretrained(folder)


def _pictures(clip: Clip, encoder: ImageEncoderModel) -> Tensor:
    assert clip.video is not None
    shown = clip.video.frames(float(encoder.rate_hz), 0.0, CLIP_S)
    return torch.stack([resize_to_encoder(one.rgb, clip.camera, encoder.height_px, encoder.width_px) for one in shown])


def _one_by_one(film: Tensor, encoder: ImageEncoderModel) -> Tensor:
    return torch.cat([encoder.encode(picture[None]) for picture in film])


def _difference(films: Sequence[Tensor], encoder: ImageEncoderModel) -> float:
    """Of what was shared by like pictures, as a share of the tokens' mean size."""
    pairs = [(encode_distinct(film, encoder), _one_by_one(film, encoder)) for film in films]
    off = sum(float((shared - own).abs().sum()) for shared, own in pairs)
    return off / sum(float(own.abs().sum()) for _, own in pairs)


def _encoded_share(films: Sequence[Tensor]) -> float:
    chosen = sum(len(find_distinct(film, STILL_LEVELS)[0]) for film in films)
    return chosen / sum(map(len, films))
