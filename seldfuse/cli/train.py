"""`seldfuse train`: teaches a backend."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seldfuse.cli.console import note

if TYPE_CHECKING:
    from seldfuse.train.loop import Progress


def train(
    backend: Annotated[str, typer.Argument(help="Name of the backend: doa, sde, sce, or a plugin's.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the checkpoint, its card and the log.")],
    sounds: Annotated[Path, typer.Option(help="Isolated sounds: sub-folders named after classes, or manifest.csv.")],
    data: Annotated[str, typer.Option(help="What to train on: synth (random scenes).")] = "synth",
    init: Annotated[str | None, typer.Option(help="Checkpoint to start from: a bundled name or a folder.")] = None,
    preset: Annotated[str, typer.Option(help="Size of the network: small or base.")] = "small",
    steps: Annotated[int, typer.Option(min=1, help="Number of training steps.")] = 1000,
    batch: Annotated[int, typer.Option(min=2, help="Scenes of 5 s in a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Peak of the learning rate.")] = 1e-3,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 200,
    seed: Annotated[int, typer.Option(help="Makes the scenes and the weights repeatable.")] = 12332,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Train a backend; the best checkpoint ends up in the folder given with -o."""
    from seldfuse.device import resolve
    from seldfuse.errors import UsageError
    from seldfuse.labels import DCASE2025
    from seldfuse.plugin.host import load_registry
    from seldfuse.plugin.registry import load_reference
    from seldfuse.train.loop import Recipe
    from seldfuse.train.loop import train as learn

    if data != "synth":
        raise UsageError(f"--data knows synth, got {data!r}")
    if preset not in ("small", "base"):
        raise UsageError(f"--preset knows small and base, got {preset!r}")
    spec = load_registry().find_backend(backend).spec
    if spec.task is None:
        raise UsageError(f"the backend {spec.name} cannot be trained here: its plugin brings no trainer")
    task = load_reference(spec.task)()
    recipe = Recipe(
        preset=preset,
        steps=steps,
        batch=batch,
        peak_learning_rate=learning_rate,
        validate_every=validate_every,
        seed=seed,
        init=init,
    )
    note(f"rendering the first {recipe.bank_scenes} scenes from {sounds}")
    scores = learn(task, DCASE2025, sounds, out, recipe, resolve(device), _report)
    note(f"{task.criterion} {getattr(scores, task.criterion):.3f}; run it with --backends {backend}@{out}")


def _report(progress: "Progress") -> None:
    if progress.scores is not None:
        scores = ", ".join(f"{name} {value:.3f}" for name, value in progress.scores.known().items())
        note(f"step {progress.step}/{progress.steps}: {scores}")
    elif progress.step % 20 == 0:
        left_min = progress.elapsed_s / progress.step * (progress.steps - progress.step) / 60
        note(f"step {progress.step}/{progress.steps}: loss {progress.loss:.4f}, about {left_min:.0f} min left")
