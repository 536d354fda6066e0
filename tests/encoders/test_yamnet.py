"""YAMNet in torch is the network of the tflite file that its weights come from, and convolutional in time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import tflite_graph
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from seldfuse.encoders.load import load_encoder
from seldfuse.encoders.yamnet import (
    CHANNELS,
    STRIDE,
    Yamnet,
    compute_logmel,
    compute_step_centers_s,
    load_yamnet,
    make_mel_matrix,
)
from seldfuse.errors import UsageError
from seldfuse.media.inputs import find_clips
from seldfuse.media.sound import FileAudio, ignore_warning

CPU = torch.device("cpu")
RATE_HZ = 16_000
PATCH = 15_600
STEP = STRIDE * 160
FIRST_INNER, LAST_INNER = 4, 10
"""Steps of a window of 16 that depend on nothing outside of it: a step depends on 315 spectra."""

SPEECH = 0


@pytest.fixture(scope="module")
def yamnet() -> Yamnet:
    return load_yamnet(None, CPU)


@pytest.fixture(scope="module")
def graph(shared: Path) -> tflite_graph.Graph:
    return tflite_graph.read_graph(shared / "models" / "yamnet.tflite")


@pytest.fixture(scope="module")
def recording(shared: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(shared / "media" / "audio" / "starss23_foa_clip.wav", dtype="float32")
    return soxr.resample(samples[:, 0], rate_hz, RATE_HZ)


@pytest.fixture(scope="module")
def patches(recording: np.ndarray) -> np.ndarray:
    """Speech, a pause, and noise."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(PATCH).astype(np.float32)
    return np.stack([recording[:PATCH], recording[PATCH : 2 * PATCH], noise])


def noise(seconds: float, seed: int = 1) -> Tensor:
    """Noise whose level changes, so that no two moments are alike."""
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randn(1, round(seconds * RATE_HZ), generator=generator)
    level = torch.rand(1, 1, round(seconds * 4) + 1, generator=generator)
    return 0.2 * samples * torch.nn.functional.interpolate(level, samples.shape[1], mode="linear")[0]


# The tflite file


def test_every_weight_is_the_files_to_half_precision(yamnet: Yamnet, graph: tflite_graph.Graph) -> None:
    passed = {one.output: one.inputs[0] for one in graph.operators if one.code == tflite_graph.DEQUANTIZE}
    convolutions = [one for one in graph.operators if one.code in (tflite_graph.CONV, tflite_graph.DEPTHWISE)]
    classifier = [one for one in graph.operators if one.code == tflite_graph.FULLY_CONNECTED][-1]
    state = {name: value for name, value in yamnet.network.state_dict().items() if not name.startswith("projection")}
    weights, biases = ([value for name, value in state.items() if name.endswith(kind)] for kind in ("weight", "bias"))
    for own, bias, one in zip(weights, biases, [*convolutions, classifier], strict=True):
        theirs = graph.constants[passed.get(one.inputs[1], one.inputs[1])]
        if one.code != tflite_graph.FULLY_CONNECTED:
            theirs = theirs.transpose((3, 0, 1, 2) if one.code == tflite_graph.DEPTHWISE else (0, 3, 1, 2))
        torch.testing.assert_close(own, torch.tensor(theirs), rtol=2**-11, atol=1e-7)
        torch.testing.assert_close(bias, torch.tensor(graph.constants[one.inputs[2]]), rtol=2**-11, atol=1e-7)


def test_from_the_same_spectra_scores_are_those_of_the_file(
    yamnet: Yamnet, graph: tflite_graph.Graph, patches: np.ndarray
) -> None:
    (logmel,), (scores,) = graph.outputs_of(tflite_graph.LOG), graph.outputs_of(tflite_graph.LOGISTIC)
    for patch in patches:
        found = graph.run(patch[None])
        with torch.inference_mode():
            own = yamnet.network.classifier(yamnet.network(torch.from_numpy(found[logmel])[None]).mean(dim=1))
        np.testing.assert_allclose(own.sigmoid().numpy(), found[scores], atol=2e-3)


def test_spectra_are_the_files_but_for_its_rounded_transform(graph: tflite_graph.Graph, patches: np.ndarray) -> None:
    """Its Fourier transform and mel bands have steps of 1/127; those that are exact here differ by half of one."""
    (logmel,) = graph.outputs_of(tflite_graph.LOG)
    for patch, typical in zip(patches, (0.1, 0.1, 0.02), strict=True):
        apart = np.abs(compute_logmel(torch.from_numpy(patch)[None])[0].numpy() - graph.run(patch[None])[logmel])
        assert np.median(apart) < typical


