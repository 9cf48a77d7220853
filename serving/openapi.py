"""`GET /openapi.json`: the server's routes and the model's own row, as OpenAPI 3.1, generated from the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from serving.bundle import Model
from serving.http import ADMIN, JSON, Answer, Request, Route
from serving.openapi_operations import operations
from serving.openapi_rows import row_schema
from serving.openapi_schemas import SCHEMAS, Schema, explanation, listed, message, prediction, ref

API_VERSION = "1.0.0"
"""Of the HTTP interface. A change that breaks a client raises the first number; a test compares with the last release.
"""
DESCRIPTION = """{about}

{target}Every answer, a refused row's too, names the model, its version and the request. What does not fit is refused \
by a problem document (RFC 9457) that names the field, the value and what is allowed. `GET /` is a form for people."""

_documents: WeakKeyDictionary[Model, bytes] = WeakKeyDictionary()


def openapi(model: Model, request: Request) -> Answer:
    """`GET /openapi.json`, made once per model."""
    body = _documents.get(model)
    if body is None:
        body = _documents[model] = json.dumps(document(model), separators=(",", ":")).encode()
    return Answer(body)


def document(model: Model) -> Schema:
    """The OpenAPI document of a server with this model."""
    from serving.dispatch import READ, ROUTES  # which has the route of this very document

    contract = model.contract
    target = f"Predicts: {contract['target']}. " if contract.get("target") else ""
    served = {("GET", path): None for path in READ} | {(route.method, route.path): route for route in ROUTES}
    paths: dict[str, Schema] = {}
    for (method, path), operation in operations(model.rows.names, model.serving["example"]["row"]).items():
        if (method, path) in served:
            paths.setdefault(path, {})[method.lower()] = _complete(operation, path, served[method, path])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract["title"],
            "version": API_VERSION,
            "description": DESCRIPTION.format(about=contract.get("description") or contract["title"], target=target),
            "x-model": {"name": model.name, "version": model.version, "digest": model.digest},
        },
        "paths": paths,
        "components": {
            "schemas": {**_of_model(model), **SCHEMAS},
            "responses": PROBLEMS,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _of_model(model: Model) -> dict[str, Schema]:
    """The schemas that the contract decides."""
    classes, binary = list(model.classes), model.threshold is not None
    features = model.contract["features"]
    row = row_schema(model.rows.columns, features, model.serving["example"]["row"])
    cells = {
        "type": "array",
        "prefixItems": list(row["properties"].values()),
        "items": False,
        "minItems": len(features),
    }
    data = message(
        ("names", "ndarray", "tensor"),
        names=listed({"enum": model.rows.names}),
        ndarray={**listed(cells, minItems=1), "description": "Columns stand in the order of `names`, or of the row."},
        tensor=ref("SeldonTensor"),
    )
    return {
        "Row": row,
        "Prediction": prediction(classes, binary),
        "Explanation": explanation(classes, binary),
        "SeldonMessage": message(("meta",), data=data, meta=ref("SeldonMeta")),
    }


def _complete(operation: Schema, path: str, route: Route | None) -> Schema:
    """An operation with the security and the problems that its route brings with it."""
    statuses = ["503"]
    scope = route.scope if route else "admin" if path == ADMIN else ""
    if route is not None and route.method == "POST":
        statuses += ["400", "413", "415", "422"]
    security: Mapping[str, object] = {}
    if scope:
        statuses += ["401", "403", "429"]
        security = {"security": [{"apiKey": []}, {"bearer": []}], "x-scope": scope}
    answered = operation["responses"]["200"]
    headers = {**answered["headers"], **(BY_MODEL if route else {}), **(LIMITED if scope else {})}
    problems = {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
    problems["default"] = {"$ref": "#/components/responses/default"}
    return {**operation, **security, "responses": {"200": {**answered, "headers": headers}, **problems}}


def _headers(**headers: str) -> Schema:
    return {name.replace("_", "-"): {"description": said, "schema": {}} for name, said in headers.items()}


def _problem(description: str, **headers: str) -> Schema:
    schema = {"content": {"application/problem+json": {"schema": ref("Problem")}}, "description": description}
    return {**schema, "headers": _headers(**headers)} if headers else schema


BY_MODEL = _headers(X_Model_Name="The model that answered.", X_Model_Version="Its version.")
LIMITED = _headers(
    RateLimit="Where there is a limit: how many requests are left (`r`), and when it is whole again (`t`, seconds).",
    RateLimit_Policy="The limit: how many requests (`q`) in how many seconds (`w`), and of what, a key or an address.",
)
PROBLEMS: dict[str, Schema] = {
    "400": _problem("The body is not JSON, or not the message that this route takes."),
    "401": _problem("No key or token was sent, or one that is not known.", WWW_Authenticate="What would be taken."),
    "403": _problem("The key does not allow this."),
    "413": _problem("The body is too large, or has too many rows."),
    "415": _problem("The body is of another media type."),
    "422": _problem("A value does not fit the contract; `errors` names every one."),
    "429": _problem("Too many requests.", Retry_After="Seconds to wait.", RateLimit="As of an answer."),
    "503": _problem("No model serves yet."),
    "default": _problem("Any other problem."),
}

ROUTES = (Route("GET", "/openapi.json", openapi, scope="", types=(JSON,)),)
