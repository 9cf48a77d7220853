"""Bundles that are whole and predict their own example, and are bad all the same: they fail, or take long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tabular.bundle import digest_of, sha256


def signed(folder: Path) -> None:
    """Let the manifest say what the files are now."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {name: sha256((folder / name).read_bytes()) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "digest": digest_of(manifest["files"])}))


def failing(folder: Path) -> None:
    """Let the graph fail, by a look-up of what is not there, at every age above that of the bundle's own example."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    model = _with_inner(folder)
    age = json.loads((folder / "serving.json").read_bytes())["example"]["row"]["age"]
    constants = {
        "age_column": np.array([0]),
        "proved": np.array([age + 0.5], np.float32),
        "only": np.zeros(1, np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["features", "age_column"], ["age_of_row"], axis=1),
            helper.make_node("Greater", ["age_of_row", "proved"], ["older"]),
            helper.make_node("Cast", ["older"], ["position"], to=TensorProto.INT64),
            helper.make_node("Gather", ["only", "position"], ["nothing"]),
            helper.make_node("Add", ["inner", "nothing"], ["probabilities"]),
        ]
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    signed(folder)


def slow(folder: Path, products: int = 20) -> None:
    """Let the graph multiply large matrices, which depend on the row so that nobody does it beforehand."""
    import numpy as np
    from onnx import helper, numpy_helper

    model = _with_inner(folder)
    matrix = np.random.default_rng(0).normal(size=(600, 600)).astype(np.float32) / 600
    constants: dict[str, Any] = {"matrix": matrix, "none": np.array(0, np.float32), "age_column": np.array([0])}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["features", "age_column"], ["age_of_row"], axis=1),
            helper.make_node("ReduceMax", ["age_of_row"], ["oldest"], keepdims=0),
            helper.make_node("Mul", ["oldest", "none"], ["nothing"]),
            helper.make_node("Add", ["matrix", "nothing"], ["product_0"]),
            *(helper.make_node("MatMul", [f"product_{n}", "matrix"], [f"product_{n + 1}"]) for n in range(products)),
            helper.make_node("ReduceMax", [f"product_{products}"], ["largest"], keepdims=0),
            helper.make_node("Mul", ["largest", "none"], ["nothing_again"]),
            helper.make_node("Add", ["inner", "nothing_again"], ["probabilities"]),
        ]
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    signed(folder)


def _with_inner(folder: Path) -> Any:
    """The graph with its answer under the name `inner`, for nodes to come."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:
        node.output[:] = ["inner" if name == "probabilities" else name for name in node.output]
    return model
