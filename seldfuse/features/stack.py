"""Several features as the channels of one picture, as the catalogue describes them."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.catalogue.values import Feature
from seldfuse.core.clip_batch import ClipBatch
from seldfuse.errors import PluginError
from seldfuse.features.spectrum import SPECTRA_PER_FRAME


def find_feature(name: str) -> Feature:
    """Find the catalogue's value of a feature. Raises PluginError where there is none of that name."""
    return load_registry().find(Feature, name).value


def stack_features(batch: ClipBatch, names: Sequence[str]) -> Float[Tensor, "batch channel time bin"]:
    """Stack the named features along the channels, five columns per 100 ms frame; a surplus column is dropped.

    Raises PluginError where there is no such feature, or where it has not the shape that its value states.
    """
    columns = batch.frames * SPECTRA_PER_FRAME
    return torch.cat([_compute_feature(batch, name, columns) for name in names], dim=1)


def mirror_features(
    features: Float[Tensor, "batch channel time bin"], names: Sequence[str]
) -> Float[Tensor, "batch channel time bin"]:
    """Compute what `stack_features` would give for the same sound with left and right exchanged.

    Raises PluginError where a feature does not state its mirror image.
    """
    places = find_channel_slices(names)
    return torch.cat([_mirror_feature(find_feature(name), features[:, places[name]]) for name in names], dim=1)


def find_channel_slices(names: Sequence[str]) -> dict[str, slice]:
    """Find which channels of a stack each feature fills. Raises PluginError for a feature that nobody registered."""
    widths = [find_feature(name).channels for name in names]
    return {name: slice(end - width, end) for name, width, end in zip(names, widths, accumulate(widths), strict=True)}


def find_mel_channels(names: Sequence[str]) -> list[int]:
    """Find the channels of a stack whose last axis counts mel bands."""
    places = find_channel_slices(names)
    mel = [places[name] for name in names if find_feature(name).axis == "mel"]
    return [channel for place in mel for channel in range(place.start, place.stop)]


def find_decibel_slices(names: Sequence[str]) -> dict[str, slice]:
    """Find the channels of those features that are levels in dB."""
    places = find_channel_slices(names)
    return {name: place for name, place in places.items() if find_feature(name).level == "decibel"}


def _compute_feature(batch: ClipBatch, name: str, columns: int) -> Float[Tensor, "batch channel time bin"]:
    value, computed = find_feature(name), batch[name]
    part = computed[:, :, :columns]
    expected = (len(batch), value.channels, columns, value.bins)
    if part.shape != expected:
        raise PluginError(
            f"feature {name!r} must be (batch, channel, time, bin) of {expected}, as its value states, or one time "
            f"step longer; {value.compute} gave {tuple(computed.shape)}"
        )
    return part


def _mirror_feature(
    value: Feature, part: Float[Tensor, "batch channel time bin"]
) -> Float[Tensor, "batch channel time bin"]:
    if value.mirror is None:
        raise PluginError(f"feature {value.name!r} does not state what it is with left and right exchanged (mirror)")
    if value.mirror == "same":
        return part
    if value.mirror == "negate":
        return -part
    if value.mirror == "swap":
        return part.roll(value.channels // 2, dims=1)
    return check_shape(load_reference(value.mirror)(part), part, value.mirror)


def check_shape(result: Tensor, part: Tensor, reference: str) -> Tensor:
    """Return what a plugin made of a feature. Raises PluginError where its shape is another."""
    if result.shape != part.shape:
        raise PluginError(f"{reference} must keep the shape {tuple(part.shape)}, got {tuple(result.shape)}")
    return result
