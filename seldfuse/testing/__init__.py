"""What authors of plugins test with: a contract for each kind of value, small recordings, and offline installs.

A contract is a class of pytest tests. A subclass in a plugin's tests says what it is about:

    class TestPanning(BackendContract):
        backend = "panning"
"""

from seldfuse.testing.augmentations import AugmentationContract
from seldfuse.testing.backends import BackendContract
from seldfuse.testing.detectors import DetectorContract
from seldfuse.testing.encoders import EncoderContract
from seldfuse.testing.features import FeatureContract
from seldfuse.testing.install import install_distribution
from seldfuse.testing.postprocessors import PostProcessorContract
from seldfuse.testing.samples import tiny_batch, tiny_result
from seldfuse.testing.scores import ScoreContract
from seldfuse.testing.sounds import noise_clip, panned_clip, silent_clip, video_clip
from seldfuse.testing.tasks import TaskContract
from seldfuse.testing.values import registry_with
from seldfuse.testing.writers import WriterContract

__all__ = [
    "AugmentationContract",
    "BackendContract",
    "DetectorContract",
    "EncoderContract",
    "FeatureContract",
    "PostProcessorContract",
    "ScoreContract",
    "TaskContract",
    "WriterContract",
    "install_distribution",
    "noise_clip",
    "panned_clip",
    "registry_with",
    "silent_clip",
    "tiny_batch",
    "tiny_result",
    "video_clip",
]
