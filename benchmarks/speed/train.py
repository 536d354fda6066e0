"""What a training step and a window of inference cost, beside the challenge's baseline in the same run."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Group
from rich.table import Table

from benchmarks.speed.timing import Case, interleaved
from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.core.directions import direction_from_azimuth
from seldfuse.core.labels import DCASE2025
from seldfuse.core.posterior import Posterior
from seldfuse.features.stack import find_feature
from seldfuse.synth.worker_process import keep_freed_memory
from seldfuse.train.augment.apply import augment_batch
from seldfuse.train.batch import TrainingBatch
from seldfuse.train.recipe import Recipe, parse_recipe, read_preset
from seldfuse.train.setup import make_optimizer, place_network
from seldfuse.train.task import TrainingTask
from seldfuse.train.weight_average import WeightAverage

BACKENDS = ("baseline", "doa", "sde", "sce")
BATCH = 32
STEP_BATCH = 16
"""What the `small` recipes learn from in a step."""

STEP_BACKEND = "sce"
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
    steps = {name: TrainingStep(*settings) for name, settings in STEPS.items()}
    cases += [Case(name, step, STEP_BATCH * WINDOW_S) for name, step in steps.items()]
    times = interleaved(cases, rounds)
    ratios = {
        kind: {
            backend: float(np.median(times[f"{backend} {kind}"] / times[f"baseline {kind}"]))
            for backend in BACKENDS[1:]
        }
        for kind in AT_MOST
    }
    whole = {
        name: {
            "seconds": float(np.median(times[name])),
            "of_before": float(np.median(times[name] / times[BEFORE])),
            "shares": step.shares,
        }
        for name, step in steps.items()
    }
    return {"batch": BATCH, "rounds": rounds, "threads": torch.get_num_threads(), "ratios": ratios, "whole": whole}


def tables(result: dict[str, Any]) -> Group:
    return Group(_ratios_table(result), _steps_table(result))


def _steps_table(result: dict[str, Any]) -> Table:
    whole = result["whole"]
    view = Table(f"a whole step of {STEP_BACKEND}, batch {STEP_BATCH}", *whole)
    view.add_row("seconds", *(f"{found['seconds']:.2f}" for found in whole.values()))
    view.add_row("of the first", *(f"{found['of_before']:.2f}" for found in whole.values()))
    for stage in STAGES:
        view.add_row(stage, *(f"{found['shares'][stage]:.0%}" for found in whole.values()))
    return view


def _ratios_table(result: dict[str, Any]) -> Table:
    view = Table("time, as a multiple of the baseline's", "at most", *BACKENDS[1:])
    titles = {"step": f"training step, batch {result['batch']}", "inference": "inference, batch 1"}
    for kind, found in result["ratios"].items():
        view.add_row(titles[kind], f"{AT_MOST[kind]}", *(f"{found[backend]:.2f}" for backend in BACKENDS[1:]))
    return view


STAGES = ("augmentation", "forward", "loss", "backward", "clipping", "optimizer", "average")

BEFORE = "single precision, plain"
STEPS = {BEFORE: ("fp32", False), "single precision": ("fp32", True), "bfloat16": ("bf16", True)}
"""Precision, and whether weights lie and change as `seldfuse.train.setup` has them."""


class TrainingStep:
    """A step as `seldfuse.train.loop` takes it, scenes at hand; `shares` are those of its stages so far."""

    def __init__(self, precision: str, fast: bool) -> None:
        reference = load_registry().find_backend(STEP_BACKEND).value.task
        assert reference is not None
        self.task: TrainingTask = load_reference(reference)()
        self.recipe = parse_recipe(read_preset(self.task.recipes, "small"))
        self.precision, self.device = precision, torch.device("cpu")
        torch.manual_seed(0)
        self.network: Any = self.task.build(self.recipe.network, DCASE2025).train()
        if fast:
            place_network(self.network, self.device)
            self.optimizer = make_optimizer(self.network, self.recipe, self.device)
        else:
            self.optimizer = torch.optim.Adam(self.network.parameters(), self.recipe.optimizer.peak_learning_rate)
        self.average = WeightAverage(self.network, 0.998) if fast else _SlowAverage(self.network, 0.998)
        features = torch.randn(STEP_BATCH, _count_channels(self.recipe), 250, 64) * 10.0 - 50.0
        self.batch = TrainingBatch(features, self.recipe.features, _build_target(STEP_BATCH))
        self.rng = np.random.default_rng(0)
        self.spent_s = dict.fromkeys(STAGES, 0.0)

    @property
    def shares(self) -> dict[str, float]:
        whole_s = sum(self.spent_s.values())
        return {stage: spent_s / whole_s for stage, spent_s in self.spent_s.items()}

    def __call__(self) -> float:
        """Take a step, and return its loss."""
        with self._timed("augmentation"):
            batch = augment_batch(self.batch, self.recipe.augment, self.rng)
        with self._timed("forward"), torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            output = self.network(*batch.inputs)
        with self._timed("loss"):
            loss = self.task.loss(output, batch.target, self.recipe.loss)
        with self._timed("backward"):
            loss.backward()  # type: ignore[no-untyped-call]
        with self._timed("clipping"):
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimizer.clip_norm)
        with self._timed("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad()
        with self._timed("average"):
            self.average.update(self.network, 1000)
        return float(loss.detach())

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.spent_s[stage] += time.perf_counter() - started_s


class _SlowAverage:
    """The running mean of weights, tensor by tensor."""

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, network: torch.nn.Module, _steps: int) -> None:
        for own, new in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if own.is_floating_point():
                own.lerp_(new, 1.0 - self.decay)
            else:
                own.copy_(new)


def _step(task: TrainingTask) -> Callable[[], object]:
    network, recipe, features = _network(task, BATCH)
    network.train()
    optimiser = torch.optim.Adam(network.parameters())
    target = _build_target(BATCH)

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
    return task.build(recipe.network, DCASE2025), recipe, torch.randn(batch, _count_channels(recipe), 250, 64)


def _count_channels(recipe: Recipe) -> int:
    return sum(find_feature(name).channels for name in recipe.features)


def _build_target(batch: int) -> Posterior:
    """Two classes of thirteen sound in every frame: what the loss costs hardly depends on it."""
    activity = torch.zeros(batch, 50, len(DCASE2025), 3)
    activity[:, :, :2, 0] = 1.0
    return Posterior(activity, direction_from_azimuth(torch.zeros_like(activity)), torch.ones_like(activity))
