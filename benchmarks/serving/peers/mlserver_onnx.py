"""MLServer's way to a model it has no runtime for: a class with `load` and `predict`."""

import os

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = self.decode(payload.inputs[0], default_codec=NumpyCodec).astype("float32")
        (probabilities,) = self.session.run(["probabilities"], {"features": tensor})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("predict_proba", probabilities)]
        )
