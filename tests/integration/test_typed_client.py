"""The typed client: modules generated from running servers, type-checked, and used against them."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from client import (
    AsyncClient,
    Client,
    InvalidRow,
    NotAllowed,
    NotKnown,
    NotServing,
    Refused,
    TooManyRequests,
    Unreachable,
    Unreadable,
)
from client.generate import main
from project.paths import ROOT
from serving.keys import new_entry, write_keys
from tests.served import REFERENCE, Served, free_port
from tests.served import served as serving
from tests.serving_bundle import PENGUIN, ROW

USE = """
    from client import AsyncClient, Client
    from heart_disease import ChestPain, HeartDisease, Label, Sex
    from penguins import Penguins

    row = HeartDisease(age=63, sex=Sex.MALE, cp=ChestPain.TYPICAL_ANGINA, chol=None, fbs=True)

    def wait(client: Client) -> float:
        answer = client.predict(row)
        several = client.predict_many([row, {"age": 40, "sex": 0}])
        return answer.probability if answer.label == Label.DISEASE else several[0].probability

    async def await_(client: AsyncClient) -> float:
        return (await client.explain(row, budget_ms=100)).baseline
"""
WRONG = {
    "HeartDisease(sex=Sex.MALE)": "Missing named argument",
    'HeartDisease(age="63", sex=Sex.MALE)': "incompatible type",
    "HeartDisease(age=63, sex=Sex.MALE, agee=1)": "Unexpected keyword",
    "HeartDisease(age=63, sex=Sex.MALE, cp=9)": "incompatible type",
    "Penguins(island=None)": "incompatible type",
}


@pytest.fixture(scope="module")
def generated(served: Served, penguins: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module for each server."""
    folder = tmp_path_factory.mktemp("generated")
    for name, server in (("heart_disease", served), ("penguins", penguins)):
        assert main([server.url, "--output", str(folder / f"{name}.py")]) == 0
    return folder


