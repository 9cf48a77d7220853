"""Seldon's Python wrapper: a class with `predict`, once over scikit-learn, once over ONNX."""

import os

import numpy as np


class Sklearn:
    def __init__(self):
        import joblib

        self.model = joblib.load("model.joblib")

    def predict(self, X, names, meta=None):
        return self.model.predict_proba(np.asarray(X, dtype=np.float32))


class Onnx:
    def __init__(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def predict(self, X, names, meta=None):
        return self.session.run(["probabilities"], {"features": np.asarray(X, dtype=np.float32)})[0]
