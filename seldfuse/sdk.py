"""Everything that a plugin's files import, and all that they may rely on.

Names are imported when they are first used: values, `hookimpl` and errors bring no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seldfuse.catalogue.hooks import hookimpl
    from seldfuse.catalogue.models import BackendModel, DetectorModel
    from seldfuse.catalogue.values import (
        API_VERSION,
        Augmentation,
        Backend,
        Detector,
        Encoder,
        Feature,
        PairLimits,
        PostProcessor,
        PublishedWeights,
        Score,
        Writer,
    )
    from seldfuse.checkpoint import check_network_settings, find_bundled_file
    from seldfuse.compat.onnx import get_device_name, open_session
    from seldfuse.compat.packages import require_packages
    from seldfuse.compat.torchvision import drop_overlaps, load_torchvision
    from seldfuse.compat.transformers import import_transformers
    from seldfuse.core.clip import Clip, Frame
    from seldfuse.core.clip_batch import ClipBatch
    from seldfuse.core.detections import DETECTION_COLUMNS, KEYPOINTS, PERSON, UNTRACKED, Detections
    from seldfuse.core.directions import azimuth_from_direction, direction_from_azimuth, fold_to_front, normalize
    from seldfuse.core.events import Events
    from seldfuse.core.geometry import Camera, fold_azimuth
    from seldfuse.core.grid import FRAMES_PER_S, SAMPLE_RATE_HZ, TRACKS
    from seldfuse.core.labels import DCASE2025, Label, LabelSet
    from seldfuse.core.posterior import Posterior
    from seldfuse.core.result import Result
    from seldfuse.core.rules import Rule, Rules
    from seldfuse.encoders.compact_audio import encode_logmel
    from seldfuse.encoders.models import AudioEncoderModel, AudioTokens, ImageEncoderModel, LogmelEncoderModel
    from seldfuse.errors import CheckpointError, MediaError, PluginError, SeldfuseError, UsageError
    from seldfuse.features.logmel import compute_logmel, compute_logmel_at
    from seldfuse.features.power_shares import PowerShares
    from seldfuse.features.stack import stack_features
    from seldfuse.fusion.unify import merge_duplicate_tracks
    from seldfuse.inference.network_backend import NetworkBackend
    from seldfuse.metrics.counts import Counts
    from seldfuse.metrics.rows import EventRows
    from seldfuse.nn.accddoa import posterior_from_accddoa
    from seldfuse.nn.audio_guided import AudioGuidedAttention
    from seldfuse.nn.azimuth_bins import AzimuthHead, compute_azimuth_loss, get_bin_centers_deg, read_azimuth
    from seldfuse.nn.band_attention import BandAttention
    from seldfuse.nn.conformer import ConformerBlock
    from seldfuse.nn.cross_attention import GatedCrossAttention
    from seldfuse.nn.heads import build_linear_head, build_mlp_head
    from seldfuse.nn.log_distance import DistanceHead, compute_distance_loss, read_distance, split_distance
    from seldfuse.nn.onscreen_attention import ColumnEmbedding, OnscreenAttention
    from seldfuse.nn.polar_place import posterior_from_polar
    from seldfuse.nn.resnet_conformer import HOPS_PER_FRAME, Trunk, TrunkConfig
    from seldfuse.nn.seen_place import SeenPlace
    from seldfuse.storage.atomic import write_atomically
    from seldfuse.storage.digest import hash_bytes, hash_text
    from seldfuse.train.adpit import adpit_loss, adpit_onscreen_loss, adpit_targets
    from seldfuse.train.batch import TrainingBatch
    from seldfuse.train.losses import activity_loss
    from seldfuse.train.task import TrainingTask
    from seldfuse.vision.engines import EngineCatalogue, EngineEntry
    from seldfuse.vision.recorded import read_recorded
    from seldfuse.vision.yolox import load_yolox
    from seldfuse.weights.conversion import ConvertedNetwork, ForeignWeights
    from seldfuse.weights.find import CONFIG, FRONT_END, VOCABULARY, WeightFiles, find_weights, is_downloaded
    from seldfuse.weights.training_file import find_tensors

_NAMES = {
    # What a plugin registers
    "seldfuse.catalogue.hooks": ("hookimpl",),
    "seldfuse.catalogue.values": (
        "API_VERSION",
        "Augmentation",
        "Backend",
        "Detector",
        "Encoder",
        "Feature",
        "PairLimits",
        "PostProcessor",
        "PublishedWeights",
        "Score",
        "Writer",
    ),
    # What the engine asks of what is loaded
    "seldfuse.catalogue.models": (
        "BackendModel",
        "DetectorModel",
    ),
    "seldfuse.encoders.models": (
        "AudioEncoderModel",
        "AudioTokens",
        "ImageEncoderModel",
        "LogmelEncoderModel",
    ),
    "seldfuse.train.task": ("TrainingTask",),
    "seldfuse.train.batch": ("TrainingBatch",),
    # Values
    "seldfuse.core.clip": (
        "Clip",
        "Frame",
    ),
    "seldfuse.core.grid": (
        "FRAMES_PER_S",
        "SAMPLE_RATE_HZ",
        "TRACKS",
    ),
    "seldfuse.core.clip_batch": ("ClipBatch",),
    "seldfuse.core.detections": (
        "DETECTION_COLUMNS",
        "Detections",
        "KEYPOINTS",
        "PERSON",
        "UNTRACKED",
    ),
    "seldfuse.core.events": ("Events",),
    "seldfuse.core.geometry": (
        "Camera",
        "fold_azimuth",
    ),
    "seldfuse.core.labels": (
        "DCASE2025",
        "Label",
        "LabelSet",
    ),
    "seldfuse.core.posterior": ("Posterior",),
    "seldfuse.core.result": ("Result",),
    "seldfuse.core.rules": (
        "Rule",
        "Rules",
    ),
    "seldfuse.metrics.counts": ("Counts",),
    "seldfuse.metrics.rows": ("EventRows",),
    # Directions
    "seldfuse.core.directions": (
        "azimuth_from_direction",
        "direction_from_azimuth",
        "fold_to_front",
        "normalize",
    ),
    # Networks
    "seldfuse.inference.network_backend": ("NetworkBackend",),
    "seldfuse.checkpoint": (
        "check_network_settings",
        "find_bundled_file",
    ),
    "seldfuse.features.power_shares": ("PowerShares",),
    "seldfuse.features.stack": ("stack_features",),
    "seldfuse.features.logmel": (
        "compute_logmel",
        "compute_logmel_at",
    ),
    "seldfuse.fusion.unify": ("merge_duplicate_tracks",),
    "seldfuse.encoders.compact_audio": ("encode_logmel",),
    "seldfuse.nn.accddoa": ("posterior_from_accddoa",),
    "seldfuse.nn.audio_guided": ("AudioGuidedAttention",),
    "seldfuse.nn.azimuth_bins": (
        "AzimuthHead",
        "compute_azimuth_loss",
        "read_azimuth",
        "get_bin_centers_deg",
    ),
    "seldfuse.nn.band_attention": ("BandAttention",),
    "seldfuse.nn.conformer": ("ConformerBlock",),
    "seldfuse.nn.cross_attention": ("GatedCrossAttention",),
    "seldfuse.nn.heads": (
        "build_linear_head",
        "build_mlp_head",
    ),
    "seldfuse.nn.log_distance": (
        "DistanceHead",
        "compute_distance_loss",
        "read_distance",
        "split_distance",
    ),
    "seldfuse.nn.onscreen_attention": (
        "ColumnEmbedding",
        "OnscreenAttention",
    ),
    "seldfuse.nn.polar_place": ("posterior_from_polar",),
    "seldfuse.nn.seen_place": ("SeenPlace",),
    "seldfuse.nn.resnet_conformer": (
        "HOPS_PER_FRAME",
        "Trunk",
        "TrunkConfig",
    ),
    # Losses
    "seldfuse.train.losses": ("activity_loss",),
    "seldfuse.train.adpit": (
        "adpit_loss",
        "adpit_onscreen_loss",
        "adpit_targets",
    ),
    # Detectors
    "seldfuse.vision.engines": (
        "EngineCatalogue",
        "EngineEntry",
    ),
    "seldfuse.vision.recorded": ("read_recorded",),
    "seldfuse.vision.yolox": ("load_yolox",),
    "seldfuse.weights.find": (
        "CONFIG",
        "FRONT_END",
        "VOCABULARY",
        "WeightFiles",
        "find_weights",
        "is_downloaded",
    ),
    # Weights of others
    "seldfuse.weights.conversion": (
        "ConvertedNetwork",
        "ForeignWeights",
    ),
    "seldfuse.weights.training_file": ("find_tensors",),
    "seldfuse.compat.onnx": (
        "get_device_name",
        "open_session",
    ),
    "seldfuse.compat.packages": ("require_packages",),
    "seldfuse.compat.torchvision": (
        "drop_overlaps",
        "load_torchvision",
    ),
    "seldfuse.compat.transformers": ("import_transformers",),
    # Files and errors
    "seldfuse.storage.atomic": ("write_atomically",),
    "seldfuse.storage.digest": (
        "hash_bytes",
        "hash_text",
    ),
    "seldfuse.errors": (
        "CheckpointError",
        "MediaError",
        "PluginError",
        "SeldfuseError",
        "UsageError",
    ),
}

_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [
    "API_VERSION",
    "CONFIG",
    "DCASE2025",
    "DETECTION_COLUMNS",
    "FRAMES_PER_S",
    "FRONT_END",
    "HOPS_PER_FRAME",
    "KEYPOINTS",
    "PERSON",
    "SAMPLE_RATE_HZ",
    "TRACKS",
    "UNTRACKED",
    "VOCABULARY",
    "AudioEncoderModel",
    "AudioGuidedAttention",
    "AudioTokens",
    "Augmentation",
    "AzimuthHead",
    "Backend",
    "BackendModel",
    "BandAttention",
    "Camera",
    "CheckpointError",
    "Clip",
    "ClipBatch",
    "ColumnEmbedding",
    "ConformerBlock",
    "ConvertedNetwork",
    "Counts",
    "Detections",
    "Detector",
    "DetectorModel",
    "DistanceHead",
    "Encoder",
    "EngineCatalogue",
    "EngineEntry",
    "EventRows",
    "Events",
    "Feature",
    "ForeignWeights",
    "Frame",
    "GatedCrossAttention",
    "ImageEncoderModel",
    "Label",
    "LabelSet",
    "LogmelEncoderModel",
    "MediaError",
    "NetworkBackend",
    "OnscreenAttention",
    "PairLimits",
    "PluginError",
    "PostProcessor",
    "Posterior",
    "PowerShares",
    "PublishedWeights",
    "Result",
    "Rule",
    "Rules",
    "Score",
    "SeenPlace",
    "SeldfuseError",
    "TrainingBatch",
    "TrainingTask",
    "Trunk",
    "TrunkConfig",
    "UsageError",
    "WeightFiles",
    "Writer",
    "activity_loss",
    "adpit_loss",
    "adpit_onscreen_loss",
    "adpit_targets",
    "azimuth_from_direction",
    "build_linear_head",
    "build_mlp_head",
    "check_network_settings",
    "compute_azimuth_loss",
    "compute_distance_loss",
    "compute_logmel",
    "compute_logmel_at",
    "direction_from_azimuth",
    "drop_overlaps",
    "encode_logmel",
    "find_bundled_file",
    "find_tensors",
    "find_weights",
    "fold_azimuth",
    "fold_to_front",
    "get_bin_centers_deg",
    "get_device_name",
    "hash_bytes",
    "hash_text",
    "hookimpl",
    "import_transformers",
    "is_downloaded",
    "load_torchvision",
    "load_yolox",
    "merge_duplicate_tracks",
    "normalize",
    "open_session",
    "posterior_from_accddoa",
    "posterior_from_polar",
    "read_azimuth",
    "read_distance",
    "read_recorded",
    "require_packages",
    "split_distance",
    "stack_features",
    "write_atomically",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'seldfuse.sdk' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
