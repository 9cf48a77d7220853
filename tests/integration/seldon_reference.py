"""The reference bundle as a model of Seldon's own wrapper, which runs this file by its own packages."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime


class Reference:
    def __init__(self):
        bundle = Path(os.environ["BUNDLE"])
        contract = json.loads((bundle / "contract.json").read_bytes())
        self.class_names = contract["classes"]
        self.codes = [feature["codes"] for feature in contract["features"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession((bundle / "model.onnx").read_bytes(), options)

    def predict(self, X, names, meta=None):
        rows = [[self.number(*pair) for pair in zip(row, self.codes)] for row in X]
        return self.session.run(["probabilities"], {"features": np.array(rows, dtype=np.float32)})[0]

    def number(self, value, codes):
        return np.nan if value is None else codes.index(value) if codes else value

    def tags(self):
        return {"model": "heart_disease", "version": "1"}
