"""Open Inference V2: Triton's own clients, HTTP and gRPC, against real servers, and the proto against theirs."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from project.paths import ROOT
from serving import open_inference_pb2
from tests.integration.venvs import Venvs
from tests.served import Served
from tests.served import served as serving
from tests.serving_bundle import PENGUIN

PRELUDE = """
    import json, sys
    import numpy as np
    kind, port, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if kind == "http":
        import tritonclient.http as t
    else:
        import tritonclient.grpc as t
    key, row = given.get("key", ""), given["row"]
    headers = {"x-api-key": key} if key else {}
    KINDS = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BYTES": np.object_}

    def inputs(client, model, values, count=1, json_columns=()):
        described = client.get_model_metadata(model, **({} if kind == "http" else {"as_json": True}))
        found = []
        for each in described["inputs"]:
            name, datatype = each["name"], each["datatype"]
            column = np.array([values[name]] * count, dtype=KINDS[datatype])
            tensor = t.InferInput(name, [count], datatype)
            options = {"binary_data": name not in json_columns} if kind == "http" else {}
            tensor.set_data_from_numpy(column, **options)
            found.append(tensor)
        return found

    def refused(call):
        try:
            call()
        except t.InferenceServerException as error:
            return [error.status() or "", error.message()]
        return None
"""
ASK = (
    PRELUDE
    + """
    client, said = t.InferenceServerClient(f"127.0.0.1:{port}"), {}
    said["health"] = [client.is_server_live(), client.is_server_ready(), client.is_model_ready("heart_disease"),
                      client.is_model_ready("heart_disease", "1")]
    said["other model"] = refused(lambda: client.get_model_metadata("other"))
    server = client.get_server_metadata(**({} if kind == "http" else {"as_json": True}))
    said["server"] = [server["name"], server["version"], server["extensions"]]
    metadata = client.get_model_metadata("heart_disease", "1", **({} if kind == "http" else {"as_json": True}))
    said["inputs"] = [each["name"] for each in metadata["inputs"]]
    said["outputs"] = {each["name"]: [each["datatype"], [int(size) for size in each["shape"]]]
                       for each in metadata["outputs"]}

    def told(result):
        return {name: [list(array.shape), [each.decode() if isinstance(each, bytes) else each
                                           for each in array.ravel().tolist()]]
                for name in ("prediction", "probabilities", "label") if (array := result.as_numpy(name)) is not None}

    both = inputs(client, "heart_disease", row, 2)
    result = client.infer("heart_disease", both, model_version="1", request_id="r1", headers=dict(headers))
    response = result.get_response() if kind == "http" else result.get_response(as_json=True)
    said["id"], said["all"] = response["id"], told(result)
    asked = [t.InferRequestedOutput("label")]
    said["label"] = told(client.infer("heart_disease", both, outputs=asked, headers=dict(headers)))
    tensor = t.InferInput("features", [3, len(row)], "FP32")
    tensor.set_data_from_numpy(np.array([list(row.values())] * 3, dtype=np.float32))
    said["features"] = told(client.infer("heart_disease", [tensor], headers=dict(headers)))
    said["nan"] = told(client.infer("heart_disease", inputs(client, "heart_disease", {**row, "thalach": np.nan}),
                                    headers=dict(headers)))
    if kind == "http":
        names = list(row)
        asked = [t.InferRequestedOutput("label", binary_data=False), t.InferRequestedOutput("probabilities")]
        said["mixed"] = told(client.infer("heart_disease", inputs(client, "heart_disease", row, 2, names[::2]),
                                          outputs=asked, headers=dict(headers)))
        said["json"] = told(client.infer("heart_disease", inputs(client, "heart_disease", row, 2, names),
                                         outputs=[t.InferRequestedOutput(name, binary_data=False) for name in
                                                  ("prediction", "probabilities", "label")], headers=dict(headers)))
    said["invalid"] = refused(lambda: client.infer(
        "heart_disease", inputs(client, "heart_disease", {**row, "age": 200}, 2), headers=dict(headers)))
    said["no key"] = refused(lambda: client.infer("heart_disease", both))
    said["no model"] = refused(lambda: client.infer("other", both, headers=dict(headers)))
    said["no version"] = refused(lambda: client.infer("heart_disease", both, model_version="9", headers=dict(headers)))
    said["no output"] = refused(lambda: client.infer(
        "heart_disease", both, outputs=[t.InferRequestedOutput("logits")], headers=dict(headers)))
    print(json.dumps(said))