def test_with_an_exact_transform_in_its_place_the_file_is_the_network_from_sound_to_scores(
    yamnet: Yamnet, graph: tflite_graph.Graph, patches: np.ndarray
) -> None:
    """Cosines, sines and mel bands are rounded by half a step at most, and nothing else sets the two apart."""
    bins_by_samples = np.outer(np.arange(257), np.arange(512)) * 2 * np.pi / 512
    exact = (np.cos(bins_by_samples), np.sin(bins_by_samples), make_mel_matrix().numpy().T)
    rounded = [one.inputs[1] for one in graph.operators if one.code == tflite_graph.FULLY_CONNECTED][:3]
    for number, matrix in zip(rounded, exact, strict=True):
        np.testing.assert_allclose(graph.constants[number], matrix, atol=0.501 * graph.scales[number])
    mended = replace(graph, constants=graph.constants | dict(zip(rounded, exact, strict=True)))
    (scores,) = graph.outputs_of(tflite_graph.LOGISTIC)
    theirs = np.concatenate([mended.run(patch[None])[scores] for patch in patches])
    np.testing.assert_allclose(yamnet.classify(torch.from_numpy(patches)).sigmoid(), theirs, atol=3e-3)


def test_from_sound_to_scores_it_is_the_file_within_its_quantization(
    yamnet: Yamnet, graph: tflite_graph.Graph, patches: np.ndarray
) -> None:
    (scores,) = graph.outputs_of(tflite_graph.LOGISTIC)
    own = yamnet.classify(torch.from_numpy(patches)).sigmoid().numpy()
    theirs = np.concatenate([graph.run(patch[None])[scores] for patch in patches])
    np.testing.assert_allclose(own, theirs, atol=0.06)
    assert own.argmax(axis=1).tolist() == theirs.argmax(axis=1).tolist()


# Time


def test_a_long_window_has_inside_what_its_parts_have_inside(yamnet: Yamnet) -> None:
    audio, first = noise(10.0), 6
    whole = yamnet.embed(audio)[0]
    part = yamnet.embed(audio[:, first * STEP :][:, : 15 * STEP + 31 * 160 + 400])[0]
    assert len(part) == 16
    apart = (part - whole[first : first + 16]).abs().amax(dim=1)
    assert apart[FIRST_INNER : LAST_INNER + 1].max() < 1e-3
    assert min(apart[FIRST_INNER - 1], apart[LAST_INNER + 1]) > 1e-3


def test_tokens_move_with_the_sound(yamnet: Yamnet) -> None:
    audio, frames = noise(10.0), 16
    late, early = (
        yamnet.encode(audio[:, start : start + 8 * RATE_HZ]).frames[0] for start in (0, frames * RATE_HZ // 10)
    )
    inner = slice(20, 44)
    torch.testing.assert_close(late[frames:][inner], early[:-frames][inner], rtol=1e-3, atol=5e-3)
    assert (late[:-frames][inner] - early[:-frames][inner]).abs().mean() > 0.1


def test_a_step_stands_in_the_middle_of_the_spectra_that_it_depends_on(yamnet: Yamnet) -> None:
    logmel = compute_logmel(noise(10.0))[:, : 30 * STRIDE].requires_grad_()
    step = 15
    yamnet.network(logmel)[0, step].sum().backward()
    (depends,) = logmel.grad[0].abs().amax(dim=1).nonzero(as_tuple=True)
    first, last = int(depends.min()), int(depends.max())
    assert last - first + 1 == 315
    assert compute_step_centers_s(30)[step] == pytest.approx((first + last) / 2 * 0.010 + 0.0125)


def test_five_seconds_cost_what_was_planned(yamnet: Yamnet) -> None:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        yamnet.network(torch.zeros(1, 16 * STRIDE, 64))
    assert counter.get_total_flops() / 2 < 0.38e9


# The encoder


@pytest.mark.parametrize("samples", [1, 1600, PATCH, 20_000, 80_000])
def test_windows_of_any_length_have_a_token_for_every_frame(yamnet: Yamnet, samples: int) -> None:
    tokens = yamnet.encode(noise(6.0)[:, :samples])
    assert tokens.frames.shape == (1, max(1, round(samples / 1600)), CHANNELS)
    assert tokens.window.shape == (1, CHANNELS)
    assert tokens.frames.isfinite().all()


def test_speech_is_the_first_class_where_somebody_speaks(yamnet: Yamnet) -> None:
    (clip,) = find_clips(["@demo"])
    assert isinstance(clip.audio, FileAudio)
    audio = np.concatenate(list(clip.audio.blocks(ignore_warning)), axis=1).mean(axis=0)[:120_000]
    scores = yamnet.classify(torch.from_numpy(soxr.resample(audio, 24_000, RATE_HZ))[None]).sigmoid()[0]
    assert int(scores.argmax()) == SPEECH
    assert scores[SPEECH] > 0.8


def test_weights_of_ones_own_are_refused() -> None:
    with pytest.raises(UsageError, match="yamnet comes with its weights; leave @mine out"):
        load_encoder("yamnet@mine", CPU)


def test_loading_leaves_random_numbers_alone() -> None:
    state = torch.random.get_rng_state()
    load_yamnet(None, CPU)
    assert torch.equal(torch.random.get_rng_state(), state)
