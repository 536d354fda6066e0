"""Where a training begins: with the weights of another network, as far as they have a place, or with YAMNet's."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.checkpoint import Checkpoint
from seldfuse.core.labels import LabelSet
from seldfuse.encoders import yamnet, yamnet_seld
from seldfuse.encoders.shipped_weights import load_bundled_weights
from seldfuse.errors import CheckpointError, UsageError
from seldfuse.features.spectrum import get_mel_centers_hz
from seldfuse.features.stack import find_channel_slices, find_feature
from seldfuse.nn.resnet_conformer import Trunk
from seldfuse.train.class_rows import find_class_axes, move_class_rows


def copy_weights(
    network: nn.Module,
    opened: Checkpoint,
    features: Sequence[str],
    labels: LabelSet | None = None,
    build: Callable[[LabelSet], nn.Module] | None = None,
) -> bool:
    """Copy what fits by name and shape, and of the first layer what belongs to features that both take, or alike ones.

    Weights of features that the checkpoint does not take become 0. Where it knows other classes than `labels`, for
    which `build` makes the network, rows of classes that both know are kept, and new ones are fresh. Returns whether
    all features are the checkpoint's own, so that their means and deviations hold. Raises CheckpointError where the
    weights are damaged or none fits, and PluginError where nobody registered one of the checkpoint's features.
    """
    own, known = network.state_dict(), tuple(opened.config["features"])
    sources = _find_sources(features, known)
    weights = {name: weight for name, weight in opened.read_weights().items() if name in own}
    if labels and build and not opened.labels.has_same_classes(labels):
        weights = move_class_rows(weights, own, find_class_axes(build, labels), opened.labels, labels)
    fitted = {name: _fit(weight, own[name], sources) for name, weight in weights.items()}
    copied = {name: weight for name, weight in fitted.items() if weight is not None}
    if not copied:
        raise CheckpointError(f"no weight of the checkpoint has a place in this network: {opened.folder}")
    network.load_state_dict({**own, **copied})
    return set(features) <= set(known)


def _find_sources(features: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Find for each channel of the features the checkpoint's channel whose weights it takes; None where there is none.

    A feature that the checkpoint does not take has the place of the first one that its value calls alike: once they
    are standardized, one can stand for the other.
    """
    places, theirs = find_channel_slices(features), find_channel_slices(known)
    found: list[int | None] = []
    for name, place in places.items():
        width = place.stop - place.start
        candidates = (theirs[other] for other in (name, *find_feature(name).alike) if other in theirs)
        model = next((other for other in candidates if other.stop - other.start == width), None)
        found += range(model.start, model.stop) if model else [None] * width
    return found


def _fit(weight: Tensor, own: Tensor, sources: Sequence[int | None]) -> Tensor | None:
    """Return a weight in the shape of the network's own, channels rearranged if need be; None where that fails."""
    if weight.shape == own.shape:
        return weight
    axes = [axis for axis, size in enumerate(own.shape) if weight.shape[axis : axis + 1] != (size,)]
    if weight.ndim != own.ndim or len(axes) != 1 or own.shape[axes[0]] != len(sources):
        return None
    (axis,) = axes
    if any(source is not None and source >= weight.shape[axis] for source in sources):
        return None
    nothing = torch.zeros_like(weight.select(axis, 0))
    return torch.stack([nothing if n is None else weight.select(axis, n) for n in sources], dim=axis)


def start_class_branch(trunk: Trunk) -> None:
    """Give the class branch of a fresh trunk the weights of its encoder, `yamnet` or `yamnet-seld`, if it has one.

    Raises UsageError for another encoder, and CheckpointError where the weights are missing.
    """
    branch, name = trunk.class_branch, trunk.config.class_branch
    if branch is None:
        return
    if name not in (yamnet.NAME, yamnet_seld.NAME):
        raise UsageError(f"trunk.class_branch takes {yamnet.NAME} or {yamnet_seld.NAME}, got {name!r}")
    weights, _ = load_bundled_weights("model", name)
    if name == yamnet_seld.NAME:
        branch.load_state_dict(weights)
        return
    branch.body.load_state_dict({key: weights[key] for key in branch.body.state_dict()})
    bands, offset = make_yamnet_bands()
    branch.bands.copy_(bands)
    branch.offset.copy_(offset)


def make_yamnet_bands() -> tuple[Float[Tensor, "mel band"], Float[Tensor, "band"]]:
    """Make what turns levels in dB of our mel bands into the logarithms of YAMNet's: `level_db @ bands + offset`.

    Levels are interpolated between the centers of our bands. The offset follows from white noise of density d per
    sample: our bands hold its power, 360 · d · 1024 / 24,000 (a Hann window of 960 samples, triangles of unit area);
    YAMNet's hold magnitudes, on the average √(π/4 · 150 · d · 16/24) times the sum of a triangle, as a spectrum of
    noise has Rayleigh's distribution.
    """
    triangles = yamnet.make_mel_matrix().numpy()
    ours_hz, theirs_hz = get_mel_centers_hz(), yamnet.get_mel_centers_hz()
    places = np.clip(np.interp(theirs_hz, ours_hz, np.arange(len(ours_hz))), 0, len(ours_hz) - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(len(ours_hz))[:, None] - places))
    magnitude = np.sqrt(np.pi / 4 * 150 * 16 / 24) * triangles.sum(axis=0)
    offset = np.log(magnitude / np.sqrt(360 * 1024 / 24_000))
    return torch.from_numpy(weights * (np.log(10.0) / 20.0)).float(), torch.from_numpy(offset).float()
