"""The model card that stands beside the weights."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from seldfuse.catalogue.values import Score
from seldfuse.encoders.load import find_encoder, parse_name
from seldfuse.metrics.jackknife import Interval
from seldfuse.metrics.registered import format_score, list_scores, make_heading
from seldfuse.metrics.skill import MEANINGS, Skill, format_degrees, format_value
from seldfuse.storage.atomic import write_atomically
from seldfuse.train.recipe import SYNTH
from seldfuse.train.task import TrainingTask
from seldfuse.train.validation import find_criterion

CARD = "README.md"

RANDOM_SCENES = (
    "random scenes from isolated sounds: timelines as in STARSS22's labels, rooms with RT60 0.15–1.2 s, directive "
    "sources at 0.5–6 m, some of which move, noise at 0–40 dB, babble, band limits, automatic gain, clipping, lossy "
    "coding"
)

PICTURES = "drawn rooms with cut-outs of people and drawings of things where the sounds come from, and some elsewhere"


def write_card(folder: Path, task: TrainingTask, training: Mapping[str, Any], skill: Skill) -> None:
    """Write README.md: what the checkpoint is, how it was trained, its scores and skill. Raises UsageError."""
    recipe = training["recipe"]
    run, optimiser = recipe["run"], recipe["optimizer"]
    start = f", started from `{recipe['init']}`" if recipe["init"] else ""
    taught = f", taught by `{recipe['teacher']}` (weight {recipe['teacher_weight']})" if recipe["teacher"] else ""
    seen = f", and tokens of {', '.join(map(parse_name, recipe['encoders']))}" if recipe["encoders"] else ""
    clips, hours = run["batch_size"] * run["accumulate_steps"], training["hours"]
    scores = [
        _score(score, training["scores"][score.name]) for score in list_scores() if score.name in training["scores"]
    ]
    text = f"""# {task.backend}

A checkpoint of the backend `{task.backend}` of seldfuse {training["seldfuse"]}. `config.json` holds the whole recipe.

| | |
|---|---|
| Network | {training["parameters"]:,} parameters; features {", ".join(recipe["features"])}{seen} |
| Training | {training["step"]} steps of {clips} clips of 5 s, seed {run["seed"]}{start}{taught}; {hours} hours |
| Learning rate | {optimiser["name"]}, {optimiser["peak_learning_rate"]} at its peak, {optimiser["schedule"]} schedule |
| Augmentation | {_augmentation(recipe["augment"])} |
| Data | {"; ".join(_data(part["source"], recipe) for part in recipe["data"])} |
| Weights | half precision, safetensors |
| Licence | Apache-2.0 |

Scores on the {training["validation_scenes"]} clips of 5 s that validated it; strict counting, macro over
{_coverage(training)}; ↑ where higher is better, ↓ where lower is. The best of the validations on these same clips was
chosen, by {_criterion(find_criterion(task))}, so they flatter a little.

| score | value |
|---|---|
{chr(10).join(scores)}

{_skill(skill)}"""
    with write_atomically(folder / CARD) as draft:
        draft.write_text(text, encoding="utf-8")


def _coverage(training: Mapping[str, Any]) -> str:
    absent = training.get("absent_classes", [])
    return f"the classes that are there (absent: {', '.join(absent)})" if absent else "classes"


def _criterion(score: Score) -> str:
    """The score that chose the checkpoint, and why it was this one."""
    told = f"{make_heading(score)} ({score.meaning})"
    if score.limits is None or score.limits.relative_distance is None:
        return told
    return f"{told}, in which distance counts"


def _score(score: Score, value: float) -> str:
    return f"| {make_heading(score)} {'↑' if score.higher_is_better else '↓'} | {format_score(score, value)} |"


def _skill(skill: Skill) -> str:
    """Tables of what is known beyond the side and the usual distance; empty where no quantity is stated."""
    stated = {name: bound for name, bound in skill.values.items() if not math.isnan(bound.value)}
    if not stated:
        return ""
    lines = [
        f"| {MEANINGS[name]} | {_interval(partial(format_value, name), bound)} |" for name, bound in stated.items()
    ]
    table = ["| skill | value |", "|---|---|", *lines]
    bins = [
        f"| {part.low_deg:g}–{part.high_deg:g} | {part.pairs} | {format_degrees(part.true_deg)} "
        f"| {_interval(format_degrees, part.predicted_deg)} |"
        for part in skill.azimuth_bins
        if part.pairs
    ]
    if bins:
        table += [
            "",
            "| true azimuth, left or right (°) | pairs | median | predicted, median |",
            "|---|---|---|---|",
            *bins,
        ]
    return f"""What it knows beyond the side of a source and the usual distance of its class, on the same clips;
in brackets are intervals at a level of 95 %.

{chr(10).join(table)}
"""


def _interval(form: Callable[[float], str], bound: Interval) -> str:
    return f"{form(bound.value)} ({form(bound.low)} to {form(bound.high)})"


def _augmentation(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items() if value) or "none"


def _data(source: str, recipe: Mapping[str, Any]) -> str:
    if source != SYNTH:
        return f"labelled clips of the folder `{source}`"
    excluded = recipe["synth"].get("exclude_sources")
    without = f"; without the sounds of {', '.join(excluded)}" if excluded else ""
    has_pictures = any(find_encoder(encoder).input == "pictures" for encoder in recipe["encoders"])
    return f"{RANDOM_SCENES}; {PICTURES}{without}" if has_pictures else f"{RANDOM_SCENES}{without}"
