"""Makes the networks in `checkpoints/movenet` and `checkpoints/yolox`.

`python docs/make_detectors.py --movenet movenet_multipose.onnx --yolox yolox_nano.onnx`, where the first is MoveNet
MultiPose Lightning of TensorFlow Hub, converted by tf2onnx, and the second the export of YOLOX-nano that its authors
publish (both Apache-2.0); it needs the package `onnx`. Both take one picture at a time, YOLOX one size. Here they take
any number of pictures, YOLOX in any size whose sides are multiples of 32, and they also give what they know inside.
"""

import argparse
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
CHANGED = "changed by docs/make_detectors.py of seldfuse"
"""What the licence asks to be said in the files."""

HEADS = {
    "Sigmoid:0": "centers",
    "kpt_regress_0/conv2d_8/BiasAdd:0": "reaches",
    "Sigmoid_1:0": "heatmaps",
    "kpt_offset_0/conv2d_9/BiasAdd:0": "point_offsets",
    "box_scale_0/conv2d_5/BiasAdd:0": "box_sizes",
    "box_offset_0/conv2d_6/BiasAdd:0": "box_offsets",
    "center_net_mobile_net_v2fpn_feature_extractor/model_1/re_lu_2/Relu:0": "features",
}
"""What MoveNet computes last before it looks for people, after the prefix of its export, and its name here."""

PREFIX = "StatefulPartitionedCall/"

