"""The interface keeps its promises: what the last release documented still holds, or the major version is another.

At a release: `curl -s localhost:8000/openapi.json | python -m json.tool > tests/contract/openapi-VERSION.json`, of a
server with the reference bundle.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from project.paths import ROOT
from serving.bundle import load
from serving.openapi import document
from tests.contract.compatibility import breaking_changes

BUNDLE = ROOT / "models" / "heart_disease"


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


@pytest.fixture(scope="module")
def released() -> Any:
    """The document of the last release."""
    files = Path(__file__).parent.glob("openapi-*.json")
    return json.loads(max(files, key=lambda path: version(path.stem.removeprefix("openapi-"))).read_bytes())


@pytest.fixture(scope="module")
def today() -> Any:
    digest = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
    return json.loads(json.dumps(document(load(BUNDLE, "1", digest))))


def test_it_is_valid_openapi(today: Any, released: Any) -> None:
    validate(today)
    validate(released)
    assert today["openapi"].startswith("3.1")


def test_a_breaking_change_needs_another_major_version(today: Any, released: Any) -> None:
    before, now = (version(each["info"]["version"]) for each in (released, today))
    assert now >= before
    if now[0] == before[0]:
        assert breaking_changes(released, today) == []


Change = Callable[[Any], None]


def at(path: str, change: Callable[[Any, str], None]) -> Change:
    """Change what a path of keys leads to."""

    def apply(document: Any) -> None:
        *parts, last = path.split(">")
        for part in parts:
            document = document[int(part) if isinstance(document, list) else part]
        change(document, last)

    return apply


def drop(path: str) -> Change:
    def remove(parent: Any, last: str) -> None:
        del parent[int(last) if isinstance(parent, list) else last]

    return at(path, remove)


def put(path: str, value: Any) -> Change:
    return at(path, lambda parent, last: parent.__setitem__(last, value))


def push(path: str, value: Any) -> Change:
    return at(path, lambda parent, last: parent[last].append(value))


ROW, SCHEMAS = "components>schemas>Row", "components>schemas"
PREDICT = "paths>/predict>post"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("paths>/explain"), "POST /explain: removed"),
        (drop("paths>/v2>get"), "GET /v2: removed"),
        (put(f"{PREDICT}>operationId", "other"), "POST /predict: operationId was post_predict, is other"),
        (put(f"{PREDICT}>x-scope", "admin"), "POST /predict: x-scope was predict, is admin"),
        (put("paths>/health>get>security", [{"apiKey": []}]), "GET /health: needs a key"),
        (drop(f"{PREDICT}>responses>422"), "POST /predict 422: removed"),
        (drop(f"{PREDICT}>responses>200>headers>X-Request-Id"), "POST /predict 200: X-Request-Id removed"),
        (drop("paths>/docs>get>responses>200>content>text/html"), "GET /docs 200: text/html removed"),
        (
            put("paths>/v2>get>requestBody", {"required": True, "content": {}}),
            "GET /v2: body required",
        ),
        (
            drop(f"{PREDICT}>requestBody>content>application/json"),
            "POST /predict: application/json no longer taken",
        ),
        (drop("paths>/explain>post>parameters>0"), "POST /explain: parameter budget_ms removed"),
        (put("paths>/explain>post>parameters>0>required", True), "POST /explain: parameter budget_ms required"),
        (
            put("paths>/explain>post>parameters>0>schema>maximum", 100),
            "POST /explain: parameter budget_ms: maximum",
        ),
        (push(f"{ROW}>required", "ca"), "POST /predict body.ca: required"),
        (drop(f"{ROW}>properties>ca"), "POST /predict body.ca: removed"),
        (put(f"{ROW}>properties>age>maximum", 100), "POST /predict body.age: maximum"),
        (put(f"{ROW}>properties>age>type", "integer"), "body.age: integer or number does not fit integer"),
        (put(f"{ROW}>properties>ca>type", "integer"), "POST /predict body.ca: integer or null does not fit integer"),
        (drop(f"{ROW}>properties>cp>enum>3"), "POST /predict body.cp: 4 does not fit"),
        (drop(f"{ROW}>properties>chol>anyOf>1"), "POST /predict body.chol: minimum"),
        (put(f"{ROW}>properties>cp", {"const": 1}), "POST /predict body.cp: None does not fit"),
        (push(f"{SCHEMAS}>V2Tensor>required", "data"), "POST /v2/models/{model}/infer body.inputs[].data: required"),
        (put(f"{SCHEMAS}>V2Request>additionalProperties", False), "infer body: further fields do not fit"),
        (
            put(f"{SCHEMAS}>SeldonMessage>properties>data>properties>ndarray>items>prefixItems", []),
            "POST /api/v1.0/predictions body.data.ndarray[]: 13 items do not fit 0",
        ),
        (put(f"{SCHEMAS}>Prediction>required", ["label"]), "POST /predict 200.probability: may be missing"),
        (drop(f"{SCHEMAS}>Prediction>properties>label"), "POST /predict 200.label: removed"),
        (push(f"{SCHEMAS}>Prediction>properties>label>enum", "unsure"), "200.label: 'unsure' does not fit"),
        (put(f"{SCHEMAS}>Prediction>properties>label", {"type": "string"}), "POST /predict 200.label: only"),
        (
            put(f"{SCHEMAS}>Prediction>properties>version>type", ["string", "null"]),
            "200.version: null or string does not fit",
        ),
        (
            put(f"{SCHEMAS}>Contribution>properties>feature>type", "null"),
            "200.contributions[].feature: null does not fit",
        ),
        (put(f"{SCHEMAS}>Problem>properties>status>minimum", 200), "POST /predict 400.status: minimum"),
    ],
)
def test_a_change_that_breaks(today: Any, change: Change, said: str) -> None:
    changed = copy.deepcopy(today)
    change(changed)
    found = breaking_changes(today, changed)
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    "change",
    [
        put("paths>/new", {"get": {"responses": {}}}),
        put("info>title", "Another"),
        put(f"{PREDICT}>summary", "Other words"),
        put(f"{PREDICT}>responses>418", {"description": "A teapot."}),
        drop("paths>/explain>post>security"),
        push("paths>/explain>post>parameters", {"name": "x", "in": "query", "schema": {}}),
        put("paths>/explain>post>parameters>0>schema>maximum", 9000),
        put(f"{PREDICT}>requestBody>content>text/csv", {"schema": {}}),
        drop(f"{ROW}>required>0"),
        put(f"{ROW}>properties>another", {"type": "number"}),
        put(f"{ROW}>properties>age>maximum", 150),
        put(f"{ROW}>properties>ca>type", ["number", "null"]),
        push(f"{ROW}>properties>cp>enum", 5),
        put(f"{ROW}>properties>cp", {"type": ["integer", "null"]}),
        put(f"{ROW}>additionalProperties", True),
        put(f"{SCHEMAS}>Prediction>properties>another", {"type": "number"}),
        push(f"{SCHEMAS}>Problem>required", "errors"),
        put(f"{SCHEMAS}>Prediction>properties>probability>maximum", 0.5),
        drop(f"{SCHEMAS}>Prediction>properties>label>enum>0"),
    ],
)
def test_a_change_that_breaks_nothing(today: Any, change: Change) -> None:
    changed = copy.deepcopy(today)
    change(changed)
    assert changed != today
    assert breaking_changes(today, changed) == []


def test_a_document_breaks_nothing_of_its_own(today: Any) -> None:
    assert breaking_changes(today, today) == []


def test_a_schema_that_holds_itself_is_compared_once() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}
    operation = {"requestBody": {"content": content}, "responses": {}}
    document = {"paths": {"/": {"post": operation}}, "components": {"schemas": {"Tree": tree}}}
    narrower = {"components": {"schemas": {"Tree": {**tree, "required": ["left"]}}}, "paths": document["paths"]}
    assert breaking_changes(document, narrower) == ["POST / body.left: required"]
