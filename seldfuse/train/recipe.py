"""A recipe: everything that decides what a training brings forth, as a TOML file can say it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from seldfuse.errors import UsageError
from seldfuse.train.augment.settings import Augment

_STRICT = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Number = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]

SYNTH = "synth"
"""Stands for random scenes where a folder could be named."""


@dataclass(frozen=True)
class Optimiser:
    """How weights follow gradients. `clip_norm` 0 clips nothing."""

    __pydantic_config__ = _STRICT

    name: Literal["adam", "adamw"] = "adam"
    peak_learning_rate: Positive = 1e-3
    schedule: Literal["tri-stage", "cosine", "constant"] = "tri-stage"
    weight_decay: Number = 0.0
    clip_norm: Number = 1.0


@dataclass(frozen=True)
class Run:
    """How long, in what pieces, in what precision.

    `batch` scenes make a pass, in each process; `accumulate` passes make a step. `epochs`, where it is not 0, takes the
    place of `steps`: so many times over the folders. `patience` is how many validations in a row may bring no better
    score; 0 waits for ever. `ema_decay` is that of the running mean of the weights, which is what is validated and
    kept; 0 keeps the weights themselves.
    """

    __pydantic_config__ = _STRICT

    steps: Count = 1000
    epochs: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(ge=2)] = 32
    accumulate: Count = 1
    validate_every: Count = 200
    patience: Annotated[int, Field(ge=0)] = 0
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    seed: int = 12332


@dataclass(frozen=True)
class Synth:
    """Random scenes.

    `sounds` is the folder of isolated sounds; a fifth of its speakers and recordings is kept for validation.
    `evenness` goes from 0 (classes as often as in real recordings) to 1 (all equally often). On a CPU, `on_hand` scenes
    are kept, each is drawn `uses` times, and `bank`, where it is named, is a folder that keeps what was rendered, for
    several trainings. `made_up` procedural sounds join each class that has few recordings. `sprites` and `backdrops`
    are folders of cut-outs and of backgrounds, for networks that see; without them both are drawn.
    """

    __pydantic_config__ = _STRICT

    sounds: str = ""
    sprites: str = ""
    backdrops: str = ""
    evenness: Share = 0.8
    on_hand: Count = 640
    uses: Count = 5
    bank: str = ""
    made_up: Annotated[int, Field(ge=0)] = 4
    validation_scenes: Count = 320


@dataclass(frozen=True)
class Folders:
    """Which folds of a data set train and which validate; the challenge's baseline has these."""

    __pydantic_config__ = _STRICT

    train_folds: tuple[int, ...] = (1, 2, 3)
    validate_folds: tuple[int, ...] = (4,)


@dataclass(frozen=True)
class Part:
    """One place that scenes come from, a folder or `synth`, and its share of them, relative to the others'."""

    __pydantic_config__ = _STRICT

    source: str
    weight: Positive = 1.0


@dataclass(frozen=True)
class Stage:
    """A part of a training (`train/stages.py`): the random `scenes` or the folders among the data, for so large a
    `share` of the steps, with some settings changed, section by section.
    """

    __pydantic_config__ = _STRICT

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    scenes: Literal["synth", "folders"]
    share: Positive
    change: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """The whole of it. `network` and `loss` are what the backend's task takes; `init` is a checkpoint to start from.

    `teacher` is an audio checkpoint whose say counts `teacher_weight`, and the labels the rest (`train/teacher.py`).

    With `standardise` each channel and mel band of the features is brought to mean 0 and deviation 1, as estimated once
    on training scenes. `encoders`, as `name` or `name@weights`, are those whose tokens the network gets.
    """

    __pydantic_config__ = _STRICT

    features: tuple[str, ...]
    network: dict[str, Any]
    loss: dict[str, Any] = field(default_factory=dict)
    encoders: tuple[str, ...] = ()
    init: str = ""
    teacher: str = ""
    teacher_weight: Share = 0.5
    standardise: bool = True
    optimiser: Optimiser = field(default_factory=Optimiser)
    run: Run = field(default_factory=Run)
    augment: Augment = field(default_factory=Augment)
    synth: Synth = field(default_factory=Synth)
    folders: Folders = field(default_factory=Folders)
    data: tuple[Part, ...] = ()
    stages: tuple[Stage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `recipe_of` reads."""
        return asdict(self)

    def told(self) -> dict[str, Any]:
        """The same for readers elsewhere: of folders on this machine only the names."""
        table = self.to_json()
        # A stage's folder and what stands in it are one name.
        table |= {"init": "/".join(Path(self.init).parts[-2:]), "teacher": Path(self.teacher).name}
        table["encoders"] = [_without_folders(encoder) for encoder in self.encoders]
        names = {part: Path(table["synth"][part]).name for part in ("sounds", "sprites", "backdrops")}
        table["synth"] |= {**names, "bank": ""}
        table["data"] = [{**part, "source": Path(part["source"]).name} for part in table["data"]]
        return table

    def to_toml(self) -> str:
        return tomli_w.dumps(self.to_json())


def _without_folders(encoder: str) -> str:
    """`name@weights`, of a path only its end."""
    name, at, weights = encoder.partition("@")
    return f"{name}{at}{Path(weights).name if Path(weights).is_absolute() else weights}"


def read_table(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises UsageError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"expected a recipe, a TOML file that can be read ({error.strerror}): {path}") from error
    except ValueError as error:
        raise UsageError(f"the recipe is no TOML ({error}): {path}") from error


def recipe_of(table: Mapping[str, Any]) -> Recipe:
    """Raises UsageError that names every setting that is unknown, missing or out of range."""
    try:
        return TypeAdapter(Recipe).validate_python(dict(table))
    except ValidationError as error:
        problems = "; ".join(_problem(found) for found in error.errors())
        raise UsageError(f"the recipe does not hold together: {problems}") from error


def _problem(found: Mapping[str, Any]) -> str:
    message = found["msg"][0].lower() + found["msg"][1:]
    return f"{'.'.join(map(str, found['loc']))}: {message}, got {found['input']!r:.60}"


def presets(folder: Path) -> tuple[str, ...]:
    """Names of the recipes in a backend's folder."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def preset(folder: Path, name: str) -> dict[str, Any]:
    """The table of one of a backend's recipes. Raises UsageError for an unknown name."""
    if name not in presets(folder):
        raise UsageError(f"--preset knows {', '.join(presets(folder))}, got {name!r}")
    return read_table(folder / f"{name}.toml")


def changed(table: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """A table after `section.key=value` assignments, the values as TOML has them; a bare word is a text.

    Raises UsageError for what is no assignment.
    """
    result = {name: dict(value) if isinstance(value, Mapping) else value for name, value in table.items()}
    for text in assignments:
        key, equals, value = text.partition("=")
        *sections, last = key.strip().split(".")
        if not (equals and last and len(sections) <= 1):
            raise UsageError(f"--set expects section.key=value, such as run.batch=16, got {text!r}")
        place = result.setdefault(sections[0], {}) if sections else result
        place[last] = _value(value.strip())
    return result


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
