"""Values of the other kinds that break a promise break its contract, with a message that names it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seldfuse.catalogue.host import load_registry
from seldfuse.catalogue.load import load_reference
from seldfuse.sdk import (
    DCASE2025,
    Augmentation,
    Backend,
    ClipBatch,
    Counts,
    Detections,
    Detector,
    Encoder,
    EventRows,
    Events,
    LabelSet,
    PluginError,
    Posterior,
    PostProcessor,
    Result,
    Rule,
    Rules,
    Score,
    TrainingBatch,
    Writer,
    direction_from_azimuth,
)
from seldfuse.testing import (
    AugmentationContract,
    BackendContract,
    DetectorContract,
    EncoderContract,
    PostProcessorContract,
    ScoreContract,
    TaskContract,
    WriterContract,
    install_distribution,
    registry_with,
)


def expect_break(contract: Any, test: str, message: str, *arguments: Any) -> None:
    with pytest.raises(AssertionError, match=message):
        getattr(contract, test)(*arguments)


# Backends


class Panning:
    """Which side is left may be `wrong`; so may everything else."""

    features: tuple[str, ...] = ()
    encoders: Mapping[str, str] = {}

    def __init__(self, wrong: str) -> None:
        self.wrong = wrong
        self.features = ("gcc",) if wrong == "unknown feature" else ()

    def infer(self, batch: ClipBatch) -> Posterior:
        left, right = batch.audio.reshape(len(batch), 2, batch.frames, -1).unbind(dim=1)
        if self.wrong == "sides":
            left, right = right, left
        if self.wrong == "asks":
            batch["logmel"]
        power = (left + right).square().mean(-1)
        sine = ((left - right) * (left + right)).mean(-1) / power.clamp_min(1e-12)
        activity = torch.zeros(len(batch), batch.frames, len(DCASE2025), 1)
        activity[:, :, 8, 0] = 0.9 if self.wrong == "silence" else torch.tanh(1e6 * power)
        if self.wrong == "batch":
            activity[:, :, 8, 0] = power / power.amax()
        azimuth_deg = torch.rad2deg(torch.asin(sine.clamp(-1, 1)))[:, :, None, None].expand_as(activity)
        direction = None if self.wrong == "provides" else direction_from_azimuth(azimuth_deg)
        if self.wrong == "length" and direction is not None:
            direction = 2 * direction
        posterior = Posterior(activity, direction)
        return posterior.map(lambda tensor: tensor[:, 1:]) if self.wrong == "frames" else posterior


def load_panning(checkpoint: str | None, device: torch.device) -> Panning:
    return Panning(checkpoint or "")


@pytest.mark.parametrize(
    ("wrong", "test", "message"),
    [
        ("sides", "test_exchanged_channels_give_the_mirrored_direction", "y points to the left"),
        ("provides", "test_it_provides_what_its_value_promises", r"the posterior has \['activity'\]"),
        ("asks", "test_it_asks_for_nothing_but_the_features_and_encoders_that_it_names", "infer asks for 'logmel'"),
        ("unknown feature", "test_features_and_encoders_of_the_model_are_in_the_catalogue", "the feature 'gcc'"),
        ("batch", "test_windows_of_a_batch_do_not_depend_on_each_other", "Tensor-likes are not close"),
        ("silence", "test_the_sound_is_detected_and_silence_is_not", "that of silence 0.90"),
        ("frames", "test_a_window_gives_a_row_and_a_frame_for_each_100_ms", r"= \(2, 50\), got \(2, 49\)"),
        ("length", "test_every_value_is_finite_and_possible", "Tensor-likes are not close"),
    ],
)
def test_wrong_backends(wrong: str, test: str, message: str) -> None:
    contract = BackendContract()
    contract.backend = Backend(
        name="panning",
        api_version=2,
        summary="",
        load=f"{__name__}:load_panning",
        provides=("activity", "direction"),
        default_checkpoint=wrong,
    )
    expect_break(contract, test, message)


# Detectors


class Boxes:
    engine_id, cacheable = "boxes", True
    rules = Rules({"harp": Rule()})

    def detect(self, _clip: Any, frames: Any, _seen: Any) -> Detections:
        row = (0.25, "harp", 1.5, 10.0, 10.0, 5000.0, 20.0, 1)
        return Detections.from_rows([row]) if frames else Detections.from_rows([])


def load_boxes(engine: str | None, device: torch.device, rules: Path | None) -> Boxes:
    return Boxes()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test_rules_are_for_known_classes", "{'harp'}, which are no classes of dcase2025"),
        ("test_rows_stand_at_the_times_of_the_frames_and_are_untracked", "times at which there is no frame"),
        ("test_boxes_lie_inside_of_the_picture", "the picture ends at 320 px"),
        ("test_scores_are_probabilities_and_phrases_are_words", "scores must be from 0 to 1"),
    ],
)
def test_wrong_detectors(test: str, message: str) -> None:
    contract = DetectorContract()
    contract.detector = Detector(name="boxes", api_version=2, summary="", load=f"{__name__}:load_boxes")
    expect_break(contract, test, message)


# Post-processors


def load_clumsy(options: str | None) -> Callable[[Any, Any], Any]:
    def change_in_place(events: Events, clip: Any) -> Events:
        events.table["score"] = 0.5
        return events

    return change_in_place


def test_wrong_postprocessors() -> None:
    contract = PostProcessorContract()
    contract.postprocessor = PostProcessor(
        name="clumsy", api_version=2, summary="", load=f"{__name__}:load_clumsy", takes="events"
    )
    expect_break(contract, "test_what_it_is_given_stays_as_it_is", "in place")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        contract.test_options_that_mean_nothing_are_refused()


# Encoders


class Learning:
    name, version = "other", ""
    height_px, width_px, rate_hz, tokens, channels = 4, 4, 3, 2, 3

    def encode(self, pictures: Tensor) -> Tensor:
        return torch.ones(len(pictures), 1, 3, requires_grad=True)


def load_learning(weights: str | None, device: torch.device) -> Learning:
    return Learning()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("test_it_has_the_name_of_its_value_and_a_version", "the model is called 'other', its value 'learning'"),
        ("test_pictures_are_taken_at_a_rate_that_fits_the_frames", "rate_hz must divide 10, got 3"),
        ("test_tokens_have_the_stated_shape", r"\(2, 2, 3\)}, got {'tokens': \(2, 1, 3\)}"),
        ("test_it_is_frozen", "encode under torch.no_grad"),
        ("test_different_inputs_give_different_tokens", "tokens are the same whatever is encoded"),
    ],
)
def test_wrong_encoders(test: str, message: str) -> None:
    contract = EncoderContract()
    contract.encoder = Encoder(
        name="learning", api_version=2, summary="", load=f"{__name__}:load_learning", input="pictures"
    )
    expect_break(contract, test, message)


# Augmentations


def draw_always(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    return replace(batch, features=batch.features + amount * float(rng.random()))


def change_in_place(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    batch.features.add_(amount)
    return batch


def draw_from_elsewhere(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    return replace(batch, features=batch.features + amount * torch.rand(()))


def shorten(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    return replace(batch, features=batch.features[:, :, 5:])


def do_nothing(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    return batch


def overdo(batch: TrainingBatch, amount: float, rng: np.random.Generator) -> TrainingBatch:
    return replace(batch, target=replace(batch.target, activity=2 * batch.target.activity))


@pytest.mark.parametrize(
    ("apply", "test", "message", "arguments"),
    [
        (draw_always, "test_an_amount_of_0_draws_no_random_number_and_changes_nothing", "drew random numbers", ()),
        (change_in_place, "test_what_it_is_given_stays_as_it_is", "changed the batch in place", ()),
        (draw_from_elsewhere, "test_the_same_seed_gives_the_same_change", "draw from rng alone", ()),
        (shorten, "test_shapes_and_names_stay", "shapes must stay", ()),
        (do_nothing, "test_the_whole_amount_changes_something", "nothing changes, whatever the seed", ()),
        (overdo, "test_every_value_is_finite_and_possible", "activity must stay from 0 to 1", (0,)),
    ],
)
def test_wrong_augmentations(apply: Callable[..., Any], test: str, message: str, arguments: tuple[int, ...]) -> None:
    contract = AugmentationContract()
    contract.augmentation = Augmentation(
        name="wrong", api_version=2, summary="", apply=f"{__name__}:{apply.__name__}", order=1
    )
    expect_break(contract, test, message, *arguments)


# Scores


def count_far(truth: EventRows, prediction: EventRows) -> Mapping[str, np.ndarray]:
    return {"far": (np.abs(truth.azimuth_deg - prediction.azimuth_deg) > 45).astype(float)}


def compute_far(counts: Counts) -> np.ndarray:
    return counts.sums["far"] / np.maximum(counts.pairs, 1)


def compute_nothing(counts: Counts) -> np.ndarray:
    return np.ones_like(counts.pairs)


def compute_bare_quotient(counts: Counts) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.where(counts.pairs > 0, counts.sums["far"], 1) / counts.pairs


FAR = Score(
    name="far",
    api_version=2,
    summary="",
    title="far",
    meaning="far",
    higher_is_better=False,
    count=f"{__name__}:count_far",
    compute=f"{__name__}:compute_far",
)


@pytest.mark.parametrize(
    ("score", "test", "message", "arguments"),
    [
        (replace(FAR, higher_is_better=True), "test_worse_predictions_are_not_better",
         "predictions that are off get 1, perfect ones 0; is higher_is_better really True", ("off",)),
        (replace(load_registry().scores["f20"].value, higher_is_better=False), "test_worse_predictions_are_not_better",
         "is higher_is_better really False", ("too few",)),
        (replace(FAR, compute=f"{__name__}:compute_nothing"), "test_some_mistake_makes_it_worse",
         "perfect predictions get 1, and so does whatever is wrong", ()),
        (replace(FAR, compute=None), "test_it_states_how_it_is_computed", "state either limits", ()),
        (replace(FAR, title=""), "test_it_can_be_read_in_tables", "title is the heading", ()),
        (replace(FAR, compute=f"{__name__}:compute_bare_quotient"), "test_clips_without_events_are_no_trouble",
         "infinite where reference or prediction is empty", ()),
    ],
)  # fmt: skip
def test_wrong_scores(score: Score, test: str, message: str, arguments: tuple[str, ...]) -> None:
    contract = ScoreContract()
    contract.score = score
    expect_break(contract, test, message, *arguments)


def test_a_good_score_keeps_the_contract() -> None:
    contract = ScoreContract()
    contract.score = FAR
    contract.test_worse_predictions_are_not_better("off")
    contract.test_clips_add_up()


# Writers


def write_piecemeal(result: Result, path: Path) -> None:
    with path.open("w") as file:
        file.write("begin\n" * (1 + len(result.events)))


def test_wrong_writers(tmp_path: Path) -> None:
    contract = WriterContract()
    contract.writer = Writer(
        name="piecemeal", api_version=2, summary="", write=f"{__name__}:write_piecemeal", suffix=".txt"
    )
    with pytest.raises(OSError, match="File too large"):
        contract.test_on_a_full_disk_the_old_file_stays_and_nothing_half_written(tmp_path)
    contract.writer = replace(contract.writer, suffix="txt")
    expect_break(contract, "test_the_suffix_is_one", "suffix must begin with a dot, got 'txt'")


# Tasks


class ForgetfulTask:
    """The task of `doa` without directions, without recipes, and with a criterion that nobody registers."""

    backend, criterion, recipes = "doa", "f99", Path("nowhere")

    def __init__(self) -> None:
        self._task = load_reference(DOA.task)()

    def build(self, settings: Any, labels: LabelSet) -> Any:
        return self._task.build(settings, labels)

    def posterior(self, output: Any, labels: LabelSet) -> Posterior:
        return replace(self._task.posterior(output, labels), direction=None)

    def loss(self, output: Any, truth: Posterior, settings: Any) -> Tensor:
        return 1.0 + 0.0 * self._task.loss(output, truth, settings)


DOA = load_registry().backends["doa"].value


def test_wrong_tasks() -> None:
    contract, right = TaskContract(), TaskContract()
    contract.backend, right.backend = replace(DOA, task=f"{__name__}:ForgetfulTask"), DOA
    expect_break(contract, "test_every_recipe_holds_together", "there is no small.toml in nowhere")
    with pytest.raises(PluginError, match="there is no score 'f99'"):
        contract.test_it_belongs_to_its_backend_and_aims_at_a_known_score()
    contract.recipe = right.recipe
    contract.test_the_loss_is_a_finite_number_with_a_gradient()
    test = "test_its_posterior_is_what_the_backend_provides"
    expect_break(contract, test, r"the posterior has \('activity', 'azimuth_std_deg'\)", DCASE2025)
    expect_break(contract, "test_the_loss_falls_within_a_few_steps", "the loss does not fall on one batch")


# What contracts stand on


def test_a_registry_with_values_refuses_what_the_engine_would() -> None:
    assert registry_with(FAR).scores["far"].value is FAR
    with pytest.raises(PluginError, match="score 'far' is written for plugin API 1"):
        registry_with(replace(FAR, api_version=1))
    with pytest.raises(PluginError, match="the name 'f20' is taken by seldfuse"):
        registry_with(replace(FAR, name="f20"))


def test_what_cannot_be_installed_says_what_pip_printed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"pip could not install .*nothing"):
        install_distribution(tmp_path / "target", tmp_path / "nothing")
