"""A reader of `.tflite` files, and a slow executor of their graphs in single precision.

Int8 weights are multiplied out. Only the operators that YAMNet consists of are known. Field numbers are those of
TensorFlow Lite's `schema.fbs`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

FLOAT32, INT32, INT8 = 0, 2, 9
NUMBERS = {FLOAT32: np.float32, INT32: np.int32, INT8: np.int8}
RELU = 1


@dataclass(frozen=True)
class Table:
    """A table of a FlatBuffer."""

    data: bytes
    place: int

    def _find(self, number: int) -> int:
        """Where a field lies, 0 where it is left out."""
        layout = self.place - self._read("<i", self.place)
        entry = 4 + 2 * number
        offset = self._read("<H", layout + entry) if entry < self._read("<H", layout) else 0
        return self.place + offset if offset else 0

    def _read(self, kind: str, place: int) -> Any:
        return struct.unpack_from(kind, self.data, place)[0]

    def value(self, number: int, kind: str) -> int:
        return int(self._read(kind, place)) if (place := self._find(number)) else 0

    def table(self, number: int) -> "Table":
        place = self._find(number)
        return Table(self.data, place + self._read("<I", place))

    def vector(self, number: int, dtype: Any) -> np.ndarray:
        if not (place := self._find(number)):
            return np.zeros(0, dtype)
        place += self._read("<I", place)
        return np.frombuffer(self.data, dtype, self._read("<I", place), place + 4)

    def tables(self, number: int) -> list["Table"]:
        offsets = self.vector(number, np.uint32)
        first = (place := self._find(number)) + self._read("<I", place) + 4
        return [Table(self.data, first + 4 * entry + int(offset)) for entry, offset in enumerate(offsets)]


@dataclass(frozen=True)
class Operator:
    code: int
    inputs: list[int]
    output: int
    options: Table | None


@dataclass
class Graph:
    """Constants by the number of their tensor, and operators in their order."""

    constants: dict[int, np.ndarray]
    operators: list[Operator]
    inputs: list[int]
    scales: dict[int, float] = field(default_factory=dict)

    def outputs_of(self, code: int) -> list[int]:
        return [one.output for one in self.operators if one.code == code]

    def run(self, value: np.ndarray) -> dict[int, np.ndarray]:
        """Every tensor, by its number."""
        found = self.constants | {self.inputs[0]: value}
        for one in self.operators:
            given = [found[number] if number >= 0 else None for number in one.inputs]
            found[one.output] = OPERATORS[one.code](one.options, *given)
        return found


def read_graph(path: Path) -> Graph:
    data = path.read_bytes()
    model = Table(data, struct.unpack_from("<I", data)[0])
    codes = [max(one.value(0, "<b"), one.value(3, "<i")) for one in model.tables(1)]
    (graph,) = model.tables(2)
    buffers = model.tables(4)
    constants, scales = {}, {}
    for number, tensor in enumerate(graph.tables(0)):
        raw, kind = buffers[tensor.value(2, "<I")].vector(0, np.uint8), tensor.value(1, "<b")
        if raw.size:
            constants[number] = raw.view(NUMBERS[kind]).reshape(tensor.vector(0, np.int32))
        if kind == INT8:
            (scales[number],) = tensor.table(4).vector(2, np.float32)
            constants[number] = constants[number].astype(np.float32) * scales[number]
    operators = [
        Operator(
            codes[one.value(0, "<I")],
            one.vector(1, np.int32).tolist(),
            int(one.vector(2, np.int32)[0]),
            one.table(4) if one.value(3, "<B") else None,
        )
        for one in graph.tables(3)
    ]
    return Graph(constants, operators, graph.vector(1, np.int32).tolist(), scales)


def _pieces(x: np.ndarray, options: Table, height: int, width: int) -> np.ndarray:
    """`(row, column, height, width, channel)` under a kernel, with the padding "same"."""
    assert options.value(0, "<b") == 0
    strides = options.value(2, "<i"), options.value(1, "<i")
    pads = []
    for size, side, stride in zip(x.shape[1:3], (height, width), strides, strict=True):
        missing = max((-(-size // stride) - 1) * stride + side - size, 0)
        pads.append((missing // 2, missing - missing // 2))
    views = np.lib.stride_tricks.sliding_window_view(np.pad(x[0], (*pads, (0, 0))), (height, width), axis=(0, 1))
    return views[:: strides[0], :: strides[1]].transpose(0, 1, 3, 4, 2)


def _convolve(options: Any, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    assert options.value(3, "<b") == RELU
    pieces = _pieces(x, options, *weight.shape[1:3])
    return np.maximum(np.tensordot(pieces, weight, axes=([2, 3, 4], [1, 2, 3])) + bias, 0.0)[None]


def _convolve_depthwise(options: Any, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    assert options.value(4, "<b") == RELU
    return np.maximum(np.einsum("rchwd,hwd->rcd", _pieces(x, options, *weight.shape[1:3]), weight[0]) + bias, 0.0)[None]


def _slice(_: Any, x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    return x[tuple(slice(first, first + count) for first, count in zip(begin, size, strict=True))]


def _slice_strided(_: Any, x: np.ndarray, begin: np.ndarray, end: np.ndarray, step: np.ndarray) -> np.ndarray:
    return x[tuple(slice(*place) for place in zip(begin, end, step, strict=True))]


CONV, DEPTHWISE, DEQUANTIZE, FULLY_CONNECTED, LOGISTIC, LOG = 3, 4, 6, 9, 14, 73
OPERATORS: dict[int, Callable[..., np.ndarray]] = {
    0: lambda _, a, b: a + b,
    CONV: _convolve,
    DEPTHWISE: _convolve_depthwise,
    DEQUANTIZE: lambda _, x: x,
    FULLY_CONNECTED: lambda _, x, weight, bias: x @ weight.T + (0.0 if bias is None else bias),
    LOGISTIC: lambda _, x: expit(x),
    18: lambda _, a, b: a * b,
    22: lambda _, x, shape: x.reshape(shape),
    34: lambda _, x, pads: np.pad(x, pads),
    36: lambda _, x, rows: x[rows],
    40: lambda _, x, axes: x.mean(axis=tuple(axes)),
    45: _slice_strided,
    65: _slice,
    LOG: lambda _, x: np.log(x),
    75: lambda _, x: np.sqrt(x),
}
