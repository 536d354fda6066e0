"""A second scene in the same room, out of the picture, so that two sources of one class sound at once more often."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seldfuse.core.posterior import Posterior
from seldfuse.encoders.tokens import EncoderTokens
from seldfuse.features.spectrum import get_mel_centers_hz
from seldfuse.features.stack import find_channel_slices
from seldfuse.train.augment.merge_tracks import merge_tracks, replace_rows
from seldfuse.train.augment.rows import draw_rows
from seldfuse.train.batch import TrainingBatch

MOST_DB = 6.0


def overlay_clips(batch: TrainingBatch, share: float, rng: np.random.Generator) -> TrainingBatch:
    """Adds to a share of the clips another clip of the batch, about as loud: powers add up, and each keeps its place.

    The other clip is the one whose sounds coincide most with the clip's own, class by class, for only such scenes teach
    a network of several tracks to tell sources of one class apart. Its sources are off-screen, as the picture is the
    clip's own; what encoders hear is the mean of both. Unlike in `mixup`, level differences are those of both sounds
    together. What more sources of a class there are than tracks is left out.
    """
    if len(batch) < 2 or "logmel" not in batch.names:
        return batch
    rows = draw_rows(len(batch), share, rng, batch.features.device)
    if not len(rows):
        return batch
    others = _companions(batch.target, rows)
    change_db = torch.from_numpy(rng.uniform(-MOST_DB, MOST_DB, len(rows))).reshape(-1, 1, 1, 1).to(batch.features)
    mixed = _add(batch.features[rows], batch.features[others], change_db, batch.names)
    own = batch.target.map(lambda tensor: tensor[rows])
    both = merge_tracks(own, _set_offscreen(batch.target.map(lambda tensor: tensor[others])))
    features = batch.features.index_copy(0, rows, mixed)
    embeddings = {name: _mix_audio_tokens(embedding, rows, others) for name, embedding in batch.embeddings.items()}
    return replace(batch, features=features, target=replace_rows(batch.target, rows, both), embeddings=embeddings)


def _mix_audio_tokens(embedding: EncoderTokens, rows: Tensor, others: Tensor) -> EncoderTokens:
    """Only what is heard has no other side; what is seen stays."""
    if embedding.flipped is not None:
        return embedding
    return embedding.map(lambda tokens: tokens.index_copy(0, rows, (tokens[rows] + tokens[others]) / 2))


def _companions(truth: Posterior, rows: Int[Tensor, "row"]) -> Int[Tensor, "row"]:
    """For each clip the other one that sounds together with it most often, of one class."""
    sounding = truth.activity.amax(dim=3).flatten(1)  # (batch, frame · cls)
    shared = sounding[rows] @ sounding.T
    return shared.scatter(1, rows.unsqueeze(1), -1.0).argmax(dim=1)


def _set_offscreen(truth: Posterior) -> Posterior:
    return truth if truth.onscreen is None else replace(truth, onscreen=torch.zeros_like(truth.onscreen))


def _add(
    first: Tensor, second: Tensor, change_db: Tensor, names: tuple[str, ...]
) -> Float[Tensor, "batch channel time mel"]:
    """The features of both sounds at once, the second as loud as the first on the whole, but for the change.

    Sounds are taken to be independent, so that powers add up. Each scene's level difference is that of its own powers;
    autocorrelations add up with the power of their moment.
    """
    places = find_channel_slices(names)
    one, two = (10.0 ** (features[:, places["logmel"]] / 10.0) for features in (first, second))  # (batch, 2, time, mel)
    whole = [power.mean(dim=(1, 2, 3), keepdim=True) for power in (one, two)]
    gain = whole[0] / whole[1] * 10.0 ** (change_db / 10.0)
    two = two * gain
    mixed = torch.empty_like(first)
    mixed[:, places["logmel"]] = 10.0 * (one + two).log10()
    powers = [power.sum(dim=1, keepdim=True) for power in (one, two)]
    # Each band holds the mean density of its width.
    width_hz = torch.from_numpy(np.gradient(get_mel_centers_hz())).to(first)
    moments = [(power * width_hz).sum(dim=3, keepdim=True) for power in powers]
    for name in names:
        if name != "logmel":
            weights = moments if name == "stpacc" else powers
            mixed[:, places[name]] = _ADDED[name](first[:, places[name]], second[:, places[name]], *weights)
    return mixed


def _ild(first: Tensor, second: Tensor, one: Tensor, two: Tensor) -> Tensor:
    """In dB, from the share of each scene's power that is on its left."""
    left = one * torch.sigmoid(first / _DB) + two * torch.sigmoid(second / _DB)
    return _DB * torch.logit(left / (one + two), eps=1e-6)


def _intensity(first: Tensor, second: Tensor, one: Tensor, two: Tensor) -> Tensor:
    return (one * first + two * second) / (one + two)


def _stpacc(first: Tensor, second: Tensor, one: Tensor, two: Tensor) -> Tensor:
    """A square of autocorrelations whose peak is 1; where resampling rings it may be negative."""
    first, second = (part.sign() * part.abs().sqrt() for part in (first, second))
    mean = _intensity(first, second, one, two)
    return mean.sign() * mean.square()


_DB = 10.0 / float(np.log(10.0))
_ADDED = {"ild": _ild, "intensity": _intensity, "stpacc": _stpacc}
