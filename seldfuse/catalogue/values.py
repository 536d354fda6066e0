"""What can be added to seldfuse, each kind as one frozen value; nothing here loads a model or imports torch.

A `Ref` is a reference `"module:attribute"`, imported when it is first used, so that values can be listed quickly and
sent to other processes. `docs/plugins.md` shows every kind whole.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

API_VERSION = 2
"""The promises between engine and plugins; a plugin states the one that it was written for."""

Ref = str

SETTINGS_FILES = ("config.json", "preprocessor_config.json")
"""Beside published weights: the settings of the network, and how a picture or a sound is prepared for it."""

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""In the order of preference. The second is a pickle, of which nothing but tensors is read."""


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that others published: those that an encoder or a detector asks for where nobody names others, and those
    that a backend can import.

    `users` are the names under which they are asked for, `size_mb` is approximate. `settings` are the files that belong
    to them, `weights` the names that their own file can have. `address` is that of the file itself, for weights that no
    hub has, and `git_blob` the name by which git knows its content.
    """

    reference: str
    users: tuple[str, ...]
    size_mb: int
    license: str
    settings: tuple[str, ...] = SETTINGS_FILES
    weights: tuple[str, ...] = WEIGHT_FILES
    address: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, kw_only=True)
class CatalogueValue:
    """What every kind of value says of itself.

    `requires` lists the modules without which it does not work, by their top-level names, and `extra` the optional
    dependencies of its own distribution that bring them.
    """

    kind: ClassVar[str] = "value"

    name: str
    summary: str
    api_version: int
    aliases: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None
    license: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Feature(CatalogueValue):
    """A feature of stereo sound that networks take, five time steps for each 100 ms frame.

    `compute` names `(ClipBatch) -> Tensor (batch, channel, time, bin)`, with `channels` channels and `bins` bins; a
    surplus time step at the end is dropped. `axis` is what the bins are: band masks and shifts act on "mel", bands of
    equal width in mel from 0 to 12 kHz. `needs` are features that `compute` asks the batch for.

    What training may do with it: `mirror` exchanges left and right, `(Tensor) -> Tensor`, or "same", "negate", or
    "swap" for the first and second half of the channels; `add` gives the feature of two sounds at once, `(first,
    second, PowerShares) -> Tensor`; `level` says that it is independent of the level of the sound, or that it is a
    level in dB, which gain, band filters and band limits change. None refuses what would need it.

    `alike` are features whose first-layer weights can start this one's. With `listed` False it is an intermediate
    result, which others build on and nobody is shown.

    >>> from seldfuse.sdk import Feature
    >>> value = Feature(
    ...     name="gcc", api_version=2, summary="generalized cross-correlation", compute="acme.gcc:compute",
    ...     axis="lag", mirror="acme.gcc:mirror", level="independent",
    ... )
    >>> value.kind, value.channels, value.add
    ('feature', 1, None)
    """

    kind: ClassVar[str] = "feature"

    compute: Ref
    channels: int = 1
    bins: int = 64
    axis: Literal["mel", "lag", "other"] = "other"
    needs: tuple[str, ...] = ()
    mirror: Ref | Literal["same", "negate", "swap"] | None = None
    add: Ref | None = None
    level: Literal["independent", "decibel"] | None = None
    alike: tuple[str, ...] = ()
    listed: bool = True


@dataclass(frozen=True)
class PairLimits:
    """What a matched pair of true and predicted source must meet to be a hit; None is no limit."""

    azimuth_deg: float | None = None
    relative_distance: float | None = None
    onscreen: bool = False


@dataclass(frozen=True, kw_only=True)
class Score(CatalogueValue):
    """A number that says how well events were found.

    An F score states its `limits`. Any other names `compute`, `(Counts) -> Float64[ndarray, "*set cls"]`, over the sums
    of `count`, `(truth: EventRows, prediction: EventRows) -> Mapping[str, ndarray]`, which gives a number for every
    matched pair.

    `unit`, `digits` and `title` are for tables, `meaning` is one line of explanation. `higher_is_better` is what
    training, tuning and cards go by, `value_range` what it can be, which intervals do not leave (an F score's is 0 to
    1). `needs` are the fields without which it is NaN. `absent_class` says how the mean
    over classes treats a class that is nowhere. With `can_fit` fusion may be fitted to it.

    >>> from seldfuse.sdk import PairLimits, Score
    >>> value = Score(
    ...     name="f10", api_version=2, summary="F score at 10°", title="F10", meaning="F: at most 10° off",
    ...     higher_is_better=True, limits=PairLimits(azimuth_deg=10.0),
    ... )
    >>> value.absent_class
    'skip'
    """

    kind: ClassVar[str] = "score"

    title: str
    meaning: str
    higher_is_better: bool
    unit: Literal["", "°", "m"] = ""
    digits: int = 3
    limits: PairLimits | None = None
    count: Ref | None = None
    compute: Ref | None = None
    needs: tuple[Literal["azimuth", "distance", "onscreen"], ...] = ()
    absent_class: Literal["zero", "skip"] = "skip"
    can_fit: bool = False
    value_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        if self.limits is not None:
            object.__setattr__(self, "value_range", (0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Augmentation(CatalogueValue):
    """A random change of the training data, applied in the order of `order` (then of names).

    `apply` names `(TrainingBatch, amount, numpy Generator) -> TrainingBatch`, or with `stage` "audio" `(Tensor (batch,
    2, sample), amount, Generator) -> Tensor`, for clips from folders, before features are made of them: random scenes
    have a recording chain of their own. `amount` is a share of the clips from 0 to 1, or a number of decibels. An
    amount of 0 draws no random number. `default` is that of recipes that do not name it; a plugin's is 0, for to
    install one must not change a training.

    `uses` are those statements of a feature (`mirror`, `add`, `level`) without which it cannot be applied; "axis" says
    that it needs mel bands where the level is in dB. `features` are those that it cannot do without.

    >>> from seldfuse.sdk import Augmentation
    >>> Augmentation(name="hum", api_version=2, summary="hum", apply="acme.hum:add", order=5, stage="audio").default
    0.0
    """

    kind: ClassVar[str] = "augmentation"

    apply: Ref
    order: int
    stage: Literal["audio", "batch"] = "batch"
    amount: Literal["share", "decibel"] = "share"
    default: float = 0.0
    uses: tuple[Literal["mirror", "add", "level", "axis"], ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encoder(CatalogueValue):
    """A frozen network that turns pictures or sound into tokens for others.

    `load` names `(weights: str | None, device) -> ImageEncoderModel | AudioEncoderModel | LogmelEncoderModel`, by
    `input`. One that takes "logmel" follows what augmentation does to the log-mel spectrogram. `has_mirror`: tokens of
    the flipped picture exist. `published` are weights on a model hub.

    >>> from seldfuse.sdk import Encoder
    >>> Encoder(name="vit", api_version=2, summary="a ViT", load="acme.vit:load", input="pictures").published
    ()
    """

    kind: ClassVar[str] = "encoder"

    load: Ref
    input: Literal["pictures", "audio", "logmel"]
    has_mirror: bool = False
    published: tuple[PublishedWeights, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Detector(CatalogueValue):
    """Finds people or things in key frames; the visual correction of the engine does the rest.

    `load` names `(engine: str | None, device, rules: Path | None) -> DetectorModel`: `engine` is what stands after the
    `@`, as in `keypoint@movenet`, None where the plugin is to choose; `rules` is a file that takes the place of the
    plugin's own. `engines` are their names, `published` weights on a model hub. `reliability` are numbers by which the
    correction believes it (`recall`, `distractors_per_frame`, `azimuth_std_deg`; numbers, or numbers by class), used
    where the settings name none.

    >>> from seldfuse.sdk import Detector
    >>> Detector(name="faces", api_version=2, summary="faces", load="acme.faces:load", reliability={"recall": 0.8}).kind
    'detector'
    """

    kind: ClassVar[str] = "detector"

    load: Ref
    engines: tuple[str, ...] = ()
    published: tuple[PublishedWeights, ...] = ()
    reliability: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PostProcessor(CatalogueValue):
    """Changes the events or the fused posterior of a clip.

    `load` names `(options: str | None) -> (value, Clip) -> value`: it gives the function that is called for each clip;
    `options` is what stands after the `@`. `takes` is what it changes: the fused "posterior" before it is decoded, or
    the "events" after, for which it is called twice, with the active frames and with the events that people read. It
    must return a value of the same type, labels and length.

    >>> from seldfuse.sdk import PostProcessor
    >>> PostProcessor(name="merge", api_version=2, summary="merges", load="acme.merge:load", takes="events").takes
    'events'
    """

    kind: ClassVar[str] = "postprocessor"

    load: Ref
    takes: Literal["events", "posterior"]


@dataclass(frozen=True, kw_only=True)
class Writer(CatalogueValue):
    """An output format: `write` names `(Result, Path) -> None`. `needs` lists posterior fields that it cannot lack.

    `numbers_classes`: it writes ids of classes in place of names, those of `Result.numbering`, and leaves out others.

    >>> from seldfuse.sdk import Writer
    >>> Writer(name="srt", api_version=2, summary="subtitles", write="acme.srt:write", suffix=".srt").needs
    ()
    """

    kind: ClassVar[str] = "writer"

    write: Ref
    suffix: str
    needs: tuple[str, ...] = ()
    numbers_classes: bool = False


@dataclass(frozen=True, kw_only=True)
class Backend(CatalogueValue):
    """A model that turns clips into posteriors.

    `load` names `(checkpoint: str | None, device) -> BackendModel`; None says that it is planned and not built. `task`
    names the class of its training task, None where it cannot be trained here. `provides` are the fields of its
    posteriors. `needs_video`: without pictures it is worth less. `default_checkpoint` is the checkpoint that a bare
    name stands for.

    `convert` names `(ForeignWeights) -> ConvertedNetwork`, which makes the backend's network of weights that other
    people's training scripts saved; `published` are such weights.

    >>> from seldfuse.sdk import Backend
    >>> Backend(name="panning", api_version=2, summary="music", load="acme:load", provides=("activity",)).needs_video
    False
    """

    kind: ClassVar[str] = "backend"

    load: Ref | None
    provides: tuple[str, ...]
    task: Ref | None = None
    needs_video: bool = False
    default_checkpoint: str | None = None
    convert: Ref | None = None
    published: tuple[PublishedWeights, ...] = ()
