"""A second scene in the same room, out of the picture, so that two sources of one class sound at once more often."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seldfuse.catalogue.load import load_reference
from seldfuse.core.posterior import Posterior
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.errors import PluginError
from seldfuse.features.power_shares import PowerShares
from seldfuse.features.stack import check_shape, find_channel_slices, find_feature
from seldfuse.train.augment.merge_tracks import merge_tracks, replace_rows
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

LOGMEL = "logmel"
"""The feature from which the powers of both sounds are known."""

MOST_DB = 6.0


def overlay_clips(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Add to a share of the clips another clip of the batch, about as loud: powers add up, and directions stay.

    The other clip is the one whose sounds coincide most with the clip's own, class by class, for only such scenes teach
    a network of several tracks to tell sources of one class apart. Its sources are off-screen, as the picture is the
    clip's own; tokens of encoders of sound become the mean of both. Unlike in `mixup`, level differences are those of
    both sounds together. What more sources of a class there are than tracks is left out.

    Raises PluginError where a feature does not state how it adds up.
    """
    if len(batch) < 2 or LOGMEL not in batch.names:
        return batch
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    others = _find_companions(batch.target, rows)
    change_db = torch.from_numpy(rng.uniform(-MOST_DB, MOST_DB, len(rows))).reshape(-1, 1, 1, 1).to(batch.features)
    mixed = _add_features(batch.features[rows], batch.features[others], change_db, batch.names)
    own = batch.target.map(lambda tensor: tensor[rows])
    both = merge_tracks(own, _set_offscreen(batch.target.map(lambda tensor: tensor[others])))
    features = batch.features.index_copy(0, rows, mixed)
    embeddings = {name: _mix_audio_tokens(tokens, rows, others) for name, tokens in batch.embeddings.items()}
    return replace(batch, features=features, target=replace_rows(batch.target, rows, both), embeddings=embeddings)


def _mix_audio_tokens(tokens: EncoderTokens, rows: Tensor, others: Tensor) -> EncoderTokens:
    """Mix tokens of sound; those of pictures stay."""
    if tokens.input != "audio":
        return tokens
    return tokens.map(lambda side: side.index_copy(0, rows, (side[rows] + side[others]) / 2))


def _find_companions(truth: Posterior, rows: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """Find for each clip the other one that sounds together with it most often, of one class."""
    sounding = truth.activity.nan_to_num().amax(dim=3).flatten(1)  # (batch, frame · cls)
    shared = sounding[rows] @ sounding.T
    return shared.scatter(1, rows.unsqueeze(1), -1.0).argmax(dim=1)


def _set_offscreen(truth: Posterior) -> Posterior:
    return truth if truth.onscreen is None else replace(truth, onscreen=torch.zeros_like(truth.onscreen))


def _add_features(
    first: Tensor, second: Tensor, change_db: Tensor, names: tuple[str, ...]
) -> Float[Tensor, "batch channel time bin"]:
    """Compute the features of both sounds at once, the second as loud as the first on the whole, but for the change.

    Sounds are taken to be independent, so that powers add up.
    """
    places = find_channel_slices(names)
    one, two = (10.0 ** (features[:, places[LOGMEL]] / 10.0) for features in (first, second))  # (batch, 2, time, mel)
    whole = [power.mean(dim=(1, 2, 3), keepdim=True) for power in (one, two)]
    gain = whole[0] / whole[1] * 10.0 ** (change_db / 10.0)
    shares = PowerShares(one, two * gain)
    parts = [_add_feature(name, first[:, places[name]], second[:, places[name]], shares) for name in names]
    return torch.cat(parts, dim=1)


def _add_feature(name: str, first: Tensor, second: Tensor, shares: PowerShares) -> Tensor:
    add = find_feature(name).add
    if add is None:
        raise PluginError(f"feature {name!r} does not state what it is of two sounds at once (add)")
    return check_shape(load_reference(add)(first, second, shares), first, add)
