"""Makes the weights in `checkpoints/yamnet`.

`python docs/make_yamnet.py --weights YAMNET --sounds FOLDER`, where the first is `yamnet.tflite` (TensorFlow Hub,
Apache-2.0, AudioSet), whose int8 weights are multiplied out, and the second the recordings on whose embeddings the
projection of the tokens is fitted; it needs the package `tflite`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import soxr
import tflite
import torch
from torch import Tensor

from seldfuse.core.labels import DCASE2025
from seldfuse.encoders.yamnet import CHANNELS, SAMPLE_RATE_HZ, YamnetNetwork, compute_logmel, pad_to_steps
from seldfuse.nn.mobilenet import BLOCKS
from seldfuse.synth.sounds.procedural import add_procedural
from seldfuse.synth.sounds.soundbank import load_bank

FILE = Path(__file__).resolve().parent.parent / "checkpoints" / "yamnet" / "model.safetensors"
CLIPS, SEED, BANK_RATE_HZ, SECONDS = 320, 20261130, 24_000, 5
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
NUMBERS = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.INT8: np.int8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    settings = parser.parse_args()
    torch.manual_seed(SEED)
    network = YamnetNetwork().eval()
    network.load_state_dict(_read(settings.weights), strict=False)
    _project(network, _embed_sounds(network, settings.sounds))
    halves = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    FILE.parent.mkdir(exist_ok=True)
    safetensors.torch.save_file(halves, FILE)


def _read(path: Path) -> dict[str, Tensor]:
    """Read the weights in the order of the graph: convolutions, then the classifier; the front end's come before."""
    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    # Some int8 weights pass an operator of their own.
    sources = {int(one.Outputs(0)): int(one.Inputs(0)) for one in operators if _kind(model, one) == "DEQUANTIZE"}
    weighted = [one for one in operators if _kind(model, one) in WEIGHTED][3:]
    names = ["stem", *[f"blocks.{block}.{part}" for block in range(len(BLOCKS)) for part in ("depthwise", "pointwise")]]
    found = {}
    for name, one in zip([*names, "classifier"], weighted, strict=True):
        place = int(one.Inputs(1))
        weight = _read_tensor(model, graph, sources.get(place, place))
        if name.endswith("depthwise"):
            weight = weight.permute(3, 0, 1, 2)
        elif name != "classifier":
            weight = weight.permute(0, 3, 1, 2)
        found |= {f"{name}.weight": weight, f"{name}.bias": _read_tensor(model, graph, int(one.Inputs(2)))}
    return found


def _kind(model: Any, operator: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex()).DeprecatedBuiltinCode()
    return next(name for name, number in vars(tflite.BuiltinOperator).items() if number == code)


def _read_tensor(model: Any, graph: Any, number: int) -> Tensor:
    tensor = graph.Tensors(number)
    data = model.Buffers(tensor.Buffer()).DataAsNumpy().view(NUMBERS[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    scale = tensor.Quantization().Scale(0) if tensor.Type() == tflite.TensorType.INT8 else 1.0
    return torch.from_numpy(data.astype(np.float32) * np.float32(scale))


@torch.inference_mode()
def _embed_sounds(network: YamnetNetwork, folder: Path) -> Tensor:
    """Embeddings `(step, 1024)` of windows with one sound somewhere in faint noise, classes alike often."""
    bank = add_procedural(load_bank(folder, DCASE2025, held_out=False), 4)
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(CLIPS):
        sound = bank.read_sound(bank.draw(int(rng.choice(bank.present)), rng)).samples[: SECONDS * BANK_RATE_HZ]
        window = np.zeros(SECONDS * BANK_RATE_HZ, np.float32)
        start = int(rng.integers(len(window) - len(sound) + 1))
        window[start : start + len(sound)] = sound
        noise = rng.standard_normal(len(window)).astype(np.float32) * sound.std() * 10 ** (-rng.uniform(5, 45) / 20)
        louder = (window + noise) * 10 ** (-rng.uniform(0, 30) / 20)
        audio = torch.from_numpy(soxr.resample(louder.astype(np.float32), BANK_RATE_HZ, SAMPLE_RATE_HZ))
        found.append(network(compute_logmel(pad_to_steps(audio[None])))[0])
    return torch.cat(found)


def _project(network: YamnetNetwork, embeddings: Tensor) -> None:
    mean = embeddings.mean(dim=0)
    _, deviations, directions = torch.linalg.svd(embeddings - mean, full_matrices=False)
    scale = deviations[:CHANNELS] / len(embeddings) ** 0.5
    weight = directions[:CHANNELS] / scale[:, None]
    print(f"variance kept: {deviations[:CHANNELS].square().sum() / deviations.square().sum():.3f}")
    with torch.no_grad():
        network.projection.weight.copy_(weight)
        network.projection.bias.copy_(-weight @ mean)


if __name__ == "__main__":
    main()
