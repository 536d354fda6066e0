"""What a training step and a window of inference cost, beside the challenge's baseline in the same run."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.speed.timing import Case, interleaved
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.synth.worker_process import keep_freed_memory
from seldfuse.train.recipe import parse_recipe, read_preset
from seldfuse.train.task import TrainingTask

BACKENDS = ("baseline", "doa", "sde", "sce")
BATCH = 32
WINDOW_S = 5.0
AT_MOST = {"step": 1.5, "inference": 2.0}
"""Of the baseline's time, for each of the others."""


def measure(rounds: int) -> dict[str, Any]:
    """Measure medians of the rounds' ratios to the baseline, by steps and by windows, in the `small` presets."""
    keep_freed_memory()
    registry = load_registry()
    cases: list[Case] = []
    for backend in BACKENDS:
        reference = registry.find_backend(backend).value.task
        assert reference is not None
        task: TrainingTask = load_reference(reference)()
        cases.append(Case(f"{backend} step", _step(task), BATCH * WINDOW_S))
        cases.append(Case(f"{backend} inference", _inference(task), WINDOW_S))
    times = interleaved(cases, rounds)
    ratios = {
        kind: {
            backend: float(np.median(times[f"{backend} {kind}"] / times[f"baseline {kind}"]))
            for backend in BACKENDS[1:]
        }
        for kind in AT_MOST
    }
    return {"batch": BATCH, "rounds": rounds, "threads": torch.get_num_threads(), "ratios": ratios}


def table(result: dict[str, Any]) -> Table:
    view = Table("time, as a multiple of the baseline's", "at most", *BACKENDS[1:])
    titles = {"step": f"training step, batch {result['batch']}", "inference": "inference, batch 1"}
    for kind, found in result["ratios"].items():
        view.add_row(titles[kind], f"{AT_MOST[kind]}", *(f"{found[backend]:.2f}" for backend in BACKENDS[1:]))
    return view


def _step(task: TrainingTask) -> Callable[[], object]:
    network, recipe, features = _network(task, BATCH)
    network.train()
    optimiser = torch.optim.Adam(network.parameters())
    target = _build_target()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        task.loss(network(features), target, recipe.loss).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _inference(task: TrainingTask) -> Callable[[], object]:
    network, _, features = _network(task, 1)
    return partial(_infer, task, network.eval(), features)


@torch.inference_mode()
def _infer(task: TrainingTask, network: torch.nn.Module, features: torch.Tensor) -> Posterior:
    return task.posterior(network(features), DCASE2025)


def _network(task: TrainingTask, batch: int) -> tuple[torch.nn.Module, Any, torch.Tensor]:
    torch.manual_seed(0)
    recipe = parse_recipe(read_preset(task.recipes, "small"))
    channels = len(recipe.features) + 1  # log-mel has two
    return task.build(recipe.network, DCASE2025), recipe, torch.randn(batch, channels, 250, 64)


def _build_target() -> Posterior:
    """Two classes of thirteen sound in every frame: what the loss costs hardly depends on it."""
    activity = torch.zeros(BATCH, 50, len(DCASE2025), 3)
    activity[:, :, :2, 0] = 1.0
    return Posterior(activity, direction_from_azimuth(torch.zeros_like(activity)), torch.ones_like(activity))
