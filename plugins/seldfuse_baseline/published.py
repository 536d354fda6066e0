"""Weights of the challenge's own training code: their names in this package's network, and what is refused.

`main.py` of `DCASE2025_seld_baseline` saves them as `seld_model`, beside the optimizer, the epoch and the best scores.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from seldfuse.sdk import (
    FRAMES_PER_S,
    SAMPLE_RATE_HZ,
    TRACKS,
    CheckpointError,
    ConvertedNetwork,
    ForeignWeights,
    UsageError,
    find_tensors,
)
from seldfuse_baseline.network import AUDIO_CHANNELS, ELEMENTS, MEL_POOLS, MELS, BaselineConfig, BaselineNetwork

SOURCE = "the audio model of the DCASE 2025 Task 3 baseline (`DCASE2025_seld_baseline`)"

NAMES = (
    (r"conv_blocks\.(\d+)\.conv\.", r"convolutions.\1.0."),
    (r"conv_blocks\.(\d+)\.bn\.", r"convolutions.\1.1."),
    (r"gru\.", "recurrent."),
    (r"mhsa_layers\.", "attentions."),
    (r"layer_norms\.", "norms."),
    (r"fnn_list\.0\.", "hidden."),
    (r"fnn_list\.1\.", "output."),
)
"""Beginnings of the names there and here."""

PICTURES = ("visual_embed_to_d_model.", "transformer_decoder")
"""Beginnings of the names that only the audio-visual model has."""

FRAME_MS = 1000 / FRAMES_PER_S
FAULTS_NAMED = 3


def convert(weights: ForeignWeights) -> ConvertedNetwork:
    """Build the network of the weights that the challenge's code saved.

    Raises CheckpointError for another layout, and UsageError where an option does not fit.
    """
    tensors = find_tensors(weights.file, "seld_model")
    _check_kind(tensors, weights)
    config = _read_config(tensors, weights)
    network = BaselineNetwork(config, len(weights.labels)).eval()
    own = network.state_dict()
    _check_shapes(tensors, own, weights)
    network.load_state_dict({**own, **{_rename(name): tensor for name, tensor in tensors.items()}})
    if weights.scaler:
        if weights.scaler.mean.shape[1] != MELS:
            raise UsageError(f"--scaler must hold {MELS} mel bands a channel, got {weights.scaler.mean.shape[1]}")
        network.set_statistics(weights.scaler.mean, weights.scaler.deviation)
    return ConvertedNetwork(network, {"features": ["logmel"], "network": network.settings()}, SOURCE)


def _check_kind(tensors: Mapping[str, Tensor], weights: ForeignWeights) -> None:
    """Refuse the relatives of the network: with pictures, of another array, of one track, of other classes."""
    path = weights.file.path
    if any(name.startswith(PICTURES) for name in tensors):
        raise CheckpointError(
            f"these are weights of the audio-visual model, which cannot be imported yet; name those of the audio "
            f"model (modality 'audio'): {path}"
        )
    needed = ("conv_blocks.0.conv.weight", "gru.weight_hh_l0", "fnn_list.1.weight")
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise CheckpointError(f"expected weights of {SOURCE}, but there is no {missing[0]}: {path}")
    channels, outputs = tensors[needed[0]].shape[1], tensors[needed[2]].shape[0]
    if channels != AUDIO_CHANNELS:
        raise CheckpointError(f"expected a network of stereo, two channels of log-mel, got {channels} channels: {path}")
    classes = len(weights.labels)
    if outputs == ELEMENTS * classes:
        raise CheckpointError(
            f"these are weights of a single-track network (multiACCDOA False), which cannot be imported; expected "
            f"{TRACKS} tracks: {path}"
        )
    if outputs != TRACKS * ELEMENTS * classes:
        raise CheckpointError(
            f"expected {TRACKS * ELEMENTS * classes} outputs, {TRACKS} tracks of {ELEMENTS} numbers for each of "
            f"{classes} classes, got {outputs}; name the network's classes with --labels: {path}"
        )


def _read_config(tensors: Mapping[str, Tensor], weights: ForeignWeights) -> BaselineConfig:
    dim = tensors["gru.weight_hh_l0"].shape[1]
    if weights.heads < 1 or dim % weights.heads:
        raise UsageError(f"--heads must divide the network's width {dim}, got {weights.heads}")
    return BaselineConfig(
        channels=tensors["conv_blocks.0.conv.weight"].shape[0],
        dim=dim,
        heads=weights.heads,
        recurrent_layers=_count(tensors, r"gru\.weight_ih_l\d+"),
        attention_layers=_count(tensors, r"mhsa_layers\.\d+\.in_proj_weight"),
        columns_per_frame=_count_columns(weights.hop_ms),
        last_column=True,
    )


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in tensors)


def _count_columns(hop_ms: float) -> int:
    columns = round(FRAME_MS / hop_ms) if hop_ms > 0 else 0
    samples = SAMPLE_RATE_HZ // FRAMES_PER_S
    if columns < 1 or abs(columns * hop_ms - FRAME_MS) > 1e-6 or samples % columns:
        raise UsageError(f"--hop-ms must divide a frame of {FRAME_MS:g} ms, such as 20 or 10, got {hop_ms:g}")
    return columns


def _rename(name: str) -> str:
    for there, here in NAMES:
        renamed, count = re.subn(rf"^{there}", here, name)
        if count:
            return renamed
    return name


def _check_shapes(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], weights: ForeignWeights) -> None:
    """Raise CheckpointError where tensors are left over, missing, or of other shapes."""
    given = {_rename(name): name for name in tensors}
    # The published network has no scaler, and old files no counters of training steps.
    needed = [name for name in own if name not in ("mean", "deviation") and not name.endswith("num_batches_tracked")]
    faults = [f"{name} is left over" for here, name in given.items() if here not in own]
    faults += [f"the network's {name} is missing" for name in needed if name not in given]
    faults += [
        f"{given[name]} is {_shape(tensors[given[name]])}, not {_shape(own[name])}"
        for name in needed
        if name in given and tensors[given[name]].shape != own[name].shape
    ]
    if faults:
        raise CheckpointError(
            f"expected {SOURCE}: {len(MEL_POOLS)} convolutions over {MELS} mel bands, recurrent and attention layers, "
            f"two linear layers of one width; {'; '.join(faults[:FAULTS_NAMED])}: {weights.file.path}"
        )


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a number"