"""
)


def given(**values: Any) -> str:
    return json.dumps(values)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_its_client(served: Served, row: dict[str, Any], probability: float, venvs: Venvs, kind: str) -> None:
    port = served.port if kind == "http" else served.grpc_port
    said = venvs.run("triton", ASK, kind, str(port), given(key=served.key, row=row))
    label = served.post("/predict", row)["label"]
    expected = pytest.approx([1 - probability, probability], abs=1e-6)
    assert said["health"] == [True] * 4
    assert said["server"] == ["tabular", "1", ["binary_tensor_data"]]
    assert said["inputs"] == list(row)
    assert said["outputs"] == {
        "prediction": ["INT64", [-1]],
        "probabilities": ["FP32", [-1, 2]],
        "label": ["BYTES", [-1]],
    }
    assert said["id"] == "r1"
    assert said["all"]["prediction"] == [[2], [int(label == "disease")] * 2]
    assert said["all"]["probabilities"][0] == [2, 2]
    assert said["all"]["probabilities"][1][:2] == expected
    assert said["all"]["label"] == [[2], [label] * 2]
    assert said["label"] == {"label": [[2], [label] * 2]}
    assert said["features"]["probabilities"][0] == [3, 2]
    assert said["features"]["probabilities"][1][4:] == expected
    missing = served.post("/predict", {**row, "thalach": None})["probability"]
    assert said["nan"]["probabilities"][1][1] == pytest.approx(missing, abs=1e-6)
    if kind == "http":
        assert said["mixed"] == {name: said["all"][name] for name in ("probabilities", "label")}
        assert said["json"] == said["all"]
    assert said["invalid"][1] == "row 1: age is 200; allowed: a number from 0 to 120 (and 1 more)"
    assert "API key" in said["no key"][1]
    assert said["no model"][1] == "heart_disease version 1 is here, not other"
    assert said["no version"][1] == "heart_disease version 1 is here, not heart_disease version 9"
    assert said["no output"][1] == "there is no output 'logits'; outputs: prediction, probabilities, label"
    assert said["other model"][1] == "heart_disease version 1 is here, not other"
    names = ("invalid", "no key", "no model", "no version", "no output")
    rest = ["422", "401", "404", "404", "400"]
    refusals = ("INVALID_ARGUMENT", "UNAUTHENTICATED", "NOT_FOUND", "NOT_FOUND", "INVALID_ARGUMENT")
    statuses = rest if kind == "http" else [f"StatusCode.{name}" for name in refusals]
    assert [said[name][0] for name in names] == statuses


TEXTS = (
    PRELUDE
    + """
    client = t.InferenceServerClient(f"127.0.0.1:{port}")
    columns = {each.name(): each for each in inputs(client, "penguins", row, 2)}
    result = client.infer("penguins", list(columns.values()))
    unknown = inputs(client, "penguins", {**row, "island": "Elba"})
    print(json.dumps([[each.decode() for each in result.as_numpy("label").tolist()],
                      result.as_numpy("probabilities").shape, refused(lambda: client.infer("penguins", unknown))[1]]))
"""
)


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_columns_of_texts(penguins: Served, venvs: Venvs, kind: str) -> None:
    port = penguins.port if kind == "http" else penguins.grpc_port
    label, shape, unknown = venvs.run("triton", TEXTS, kind, str(port), given(row=PENGUIN))
    assert (label, shape) == (["Adelie", "Adelie"], [2, 3])
    assert unknown == 'row 1: island is "Elba"; allowed: one of Biscoe, Dream, Torgersen'


STRAIN = (
    PRELUDE
    + """
    import os, signal, threading
    address, said = f"127.0.0.1:{port}", {}
    client = t.InferenceServerClient(address)

    def table(rows):
        tensor = t.InferInput("features", [rows, len(row)], "FP32")
        tensor.set_data_from_numpy(np.array([list(row.values())] * rows, dtype=np.float32))
        return [tensor]

    def count(result):
        return int(result.as_numpy("label").shape[0])

    said["rows"] = count(client.infer("heart_disease", table(10_000)))
    said["too many rows"] = refused(lambda: client.infer("heart_disease", table(10_001)))
    said["too large"] = refused(lambda: client.infer("heart_disease", table(200_000)))
    for algorithm in ("gzip", "deflate"):
        said[algorithm] = count(client.infer("heart_disease", table(5_000), compression_algorithm=algorithm))
    said["bomb"] = refused(lambda: client.infer("heart_disease", table(200_000), compression_algorithm="gzip"))
    said["late"] = refused(lambda: client.infer("heart_disease", table(10_000), client_timeout=1e-4))
    done, all_done = [], threading.Event()

    def answered(result, error):
        done.append(error or count(result))
        if len(done) == 200:
            all_done.set()

    for number in range(200):
        client.async_infer("heart_disease", table(1 + number % 3), answered)
    all_done.wait(60)
    said["at once"] = sum(done)

    errors, after = [], 0
    os.kill(given["worker"], signal.SIGKILL)
    for _ in range(300):
        error = refused(lambda: client.infer("heart_disease", table(1), client_timeout=5))
        after = 0 if error else after + 1
        if error:
            errors.append(error[0])
        if after == 20:
            break
    said["killed"] = [sorted(set(errors)), after]
    print(json.dumps(said))
