"""Export a fitted pipeline to ONNX, and prove that both answer alike."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from project.errors import Refused
from tabular.metrics import Floats
from tabular.prior_shift import LEAST, Scaling

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


class Probable(Protocol):
    """Whatever answers with probabilities."""

    def predict_proba(self, features: npt.NDArray[np.float32], /) -> Floats:
        """Probabilities (rows, classes)."""
        ...


INPUT, OUTPUT = "features", "probabilities"
PARITY_ROWS = 20_000
OPSET = 18


def to_onnx(model: Pipeline, columns: int) -> bytes:
    """The model as ONNX: `features` float32 (rows, columns) in, `probabilities` float32 (rows, classes) out.

    Raises:
        Refused: The converter does not know a part of the pipeline; such a model can not be shipped.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer

    try:
        graph = convert_sklearn(
            model,
            initial_types=[(INPUT, FloatTensorType([None, columns]))],
            final_types=None,
            custom_conversion_functions={OneHotEncoder: _one_hot, SplineTransformer: _spline},
            custom_shape_calculators={OneHotEncoder: _one_hot_shape, SplineTransformer: _spline_shape},
            options={id(model): {"zipmap": False, "output_class_labels": False}},
            target_opset=OPSET,
        )
    except Exception as error:  # noqa: BLE001  skl2onnx raises a dozen kinds; all mean the same to the user
        what = f"{type(model[-1]).__name__} can not be exported to ONNX: {error}"
        raise Refused(what, "leave that candidate out of configs/training.yaml") from None
    graph.graph.name = "tabular"  # the converter's own name is a random id, and the digest would change with it
    graph.producer_version = ""
    _sort_opsets(graph)  # the converter walks a set of them: their order follows the process's hash seed
    _rename_output(graph)
    return bytes(graph.SerializeToString())


def with_scaling(model: bytes, scaling: Scaling) -> bytes:
    """The exported model with a scaling of its probabilities behind it, in the same graph and under the same names."""
    import onnx
    from onnx import TensorProto, helper

    loaded = onnx.load_from_string(model)
    graph, classes = loaded.graph, len(scaling.offset)
    for node in graph.node:
        node.output[:] = ["unscaled" if name == OUTPUT else name for name in node.output]
        node.input[:] = ["unscaled" if name == OUTPUT else name for name in node.input]
    for name, shape, values in (
        ("scale_least", [], [LEAST]),
        ("scale_slope", [], [scaling.slope]),
        ("scale_offset", [1, classes], scaling.offset),
    ):
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, shape, values))
    for kind, inputs, output in (
        ("Max", ["unscaled", "scale_least"], "scale_known"),
        ("Log", ["scale_known"], "scale_log"),
        ("Mul", ["scale_log", "scale_slope"], "scale_sloped"),
        ("Add", ["scale_sloped", "scale_offset"], "scale_moved"),
        ("Softmax", ["scale_moved"], OUTPUT),
    ):
        graph.node.append(helper.make_node(kind, inputs, [output], name=f"scale_{kind}"))
    return bytes(loaded.SerializeToString())


def session(onnx: bytes) -> Any:
    """An onnxruntime session on one thread: the same sums in the same order everywhere."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, by the import
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def predict(onnx: bytes, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities (rows, classes) from the exported model."""
    (probabilities,) = session(onnx).run([OUTPUT], {INPUT: features})
    return np.asarray(probabilities, dtype=np.float64)


def recombined(
    features: npt.NDArray[np.float32], rows: int, seed: int, numbers: Sequence[int] = ()
) -> npt.NDArray[np.float32]:
    """New rows mixed from real values, column by column, a tenth of the cells missing or an unknown category.

    Real values are the hard case: a tree's thresholds lie right between them.

    Args:
        features: Rows to mix.
        rows: How many to make.
        seed: Of the draw.
        numbers: Columns that hold no categories: an unknown one among lengths of 0.1 would be a length of 99, which
            no range allows and whose rounding hides all the others'.
    """
    draw = np.random.default_rng(seed)
    mixed = np.column_stack([draw.choice(features[:, i], rows) for i in range(features.shape[1])])
    mixed[draw.random(mixed.shape) < 0.08] = np.nan
    unknown = draw.random(mixed.shape) < 0.02
    unknown[:, list(numbers)] = False
    mixed[unknown] = 99.0
    return mixed.astype(np.float32)


def parity(model: Probable, onnx: bytes, features: npt.NDArray[np.float32], seed: int, numbers: Sequence[int]) -> float:
    """Largest difference of any probability between scikit-learn and ONNX on 20,000 rows; see `recombined`."""
    rows = recombined(features, PARITY_ROWS, seed, numbers)
    return float(np.abs(model.predict_proba(rows) - predict(onnx, rows)).max())


