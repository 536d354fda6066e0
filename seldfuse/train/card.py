"""The model card that stands beside the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seldfuse.files import replacing
from seldfuse.train.task import Task

SCORES = {
    "f20_1": "F20/1",
    "f20": "F20 (distance waived)",
    "f1": "F1 (azimuth waived)",
    "f_class": "F of class alone",
    "doae_deg": "DOA error, degrees",
    "rde": "relative distance error",
    "distance_error_m": "distance error, m",
}


DATA = (
    "random scenes from isolated sounds: timelines as in STARSS22's labels, shoebox rooms with RT60 0.15–1.2 s, "
    "sources that move, noise at 5–40 dB, babble, band limits, clipping, lossy coding"
)


def write_card(folder: Path, task: Task, settings: Mapping[str, Any]) -> None:
    """Writes README.md: what the checkpoint is, how it was trained, what it scores. Raises UsageError."""
    training = settings["training"]
    scores = [
        f"| {title} | {training['scores'][name]:.3f} |" for name, title in SCORES.items() if name in training["scores"]
    ]
    start = f", started from `{training['init']}`" if training["init"] else ""
    text = f"""# {task.backend}, {training["preset"]}

**Provisional.** A first checkpoint of the backend `{task.backend}` of seldfuse {training["seldfuse"]}, trained briefly
on synthetic scenes only. It is there so that the tool runs; do not quote its scores as those of the architecture.

| | |
|---|---|
| Features | {", ".join(settings["features"])} |
| Training | {training["step"]} steps of {training["batch"]} scenes of 5 s, seed {training["seed"]}{start} |
| Peak learning rate | {training["peak_learning_rate"]} |
| Data | {DATA} |
| Weights | half precision, safetensors |
| Licence | Apache-2.0 |

Scores on {training["validation_scenes"]} scenes of the same kind, made of speakers and recordings that were not trained
on; strict counting, macro over classes. The best of the validations on these same scenes was kept, so they flatter a
little. They say nothing about real recordings.

| score | value |
|---|---|
{chr(10).join(scores)}
"""
    with replacing(folder / "README.md") as draft:
        draft.write_text(text, encoding="utf-8")
