"""What a plugin says about itself; nothing here loads a model.

`load` and `task` are `module:attribute` references, imported when they are first needed.
"""

from dataclasses import dataclass, field

API_VERSION = 1
"""The promises between engine and plugins; a plugin states the one that it was written for."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A model that turns clips into posteriors.

    `load` names `load(checkpoint, device) -> Backend`; None says that the backend is planned and not built. `task`
    names the trainer's task class, None where the backend cannot be trained here. `features` are the features it asks
    for, `provides` the fields of the posteriors it gives, `default_checkpoint` the bundled checkpoint that a bare name
    stands for. `requires` lists the modules without which it does not work, by their top-level names, and `extra` the
    optional dependencies of its own distribution that bring them.
    """

    name: str
    api_version: int
    summary: str
    load: str | None
    provides: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    task: str | None = None
    features: tuple[str, ...] = ()
    tracks: int = 1
    needs_video: bool = False
    default_checkpoint: str | None = None
    requires: tuple[str, ...] = ()
    extra: str | None = None
    license: str = "unknown"

    @property
    def kind(self) -> str:
        return "backend"


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A detector that looks at the picture.

    `load` names `load(engine, device, rules) -> PostProcessor`: `engine` is what stands after the `@`, as in
    `keypoint@movenet`, None where the plugin is to choose; `rules` a file that takes the place of the plugin's own, or
    None.
    """

    name: str
    api_version: int
    summary: str
    load: str | None
    aliases: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None
    license: str = "unknown"

    @property
    def kind(self) -> str:
        return "postprocessor"


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature that backends may ask for; `load` names `compute(batch: ClipBatch) -> Tensor`."""

    name: str
    api_version: int
    summary: str
    load: str
    aliases: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None

    @property
    def kind(self) -> str:
        return "feature"


@dataclass(frozen=True, kw_only=True)
class Writer:
    """An output format; `load` names `write(result: Result, path: Path) -> None`. `needs` lists posterior fields."""

    name: str
    api_version: int
    summary: str
    load: str
    suffix: str
    needs: tuple[str, ...] = field(default=())
    aliases: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None

    @property
    def kind(self) -> str:
        return "writer"


CatalogueValue = Backend | Detector | Feature | Writer