def size(onnx: bytes) -> tuple[int, int]:
    """Bytes, and nodes: decision nodes of all trees, or graph operators where there are none."""
    import onnx as onnx_package

    graph = onnx_package.load_from_string(onnx).graph
    trees = [
        len(attribute.ints)
        for node in graph.node
        for attribute in node.attribute
        if node.op_type.startswith("TreeEnsemble") and attribute.name == "nodes_nodeids"
    ]
    return len(onnx), sum(trees) or len(graph.node)


def _one_hot(scope: Any, operator: Any, container: Any) -> None:
    """All columns at once, where the converter has three operators for each: a single row pays for every operator.

    A cell that equals none of its column's codes gives zeros, as with `handle_unknown="ignore"`.
    """
    from onnx import TensorProto

    codes = operator.raw_operator.categories_
    column_of = [column for column, known in enumerate(codes) for _ in known]
    columns, known, spread, equal = (
        scope.get_unique_variable_name(f"one_hot_{name}") for name in ("columns", "codes", "spread", "equal")
    )
    container.add_initializer(columns, TensorProto.INT64, [len(column_of)], column_of)
    container.add_initializer(known, TensorProto.FLOAT, [1, len(column_of)], np.concatenate(codes).tolist())
    (given,), (encoded,) = operator.inputs, operator.outputs
    for kind, inputs, output, attributes in (
        ("Gather", [given.full_name, columns], spread, {"axis": 1}),
        ("Equal", [spread, known], equal, {}),
        ("Cast", [equal], encoded.full_name, {"to": TensorProto.FLOAT}),
    ):
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, output, op_version=OPSET, name=name, **attributes)


def _one_hot_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, sum(map(len, operator.raw_operator.categories_))])


def _spline(scope: Any, operator: Any, container: Any) -> None:
    """Hats over the knots of all columns at once: max(0, min(rise, fall)), constant outside the outer knots."""
    from onnx import TensorProto

    inner = [spline.t[1:-1] for spline in operator.raw_operator.bsplines_]
    step_of = [own[1] - own[0] for own in inner]  # knots are evenly spaced
    # A column of one value has all knots in one place, and no hat that is above 0 anywhere.
    knots = np.concatenate([own if step else own + 2 for own, step in zip(inner, step_of, strict=True)])
    steps = np.concatenate([np.full(len(own), step or 1.0) for own, step in zip(inner, step_of, strict=True)])
    bounds = [np.concatenate([np.full(len(own), own[end]) for own in inner]) for end in (0, -1)]
    (given,), (encoded,) = operator.inputs, operator.outputs
    constants = {"knots": knots, "steps": steps, "first": bounds[0], "last": bounds[1]}
    names = {
        name: scope.get_unique_variable_name(f"spline_{name}")
        for name in (*constants, "columns", "one", "zero", "spread", "low", "in", "from", "far", "way", "hat")
    }
    for name, values in constants.items():
        container.add_initializer(names[name], TensorProto.FLOAT, [1, len(knots)], values.tolist())
    columns = [column for column, own in enumerate(inner) for _ in own]
    container.add_initializer(names["columns"], TensorProto.INT64, [len(columns)], columns)
    container.add_initializer(names["one"], TensorProto.FLOAT, [], [1.0])
    container.add_initializer(names["zero"], TensorProto.FLOAT, [], [0.0])
    for kind, inputs, output, attributes in (
        ("Gather", [given.full_name, names["columns"]], names["spread"], {"axis": 1}),
        ("Max", [names["spread"], names["first"]], names["low"], {}),
        ("Min", [names["low"], names["last"]], names["in"], {}),
        ("Sub", [names["in"], names["knots"]], names["from"], {}),
        ("Div", [names["from"], names["steps"]], names["far"], {}),
        ("Abs", [names["far"]], names["way"], {}),
        ("Sub", [names["one"], names["way"]], names["hat"], {}),
        ("Max", [names["hat"], names["zero"]], encoded.full_name, {}),
    ):
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, output, op_version=OPSET, name=name, **attributes)


def _spline_shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, operator.raw_operator.n_features_out_])


def _sort_opsets(graph: Any) -> None:
    opsets = sorted((opset.domain, opset.version) for opset in graph.opset_import)
    for entry, (domain, version) in zip(graph.opset_import, opsets, strict=True):
        entry.domain, entry.version = domain, version


def _rename_output(graph: Any) -> None:
    old = graph.graph.output[-1].name
    for node in graph.graph.node:
        node.output[:] = [OUTPUT if name == old else name for name in node.output]
        node.input[:] = [OUTPUT if name == old else name for name in node.input]
    graph.graph.output[-1].name = OUTPUT