"""
)


def test_a_grpc_server_under_strain(row: dict[str, Any], venvs: Venvs, tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as pair:
        workers = [int(path.stem) for path in (tmp_path / "workers").glob("*.json") if path.stem.isdigit()]
        assert len(workers) == 2
        said = venvs.run("triton", STRAIN, "grpc", str(pair.grpc_port), given(row=row, worker=workers[0]))
    assert (said["rows"], said["gzip"], said["deflate"]) == (10_000, 5_000, 5_000)
    assert said["too many rows"] == [
        "StatusCode.INVALID_ARGUMENT", "the list has 10001 rows; at most 10000 fit one request",
    ]  # fmt: skip
    too_large = "the message is larger than 4194304 bytes; send fewer rows per call"
    assert said["too large"] == said["bomb"] == ["StatusCode.RESOURCE_EXHAUSTED", too_large]
    assert said["late"][0] == "StatusCode.DEADLINE_EXCEEDED"
    assert said["at once"] == sum(1 + number % 3 for number in range(200))
    errors, after = said["killed"]
    assert after == 20
    assert set(errors) <= {"StatusCode.UNAVAILABLE"}


SECURE = (
    PRELUDE
    + """
    client = t.InferenceServerClient(f"localhost:{port}", ssl=True, root_certificates=given["certificate"])
    result = client.infer("heart_disease", inputs(client, "heart_disease", row), headers=dict(headers))
    print(json.dumps(result.as_numpy("probabilities").ravel().tolist()))
"""
)


def test_grpc_over_tls(row: dict[str, Any], probability: float, venvs: Venvs, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    options = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with serving(tmp_path / "endpoint", *options, is_open=False) as secure:
        more = given(row=row, key=secure.key, certificate=str(certificate))
        found = venvs.run("triton", SECURE, "grpc", str(secure.grpc_port), more)
    assert found == pytest.approx([1 - probability, probability], abs=1e-6)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, kept = serialization.Encoding.PEM, folder / "certificate.pem"
    kept.write_bytes(certificate.public_bytes(pem))
    own = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(own)
    return kept, folder / "key.pem"


def test_the_generated_module_is_of_this_proto(venvs: Venvs, tmp_path: Path) -> None:
    written = tmp_path / "set"
    command = [str(venvs.python("protoc")), "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'serving'}"]
    subprocess.run([*command, f"--descriptor_set_out={written}", "open_inference.proto"], check=True)
    (compiled,) = FileDescriptorSet.FromString(written.read_bytes()).file
    own = FileDescriptorProto.FromString(open_inference_pb2.DESCRIPTOR.serialized_pb)
    for each in (compiled, own):  # JSON names are the compiler's, derived from the names
        for message in each.message_type:
            forget_json_names(message)
    assert own == compiled


def forget_json_names(message: Any) -> None:
    for part in message.field:
        part.ClearField("json_name")
    for nested in message.nested_type:
        forget_json_names(nested)


FIELDS = """
    import json, sys
    from importlib import import_module

    def fields(message):
        found = {field.name: [field.number, field.type, field.is_repeated] for field in message.fields}
        return {message.full_name: found} | {key: value for each in message.nested_types
                                             for key, value in fields(each).items()}

    file = import_module(sys.argv[1]).DESCRIPTOR
    calls = {call.name: [call.input_type.full_name, call.output_type.full_name]
             for call in file.services_by_name["GRPCInferenceService"].methods}
    messages = {key: value for each in file.message_types_by_name.values() for key, value in fields(each).items()}
    print(json.dumps([calls, messages]))
"""


def test_the_proto_is_a_part_of_theirs(venvs: Venvs) -> None:
    calls, messages = venvs.run("triton", FIELDS, "tritonclient.grpc.service_pb2")
    command = [sys.executable, "-c", textwrap.dedent(FIELDS), "serving.open_inference_pb2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    own_calls, own_messages = json.loads(done.stdout)
    assert own_calls.items() <= calls.items()
    assert len(own_messages) > 15
    for name, fields in own_messages.items():
        assert fields.items() <= messages[name].items(), name
