"""Where a training begins: with the weights of another network, as far as they have a place."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seldfuse.checkpoint import Checkpoint
from seldfuse.errors import CheckpointError
from seldfuse.features.stack import find_channel_slices

ALIKE = {"ild": "intensity", "intensity": "ild"}
"""Features that say the same on another scale: once they are standardised, one can take the other's place."""


def copy_weights(network: nn.Module, opened: Checkpoint, features: Sequence[str]) -> bool:
    """Copies what fits by name and shape, and of the first layer what belongs to features that both hear, or alike.

    Its weights of features that the checkpoint does not hear become 0. Says whether all features are the checkpoint's
    own, so that their means and deviations hold. Raises CheckpointError where the weights are damaged or
    none fits.
    """
    own, known = network.state_dict(), tuple(opened.config["features"])
    sources = _sources(features, known)
    fitted = {name: _fit(weight, own[name], sources) for name, weight in opened.read_weights().items() if name in own}
    copied = {name: weight for name, weight in fitted.items() if weight is not None}
    if not copied:
        raise CheckpointError(f"no weight of the checkpoint has a place in this network: {opened.folder}")
    network.load_state_dict({**own, **copied})
    return set(features) <= set(known)


def _sources(features: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """For each channel of the features the checkpoint's channel whose weights it takes, None where there is none."""
    places, theirs = find_channel_slices(features), find_channel_slices(known)
    found: list[int | None] = []
    for name, place in places.items():
        model = theirs.get(name, theirs.get(ALIKE.get(name, "")))
        found += range(model.start, model.stop) if model else [None] * (place.stop - place.start)
    return found


def _fit(weight: Tensor, own: Tensor, sources: Sequence[int | None]) -> Tensor | None:
    """A weight in the shape of the network's own, its channels rearranged if need be; None where it has no place."""
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