DECODER = """
<ir_version: 7, opset_import: ["" : 13]>
find_people (
    float[picture, 1, row, column] centers,
    float[picture, 34, row, column] reaches,
    float[picture, 17, row, column] maps,
    float[picture, 34, row, column] point_offsets,
    float[picture, 2, row, column] box_sizes,
    float[picture, 2, row, column] box_offsets
) => (float[picture, 6, 56] people)
<
    float zero = {0}, float half = {0.5}, float one = {1}, float same = {1.0132789611816406e-06},
    float least_score = {0.126953125}, float reach = {-0.300048828125},
    int64 first = {0}, int64 second = {1}, int64 row_axis = {2}, int64 column_axis = {3}, int64 int_one = {1},
    int64[1] most = {6}, int64[1] last = {-1}, int64[1] axis_1 = {1}, int64[1] axis_2 = {2}, int64[1] axis_3 = {3},
    int64[2] axes_1_3 = {1, 3}, int64[2] axes_3_4 = {3, 4},
    int64[2] as_line = {0, -1}, int64[3] as_lines = {0, 0, -1}, int64[2] as_column = {-1, 1},
    int64[4] as_pairs = {0, 17, 2, -1}, int64[4] as_places = {0, 0, 6, -1},
    int64[3] for_reaches = {1, 34, 1}, int64[3] for_boxes = {1, 2, 1}, int64[4] for_pairs = {1, 1, 2, 1},
    int64[4] for_people = {1, 1, 6, 1}, int64[3] as_row = {0, 6, 51}
>
{
    size = Shape (centers)
    rows = Gather (size, row_axis)
    columns = Gather (size, column_axis)
    high = Cast <to = 1> (rows)
    wide = Cast <to = 1> (columns)

    highest = MaxPool <kernel_shape = [5, 5], strides = [1, 1], auto_pad = "SAME_UPPER"> (centers)
    below = Sub (centers, highest)
    beside = Abs (below)
    is_peak = Less (beside, same)
    peak = Cast <to = 1> (is_peak)
    peaks = Mul (centers, peak)
    peaks_in_line = Reshape (peaks, as_line)
    center_scores, places = TopK (peaks_in_line, most)
    place_rows = Div (places, columns)
    rows_before = Mul (place_rows, columns)
    place_columns = Sub (places, rows_before)
    y = Cast <to = 1> (place_rows)
    x = Cast <to = 1> (place_columns)
    place = Unsqueeze (places, axis_1)

    sizes_in_line = Reshape (box_sizes, as_lines)
    offsets_in_line = Reshape (box_offsets, as_lines)
    box_places = Expand (place, for_boxes)
    signed_sizes = GatherElements <axis = 2> (sizes_in_line, box_places)
    sizes = Max (signed_sizes, zero)
    half_sizes = Mul (sizes, half)
    offsets = GatherElements <axis = 2> (offsets_in_line, box_places)
    half_height = Gather <axis = 1> (half_sizes, first)
    half_width = Gather <axis = 1> (half_sizes, second)
    y_offset = Gather <axis = 1> (offsets, first)
    x_offset = Gather <axis = 1> (offsets, second)
    y_middle = Add (y, y_offset)
    x_middle = Add (x, x_offset)
    free_top = Sub (y_middle, half_height)
    free_left = Sub (x_middle, half_width)
    free_bottom = Add (y_middle, half_height)
    free_right = Add (x_middle, half_width)
    top = Clip (free_top, zero, high)
    left = Clip (free_left, zero, wide)
    bottom = Clip (free_bottom, zero, high)
    right = Clip (free_right, zero, wide)

    reaches_in_line = Reshape (reaches, as_lines)
    reach_places = Expand (place, for_reaches)
    reach_here = GatherElements <axis = 2> (reaches_in_line, reach_places)
    reach_pairs = Reshape (reach_here, as_pairs)
    y_reach = Gather <axis = 2> (reach_pairs, first)
    x_reach = Gather <axis = 2> (reach_pairs, second)
    y_center = Unsqueeze (y, axis_1)
    x_center = Unsqueeze (x, axis_1)
    y_guess = Add (y_center, y_reach)
    x_guess = Add (x_center, x_reach)
    y_guess_of_rows = Unsqueeze (y_guess, axes_3_4)
    x_guess_of_columns = Unsqueeze (x_guess, axes_3_4)

    row_numbers = Range (first, rows, int_one)
    column_numbers = Range (first, columns, int_one)
    row_line = Cast <to = 1> (row_numbers)
    all_x = Cast <to = 1> (column_numbers)
    all_y = Reshape (row_line, as_column)
    smaller = Min (high, wide)
    fall = Mul (smaller, reach)
    y_apart = Sub (all_y, y_guess_of_rows)
    x_apart = Sub (all_x, x_guess_of_columns)
    y_square = Mul (y_apart, y_apart)
    x_square = Mul (x_apart, x_apart)
    y_log = Div (y_square, fall)
    x_log = Div (x_square, fall)
    y_near = Exp (y_log)
    x_near = Exp (x_log)

    top_of_rows = Unsqueeze (top, axes_1_3)
    bottom_of_rows = Unsqueeze (bottom, axes_1_3)
    left_of_columns = Unsqueeze (left, axes_1_3)
    right_of_columns = Unsqueeze (right, axes_1_3)
    under_top = GreaterOrEqual (row_line, top_of_rows)
    over_bottom = Less (row_line, bottom_of_rows)
    after_left = GreaterOrEqual (all_x, left_of_columns)
    before_right = Less (all_x, right_of_columns)
    in_rows = And (under_top, over_bottom)
    in_columns = And (after_left, before_right)
    inside_rows_flat = Cast <to = 1> (in_rows)
    inside_columns_flat = Cast <to = 1> (in_columns)
    inside_rows = Unsqueeze (inside_rows_flat, last)
    inside_columns = Unsqueeze (inside_columns_flat, axis_3)
    y_weight = Mul (y_near, inside_rows)
    x_weight = Mul (x_near, inside_columns)

    map_of_all = Unsqueeze (maps, axis_2)
    weighted_rows = Mul (map_of_all, y_weight)
    weighted = Mul (weighted_rows, x_weight)
    likely = Reshape (weighted, as_places)
    best = ArgMax <axis = 3, keepdims = 0> (likely)
    best_rows = Div (best, columns)
    best_before = Mul (best_rows, columns)
    best_columns = Sub (best, best_before)
    best_y = Cast <to = 1> (best_rows)
    best_x = Cast <to = 1> (best_columns)
    best_place = Unsqueeze (best, axis_2)
    pair_places = Expand (best_place, for_pairs)
    pairs_in_line = Reshape (point_offsets, as_pairs)
    point_pairs = GatherElements <axis = 3> (pairs_in_line, pair_places)
    y_beside = Gather <axis = 2> (point_pairs, first)
    x_beside = Gather <axis = 2> (point_pairs, second)
    point_row = Add (best_y, y_beside)
    point_column = Add (best_x, x_beside)
    row_share = Div (one, high)
    column_share = Div (one, wide)
    point_y = Mul (point_row, row_share)
    point_x = Mul (point_column, column_share)
    people_places = Expand (best_place, for_people)
    scores_of_all = GatherElements <axis = 3> (likely, people_places)
    point_score = ReduceMax <axes = [2], keepdims = 0> (scores_of_all)

    is_sure = Greater (point_score, least_score)
    sure = Cast <to = 1> (is_sure)
    sure_scores = Mul (point_score, sure)
    center_of_points = Unsqueeze (center_scores, axis_1)
    products = Mul (center_of_points, sure_scores)
    total = ReduceSum <keepdims = 0> (products, axis_1)
    number = ReduceSum <keepdims = 0> (sure, axis_1)
    count = Max (number, one)
    score = Div (total, count)

    point_y_last = Unsqueeze (point_y, axis_3)
    point_x_last = Unsqueeze (point_x, axis_3)
    point_score_last = Unsqueeze (point_score, axis_3)
    points_of_people = Concat <axis = 3> (point_y_last, point_x_last, point_score_last)
    people_of_points = Transpose <perm = [0, 2, 1, 3]> (points_of_people)
    points = Reshape (people_of_points, as_row)
    top_share = Mul (top, row_share)
    left_share = Mul (left, column_share)
    bottom_share = Mul (bottom, row_share)
    right_share = Mul (right, column_share)
    top_last = Unsqueeze (top_share, axis_2)
    left_last = Unsqueeze (left_share, axis_2)
    bottom_last = Unsqueeze (bottom_share, axis_2)
    right_last = Unsqueeze (right_share, axis_2)
    score_last = Unsqueeze (score, axis_2)
    people = Concat <axis = 2> (points, top_last, left_last, bottom_last, right_last, score_last)
}
"""
"""MoveNet's search for people, for any number of pictures; the export's own is for one.

The six highest peaks of `centers` are people. A point is where its map, weighted by how near that is to the place that
`reaches` gives and cut at the person's box, has its maximum; `point_offsets` place it between cells. What the export
computes for all cells of `(row, column)` at once falls into a factor for rows and one for columns.
"""

