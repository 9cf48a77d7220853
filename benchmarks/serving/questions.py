"""What the servers are asked: the same rows, in each server's own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.model import Rows, rows


@dataclass(frozen=True, slots=True)
class Question:
    """A request that a server understands.

    Args:
        label: In the tables.
        server: Name of the server.
        path: Of a request with one row.
        many: Of a request with several.
        body: As a JSON value.
        probability: Of the first row, from the parsed answer.
    """

    label: str
    server: str
    path: str
    many: str
    body: Callable[[Rows], object]
    probability: Callable[[Any], float]

    def request(self, count: int) -> tuple[str, bytes]:
        """Path and body for so many rows."""
        body = json.dumps(_written(self.body(rows(count))), separators=(",", ":"))
        return (self.path if count == 1 else self.many), body.encode()


def _written(value: Any) -> Any:
    """63 for 63.0, as people and most clients write it."""
    match value:
        case dict():
            return {name: _written(each) for name, each in value.items()}
        case list():
            return [_written(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _objects(asked: Rows) -> object:
    return asked.objects if len(asked.objects) > 1 else asked.objects[0]


def _numbered(asked: Rows) -> object:
    return asked.numbered() if len(asked.objects) > 1 else asked.numbered()[0]


def _bento(asked: Rows) -> object:
    return {"rows": asked.numbered()} if len(asked.objects) > 1 else {"row": asked.numbered()[0]}


def _split(asked: Rows) -> object:
    return {"dataframe_split": {"columns": asked.names, "data": asked.tensor}}


def _seldon(asked: Rows) -> object:
    return {"data": {"names": asked.names, "ndarray": asked.tensor}}


def _ours_v1(asked: Rows) -> object:
    return {"data": {"names": asked.names, "ndarray": asked.values()}}


def _v2(name: str, table: list[list[float]], output: str) -> object:
    tensor = {"name": name, "shape": [len(table), len(table[0])], "datatype": "FP32", "data": table}
    return {"inputs": [tensor], "outputs": [{"name": output}]}


def _first(answer: Any) -> float:
    return float((answer[0] if isinstance(answer, list) else answer)["probability"])


def _first_bento(answer: Any) -> float:
    return float(answer[0] if isinstance(answer, list) else answer)


def _first_mlflow(answer: Any) -> float:
    return float(answer["predictions"][0][1])


def _first_v1(answer: Any) -> float:
    return float(answer["data"]["ndarray"][0][1])


def _first_v2(answer: Any) -> float:
    return float(answer["outputs"][0]["data"][1])


def _ours_v2(asked: Rows) -> object:
    return _v2("features", asked.values(), "probabilities")


def _mlserver(asked: Rows) -> object:
    return _v2("predict", asked.tensor, "predict_proba")


V1, MLSERVER = "/api/v1.0/predictions", "/v2/models/heart/infer"
OURS_V2 = "/v2/models/heart_disease/infer"
QUESTIONS = (
    Question("hello world", "hello", "/", "/", _numbered, lambda _: float("nan")),
    Question("the sketch", "sketch", "/", "/", _numbered, _first),
    Question("ours, `/predict`", "ours", "/predict", "/predict", _objects, _first),
    Question("ours, Seldon V1", "ours", V1, V1, _ours_v1, _first_v1),
    Question("ours, Open Inference V2", "ours", OURS_V2, OURS_V2, _ours_v2, _first_v2),
    Question("FastAPI, ONNX", "fastapi-onnx", "/predict", "/predict_many", _numbered, _first),
    Question("MLServer, ONNX", "mlserver-onnx", MLSERVER, MLSERVER, _mlserver, _first_v2),
    Question("Seldon wrapper, ONNX", "seldon-onnx", V1, V1, _seldon, _first_v1),
    Question("MLServer, scikit-learn", "mlserver-sklearn", MLSERVER, MLSERVER, _mlserver, _first_v2),
    Question("Seldon wrapper, scikit-learn", "seldon-sklearn", V1, V1, _seldon, _first_v1),
    Question("BentoML, scikit-learn", "bentoml", "/predict", "/predict_many", _bento, _first_bento),
    Question("MLflow, scikit-learn", "mlflow", "/invocations", "/invocations", _split, _first_mlflow),
)
