"""Another room, another microphone: bands get louder or softer."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.features.stack import find_decibel_slices
from seldfuse.train.augment.gain import AUDIBLE_DB, FLOOR_DB, LOGMEL
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

MOST_DB = 6.0
EDGES = (3, 6)
"""Fewest and most places, both ends counted, between which the gain runs straight."""

NARROWEST_MELS = 6


def filter_bands(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Add a random piecewise linear gain over mel bands to the levels of a share of the clips.

    All channels get the same, so that level differences stay; features that are no levels do not depend on it. No cell
    of the log-mel falls below the floor, and silence stays there.
    Source: Nam, Kim and Park, FilterAugment, ICASSP 2022 (linear type).
    """
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    levels = find_decibel_slices(batch.names)
    if not len(rows) or not levels:
        return batch
    curves_db = torch.from_numpy(_curves(len(rows), batch.features.shape[-1], rng)).to(batch.features)
    curve_db = curves_db[:, None, None]  # (row, 1, 1, mel)
    features = batch.features.clone()
    for name, place in levels.items():
        level_db = batch.features[rows, place]
        features[rows, place] = _filter_logmel(level_db, curve_db) if name == LOGMEL else level_db + curve_db
    return replace(batch, features=features)


def _filter_logmel(
    level_db: Float[Tensor, "row 2 time mel"], curve_db: Float[Tensor, "row 1 1 mel"]
) -> Float[Tensor, "row 2 time mel"]:
    # Where the softer channel has no room left, both stop: to clamp it alone would move the sound.
    room_db = (FLOOR_DB - level_db.amin(dim=1, keepdim=True)).clamp_max(0.0)
    audible = level_db.amax(dim=1, keepdim=True) > AUDIBLE_DB
    return level_db + curve_db.maximum(room_db) * audible


def _curves(count: int, mels: int, rng: np.random.Generator) -> Float[np.ndarray, "count mel"]:
    """Draw gains in dB that run straight between random edges, which lie at least six bands apart."""
    inner = rng.integers(EDGES[0] - 2, EDGES[1] - 1, (count, 1))
    number = np.arange(1, EDGES[1])
    # Edges that a clip does not have are drawn at 1, so that they all fall on its last band.
    drawn = np.sort(np.where(number <= inner, rng.random((count, len(number))), 1.0), axis=1)
    spare = (mels - 1) - NARROWEST_MELS * (inner + 1)
    edge = np.minimum(drawn * spare + NARROWEST_MELS * number, mels - 1)
    edge = np.concatenate([np.zeros((count, 1)), edge], axis=1)
    gain_db = rng.uniform(-MOST_DB, MOST_DB, edge.shape)
    # A sum of ramps, each from one edge to the next: interpolation for all clips at once.
    begin, length = edge[:, :-1, None], np.diff(edge)[:, :, None]
    risen = np.clip((np.arange(mels) - begin) / np.maximum(length, 1e-9), 0.0, 1.0)  # (count, ramp, mel)
    return np.asarray(gain_db[:, :1] + (np.diff(gain_db)[:, :, None] * risen).sum(axis=1))