CLASS_CONVOLUTIONS = {"Conv_314": "class_features_8", "Conv_347": "class_features_16", "Conv_380": "class_features_32"}
"""The last convolutions of YOLOX's classifiers, and the name of what each takes, by its stride."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movenet", type=Path, required=True)
    parser.add_argument("--yolox", type=Path, required=True)
    settings = parser.parse_args()
    _save(convert_movenet(onnx.load(settings.movenet)), CHECKPOINTS / "movenet" / "multipose.onnx")
    _save(convert_yolox(onnx.load(settings.yolox)), CHECKPOINTS / "yolox" / "nano.onnx")


def convert_movenet(model: ModelProto) -> ModelProto:
    """Convert MoveNet: any number of pictures, weights in half precision; what the heads found comes out as well."""
    names = {f"{PREFIX}{inner}": name for inner, name in HEADS.items()}
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], dtype=np.float32), "doubled"))
    for node in model.graph.node:
        if node.op_type == "Resize":
            # The export computes the size, which is twice that of the input.
            node.input[1:] = ["", "doubled"]
    _rename(model.graph, {**names, model.graph.input[0].name: "pictures"})
    backbone = onnx.helper.make_graph(
        _find_ancestors(model.graph, names.values()),
        "movenet",
        [_value("pictures", TensorProto.INT32, ("picture", "height", "width", 3))],
        [_value(name, TensorProto.FLOAT, ("picture", None, "row", "column")) for name in names.values()],
        model.graph.initializer,
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    merged = onnx.compose.merge_models(
        onnx.helper.make_model(backbone, opset_imports=opset, ir_version=7),
        onnx.parser.parse_model(DECODER),
        [(name, "maps" if name == "heatmaps" else name) for name in HEADS.values() if name != "features"],
        outputs=["people"],
    )
    merged.graph.output.extend(
        _value(name, TensorProto.FLOAT, ("picture", channels, "row", "column"))
        for name, channels in (("heatmaps", 17), ("features", 24))
    )
    _drop_unused(merged.graph)
    _store_halves(merged.graph)
    merged.doc_string = f"MoveNet MultiPose Lightning (Google, Apache-2.0), {CHANGED}"
    return merged


def convert_yolox(model: ModelProto) -> ModelProto:
    """Convert YOLOX: any number of pictures, any sides that are multiples of 32; the classifiers' features come out."""
    graph = model.graph
    inner = {node.input[0]: CLASS_CONVOLUTIONS[node.name] for node in graph.node if node.name in CLASS_CONVOLUTIONS}
    _rename(graph, {**inner, graph.input[0].name: "pictures", graph.output[0].name: "candidates"})
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in shapes:
            # Zero: as many as there are.
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, 85, -1], dtype=np.int64), tensor.name))
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(_value("pictures", TensorProto.FLOAT, ("picture", 3, "height", "width")))
    graph.output.append(_value("candidates", TensorProto.FLOAT, ("picture", "candidate", 85)))
    graph.output.extend(
        _value(name, TensorProto.FLOAT, ("picture", 64, f"row_{stride}", f"column_{stride}"))
        for name, stride in zip(CLASS_CONVOLUTIONS.values(), (8, 16, 32), strict=True)
    )
    model.doc_string = f"YOLOX-nano (Megvii, Apache-2.0), {CHANGED}"
    return model


def _save(model: ModelProto, path: Path) -> None:
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString())
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.stat().st_size / 1e6:.2f} MB  {path}")


def _value(name: str, kind: int, shape: Iterable[int | str | None]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, kind, list(shape))


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Rename values wherever they come from or go to."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]


def _find_ancestors(graph: GraphProto, names: Iterable[str]) -> list[NodeProto]:
    """Find the nodes on which some values depend, in their order."""
    needed = set(names)
    found: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            found.append(node)
    return found[::-1]


def _drop_unused(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _store_halves(graph: GraphProto) -> None:
    """Store weights in half precision, which the graph casts; MoveNet's were such already, so that nothing is lost."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size == 1:
            continue
        halves = values.astype(np.float16)
        if not (halves.astype(np.float32) == values).all():
            raise SystemExit(f"expected weights that half precision holds, {tensor.name} are none")
        name, stored = tensor.name, f"{tensor.name}_half"
        tensor.CopyFrom(numpy_helper.from_array(halves, stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


if __name__ == "__main__":
    main()
