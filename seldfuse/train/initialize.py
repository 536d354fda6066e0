"""Where a training begins: with the weights of another network, as far as they have a place."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seldfuse.checkpoint import Checkpoint
from seldfuse.errors import CheckpointError
from seldfuse.features.stack import find_channel_slices, find_feature


def copy_weights(network: nn.Module, opened: Checkpoint, features: Sequence[str]) -> bool:
    """Copy what fits by name and shape, and of the first layer what belongs to features that both take, or alike ones.

    Weights of features that the checkpoint does not take become 0. Returns whether all features are the checkpoint's
    own, so that their means and deviations hold. Raises CheckpointError where the weights are damaged or none fits,
    and PluginError where nobody registered one of the checkpoint's features.
    """
    own, known = network.state_dict(), tuple(opened.config["features"])
    sources = _find_sources(features, known)
    fitted = {name: _fit(weight, own[name], sources) for name, weight in opened.read_weights().items() if name in own}
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
