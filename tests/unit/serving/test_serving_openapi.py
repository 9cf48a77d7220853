"""`/openapi.json`: a valid document whose row schema judges as the server does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serving.dispatch import READ, ROUTES
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker


@pytest.fixture
def document(ask: Asker) -> dict[str, Any]:
    answer = ask("/openapi.json", method="GET")
    assert answer.headers["content-type"] == "application/json"
    said: dict[str, Any] = answer.json
    return said


def validator(document: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert documented == {("GET", path) for path in READ} | {(route.method, route.path) for route in ROUTES}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found, reference
    identifiers = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True), ({"age": 200}, False), ({"age": None}, False), ({"age": "63"}, False), ({"ca": None}, True),
        ({"sex": 7}, False), ({"agee": 1}, False), ({"cp": 1.5}, False), ({"sex": True}, True),
    ],
)  # fmt: skip
def test_the_schema_judges_a_row_as_the_server_does(
    ask: Asker, document: dict[str, Any], change: dict[str, Any], fits: bool
) -> None:
    row = {**ROW, **change}
    assert validator(document, "Row").is_valid(row) is fits
    assert ask(body=row).status == (200 if fits else 422)


def test_answers_are_as_documented(ask: Asker, document: dict[str, Any]) -> None:
    validator(document, "Prediction").validate(ask(body=ROW).json)
    validator(document, "Explanation").validate(ask("/explain", ROW).json)
    validator(document, "Problem").validate(ask(body={}).json)
    validator(document, "Ready").validate(ask("/health", method="GET").json)
    validator(document, "V2Model").validate(ask("/v2/models/heart_disease", method="GET").json)
    scored = ask("/invocations", {"dataframe_records": [ROW]}).json
    validator(document, "MlflowAnswer").validate(scored)


def test_headers_are_as_documented(ask: Asker, document: dict[str, Any]) -> None:
    own, limits = {"x-request-id", "x-model-name", "x-model-version"}, {"ratelimit", "ratelimit-policy"}
    for method, path, body, expected in (
        ("POST", "/predict", ROW, own | limits), ("GET", "/openapi.json", b"", own),
        ("GET", "/health", b"", {"x-request-id"}),
    ):  # fmt: skip
        said = document["paths"][path][method.lower()]["responses"]["200"]["headers"]
        assert {name.lower() for name in said} == expected
        assert expected - limits <= set(ask(path, body, method=method).headers)


def test_a_set_that_the_threshold_may_overrule_says_so(ask_flowers: Asker, document: dict[str, Any]) -> None:
    said = document["components"]["schemas"]["Prediction"]["properties"]["interval"]["description"]
    assert said.endswith("`label` weighs errors by its threshold besides, so it may be another.")
    flowers = ask_flowers("/openapi.json", method="GET").json["components"]["schemas"]["Prediction"]
    assert "threshold" not in flowers["properties"]["interval"]["description"]


def test_the_names_of_a_model_with_three_classes(ask_flowers: Asker) -> None:
    said = ask_flowers("/openapi.json", method="GET").json
    prediction = said["components"]["schemas"]["Prediction"]["properties"]
    assert list(prediction["probabilities"]["properties"]) == prediction["label"]["enum"]


def test_every_example_is_answered(ask: Asker, ask_flowers: Asker, document: dict[str, Any]) -> None:
    of_flowers = ask_flowers("/openapi.json", method="GET").json
    for asker, said, model in ((ask, document, "heart_disease"), (ask_flowers, of_flowers, "flowers")):
        version = said["info"]["x-model"]["version"]
        examples = {
            path.format(model=model, version=version): item["post"]["requestBody"]["content"]["application/json"][
                "example"
            ]
            for path, item in said["paths"].items()
            if "post" in item
        }
        assert {path: asker(path, body).status for path, body in examples.items()} == dict.fromkeys(examples, 200)


def test_scopes_are_documented(document: dict[str, Any]) -> None:
    scopes = {path: next(iter(item.values())).get("x-scope") for path, item in document["paths"].items()}
    assert (scopes["/predict"], scopes["/explain"], scopes["/traffic"], scopes["/health"]) == (
        "predict", "explain", "admin", None,
    )  # fmt: skip
