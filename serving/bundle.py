"""Load a bundle: check every byte against its manifest, then the model against its own example."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.columns import Column
from serving.manifest import FORMAT, BundleRefused, read_manifest, verified_files
from serving.rows import Row, RowReader, Rows

TOLERANCE = 1e-6


class OneRow:
    """Predicts a single row through memory bound to the graph once, a third faster than by tensors of its own.

    Args:
        session: Takes `features`, float32, and gives `probabilities`.
        width: Number of features.
        classes: Number of classes.
    """

    def __init__(self, session: Any, width: int, classes: int) -> None:
        from onnxruntime import OrtValue

        self._input, self._output = np.zeros((1, width), np.float32), np.zeros((1, classes), np.float32)
        self._session, self._binding = session, session.io_binding()
        self._binding.bind_ortvalue_input("features", OrtValue.ortvalue_from_numpy(self._input))
        self._binding.bind_ortvalue_output("probabilities", OrtValue.ortvalue_from_numpy(self._output))
        self._alone = threading.Lock()

    def __call__(self, row: Row) -> list[float]:
        """Class probabilities of one row."""
        with self._alone:
            self._input[0] = row
            self._session.run_with_iobinding(self._binding)
            found: list[float] = self._output[0].tolist()
        return found


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Model:
    """A verified bundle, ready to predict."""

    name: str
    version: str
    digest: str
    classes: Sequence[str]
    """In the order of the probabilities; the positive one of a binary model is last."""
    threshold: float | None
    """Binary: the positive class is predicted from this probability on. None: the likeliest class is."""
    rows: RowReader
    contract: Mapping[str, Any]
    """`contract.json`: features with types, units, ranges and labels, classes, source."""
    serving: Mapping[str, Any]
    """`serving.json`: quantiles, an example, and a background sample for explanations."""
    metrics: Mapping[str, Any]
    """`metrics.json`: what was found on held-out rows; empty when the bundle does not say."""
    headers: Sequence[tuple[bytes, bytes]]
    """Of every response: which model and version answered."""
    one: OneRow
    """Class probabilities of a single row."""
    session: Any

    def probabilities(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Class probabilities, float32, shape (rows, classes)."""
        return self.infer(np.array(rows, dtype=np.float32))

    def infer(self, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class probabilities of rows that are a tensor already: shape (rows, features), NaN for missing."""
        found: npt.NDArray[np.float32] = self.session.run(("probabilities",), {"features": tensor})[0]
        return found

    def choose(self, probabilities: Sequence[float]) -> int:
        """The predicted class of one row, as an index into `classes`."""
        if self.threshold is not None:
            return int(probabilities[-1] >= self.threshold)
        return max(range(len(probabilities)), key=probabilities.__getitem__)


def load(folder: Path, version: str, digest: str) -> Model:
    """Verify and load a bundle.

    Args:
        folder: The bundle.
        version: The name under which it will serve.
        digest: The bundle digest it must have.

    Raises:
        BundleRefused: A byte differs from the manifest, the digest from `digest`, the format is newer than this
            server, or the model does not reproduce its own example.
    """
    files = verified_files(folder, read_manifest(folder, digest))
    try:
        contract, serving = json.loads(files["contract.json"]), json.loads(files["serving.json"])
        columns = [Column.parse(feature) for feature in contract["features"]]
        session = _session(files["model.onnx"])
        model = Model(
            name=contract["name"],
            version=version,
            digest=digest,
            classes=contract["classes"],
            threshold=serving["threshold"] if contract["task"] == "binary" else None,
            rows=RowReader(columns),
            contract=contract,
            serving=serving,
            metrics=json.loads(files.get("metrics.json", b"{}")),
            headers=((b"x-model-name", _header(contract["name"])), (b"x-model-version", _header(version))),
            one=OneRow(session, len(columns), len(contract["classes"])),
            session=session,
        )
        example, expected = serving["example"]["row"], serving["example"]["probabilities"]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleRefused(f"bundle {folder}: not in format {FORMAT}: {error!r}") from None
    if contract["task"] == "binary" and model.threshold is None:
        raise BundleRefused(f"bundle {folder}: a binary model needs a threshold")
    _prove(model, folder, example, expected)
    return model


def _header(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{text!r} can not stand in a response header")
    return text.encode()


def _session(model: bytes) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, by the import
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime's own errors share no public base
        raise ValueError(f"model.onnx can not be loaded: {error}") from None


def _prove(model: Model, folder: Path, example: Mapping[str, Any], expected: Sequence[float]) -> None:
    """Warm the session with the bundle's own example, and refuse a model that does not reproduce it."""
    try:
        rows = model.rows.check([example], many=False)
        found = model.probabilities(rows)
        both = np.vstack([found, [model.one(rows[0])]])
        difference = float(np.abs(both - np.array([expected])).max())
    except Exception as error:  # noqa: BLE001  the graph, its inputs or the example may be wrong in any way
        raise BundleRefused(f"bundle {folder}: the model can not predict its own example: {error}") from None
    if found.shape != (1, len(model.classes)) or not difference <= TOLERANCE:
        raise BundleRefused(f"bundle {folder}: the model misses its own example by {difference:.2g}")