def imported(generated: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, generated / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = sys.modules[name] = importlib.util.module_from_spec(spec)  # where pydantic looks for what it refers to
    spec.loader.exec_module(found)
    return found


@pytest.mark.slow
def test_its_types_say_what_a_row_takes(generated: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache = str(pytestconfig.cache.mkdir("mypy"))
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(USE) + "\n".join(f"{line}  # wrong" for line in WRONG) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, str(program)],
        env={**os.environ, "MYPYPATH": f"{ROOT}:{generated}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    first = next(number for number, line in enumerate(program.read_text().splitlines(), 1) if "# wrong" in line)
    found = [line.removeprefix("program.py:") for line in done.stdout.splitlines() if ": error:" in line]
    assert [int(line.partition(":")[0]) for line in found] == list(range(first, first + len(WRONG))), done.stdout
    for line, expected in zip(found, WRONG.values(), strict=True):
        assert expected in line


def test_a_row_is_judged_before_it_is_sent(generated: Path) -> None:
    row = imported(generated, "heart_disease").HeartDisease
    with pytest.raises(ValidationError, match="less than or equal to 120"):
        row(age=200, sex=1)
    with pytest.raises(ValidationError, match="valid number"):
        row(age=True, sex=1)
    with pytest.raises(ValidationError, match="not permitted"):
        row(age=63, sex=1, agee=1)
    assert row(age=63, sex=1, chol=0, ca=None).model_dump(mode="json", exclude_unset=True) == {
        "age": 63, "sex": 1, "chol": 0, "ca": None,
    }  # fmt: skip


def test_predictions(served: Served, generated: Path) -> None:
    module = imported(generated, "heart_disease")
    row = module.HeartDisease.model_validate(ROW)
    with Client(served.url, served.key) as client:
        answer, other = client.predict(row), client.predict({"age": 40, "sex": 0})
        both = client.predict_many([row, {"age": 40, "sex": 0}])
        explanation = client.explain(row, budget_ms=2000)
    expected = served.post("/predict", ROW)
    assert (answer.label, answer.prediction, answer.model, answer.version, answer.probabilities) == (
        expected["label"], expected["prediction"], "heart_disease", "1", None,
    )  # fmt: skip
    assert answer.probability == pytest.approx(expected["probability"], abs=1e-6)
    assert module.Label(answer.label) in module.Label
    assert [each.probability for each in both] == pytest.approx([answer.probability, other.probability], abs=1e-6)
    total = explanation.baseline + sum(each.contribution for each in explanation.contributions)
    assert total == pytest.approx(answer.probability, abs=1e-6)
    assert (explanation.explained, explanation.exact) == ("disease", True)


def test_predictions_that_are_awaited(penguins: Served, generated: Path) -> None:
    module = imported(generated, "penguins")
    row = module.Penguins.model_validate(PENGUIN)

    async def ask() -> tuple[Any, Any, Any]:
        async with AsyncClient(penguins.url) as client:
            return await asyncio.gather(client.predict(row), client.predict_many([row] * 3), client.explain(row))

    one, three, explanation = asyncio.run(ask())
    assert (one.label, list(one.probabilities)) == ("Adelie", list(module.Label))
    assert one.probability == max(one.probabilities.values())
    assert [each.probability for each in three] == pytest.approx([one.probability] * 3, abs=1e-6)
    assert (explanation.label, explanation.explained) == ("Adelie", "Adelie")


def test_a_refusal_names_field_value_and_what_is_allowed(served: Served) -> None:
    with Client(served.url, served.key) as client, pytest.raises(InvalidRow) as refused:
        client.predict_many([ROW, {**ROW, "age": 200}])
    (violation,) = refused.value.violations
    assert (violation.field, violation.row, violation.value) == ("age", 2, 200)
    assert violation.allowed == "a number from 0 to 120"
    assert refused.value.problem.type == "urn:problem:invalid-value"
    assert str(refused.value) == "row 2: age is 200; allowed: a number from 0 to 120"


def test_several_rows_are_asked_for_by_another_name(served: Served) -> None:
    several: Any = [ROW, ROW]
    with Client(served.url, served.key) as client:
        with pytest.raises(TypeError, match="one row is a mapping or a Row, not list; predict_many takes several"):
            client.predict(several)
        with pytest.raises(TypeError, match="several rows are a sequence, not dict; predict takes one"):
            client.predict_many(ROW)  # type: ignore[arg-type]


def test_keys(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Client(served.url) as client, pytest.raises(NotKnown, match="send an API key"):
        client.predict(ROW)
    monkeypatch.setenv("MODEL_API_KEY", served.key)
    with Client(served.url) as client:
        assert client.predict(ROW).model == "heart_disease"
    with Client(served.url, "wrong") as client, pytest.raises(NotKnown, match="not known"):
        client.predict(ROW)
    key, entry = new_entry("reader", ["predict"], None)
    write_keys(tmp_path / "keys.json", [entry])
    limited = ("--keys", str(tmp_path / "keys.json"), "--rate", "1", "--burst", "2")
    with serving(tmp_path / "endpoint", *limited, is_open=False) as strict:
        with Client(strict.url, key) as client:
            with pytest.raises(NotAllowed, match="does not allow 'explain'"):
                client.explain(ROW)
            client.predict(ROW)
            with pytest.raises(TooManyRequests) as refused:
                client.predict_many([ROW])
        assert refused.value.retry_after == 1
        with Client(strict.url, key, retries=2) as patient:
            assert patient.predict(ROW).version == "1"


def test_a_server_without_a_model_is_asked_again(tmp_path: Path) -> None:
    with serving(tmp_path, bundles={}) as served:
        with Client(served.url) as client, pytest.raises(NotServing, match="no model serves yet"):
            client.predict(ROW)

        async def ask() -> str:
            async with AsyncClient(served.url, retries=7) as patient:
                waiting = asyncio.create_task(patient.predict(ROW))
                await asyncio.sleep(0.2)
                served.bundles["1"] = REFERENCE
                served.write("replace", {"1": 100})
                served.process.send_signal(signal.SIGHUP)
                return (await waiting).version

        assert asyncio.run(ask()) == "1"


def test_what_is_no_model(penguins: Served) -> None:
    with Client(f"{penguins.url}/v2", timeout=5) as client, pytest.raises(Refused, match="nothing at '/v2/predict'"):
        client.predict(PENGUIN)
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address, retries=1) as client, pytest.raises(Unreachable, match="does not answer"):
        client.predict(PENGUIN)

    async def ask() -> None:
        async with AsyncClient(address) as client:
            await client.predict_many([PENGUIN])

    with pytest.raises(Unreachable, match="does not answer"):
        asyncio.run(ask())


def test_what_speaks_another_interface(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port := free_port())]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            with (
                Client(f"http://127.0.0.1:{port}", retries=20) as client,
                pytest.raises(Unreadable, match="answered 501 with text/html"),
            ):
                client.predict(ROW)
        finally:
            process.terminate()


def test_a_saved_document_gives_the_same_module(
    penguins: Served, generated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{penguins.url}/openapi.json", timeout=5) as answer:
        (tmp_path / "openapi.json").write_bytes(answer.read())
    assert main([str(tmp_path / "openapi.json")]) == 0
    assert capsys.readouterr().out == (generated / "penguins.py").read_text()
    (tmp_path / "openapi.json").write_text("{}")
    for source in (str(tmp_path / "openapi.json"), str(tmp_path / "none.json"), f"http://127.0.0.1:{free_port()}"):
        with pytest.raises(SystemExit) as left:
            main([source])
        assert left.value.code == 2
        assert "gives no OpenAPI document" in capsys.readouterr().err
