"""Everything bundled keeps the contracts that authors of plugins test with."""

import pytest

from seldfuse.catalogue.host import load_registry
from seldfuse.core.clip import Clip
from seldfuse.media.inputs import find_clips
from seldfuse.testing import (
    AugmentationContract,
    BackendContract,
    DetectorContract,
    EncoderContract,
    FeatureContract,
    ScoreContract,
    TaskContract,
    WriterContract,
)

REGISTRY = load_registry()


class TestAugmentations(AugmentationContract):
    @pytest.fixture(autouse=True, params=list(REGISTRY.augmentations))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.augmentation = request.param


class TestBackends(BackendContract):
    @pytest.fixture(autouse=True, params=list(REGISTRY.backends))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.backend = request.param


class TestDetectors(DetectorContract):
    """With the engines that ship."""

    @pytest.fixture(autouse=True, params=["keypoint@movenet", "gdino@yolox"])
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.detector = request.param

    def clip(self) -> Clip:
        (clip,) = find_clips(["@demo"])
        return clip


class TestEncoders(EncoderContract):
    """Those whose weights ship with seldfuse; others are skipped where theirs are not here."""

    @pytest.fixture(autouse=True, params=list(REGISTRY.encoders))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.encoder = request.param


class TestFeatures(FeatureContract):
    @pytest.fixture(autouse=True, params=list(REGISTRY.features))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.feature = request.param


class TestScores(ScoreContract):
    @pytest.fixture(autouse=True, params=list(REGISTRY.scores))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.score = request.param


class TestTasks(TaskContract):
    @pytest.fixture(autouse=True, params=[name for name, entry in REGISTRY.backends.items() if entry.value.task])
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.backend = request.param


class TestWriters(WriterContract):
    @pytest.fixture(autouse=True, params=list(REGISTRY.writers))
    def _choose(self, request: pytest.FixtureRequest) -> None:
        self.writer = request.param
