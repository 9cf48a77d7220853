"""The least that answers a prediction: raw ASGI, msgspec, ONNX. It checks types and nothing else.

No ranges, no codes, no key, no limit, no counter, no log, no version, no second model, no error document.
"""

import os

import msgspec
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
run = onnxruntime.InferenceSession(os.environ["MODEL"], options).run


class Row(msgspec.Struct):
    age: float
    sex: int
    cp: int
    trestbps: float
    chol: float
    fbs: int
    restecg: int
    thalach: float
    exang: int
    oldpeak: float
    slope: int
    ca: float | None = None
    thal: float | None = None


decode = msgspec.json.Decoder(Row | list[Row]).decode
encode = msgspec.json.Encoder().encode
values = msgspec.structs.astuple


async def app(scope, receive, send):
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    rows = decode(body)
    many = type(rows) is list
    tensor = np.array([values(row) for row in rows] if many else [values(rows)], dtype=np.float32)
    probabilities = run(("probabilities",), {"features": tensor})[0][:, 1].tolist()
    answers = [{"prediction": int(p > 0.5), "probability": p} for p in probabilities]
    answer = encode(answers if many else answers[0])
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
