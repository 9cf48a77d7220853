"""`GET /docs`: the OpenAPI document to read and to try, without a file of any other host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from serving.bundle import Model
from serving.form import key_field
from serving.http import Answer
from serving.markup import Markup, join, page, table, tag
from serving.openapi import document

Document = Mapping[str, Any]


def reference(model: Model) -> Answer:
    """The page of one version."""
    whole = document(model)
    groups: dict[str, list[Markup]] = {}
    known = {"model": model.name, "version": model.version}
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(whole, method, path, operation, known))
    info = whole["info"]
    title = f"{info['title']}: the API"
    head = tag(
        "header",
        tag("h1", title),
        *(tag("p", part, class_="lead") for part in info["description"].split("\n\n")[:1]),
        tag(
            "p",
            f"{model.name}, version {model.version}; interface {info['version']}, OpenAPI {whole['openapi']}. ",
            tag("a", "The document", href="openapi.json"),
            " · ",
            tag("a", "The form", href="./"),
        ),
    )
    main = tag(
        "main",
        tag("section", tag("h2", "Access"), key_field(hidden=False), class_="card"),
        _row(whole["components"]["schemas"]["Row"]),
        *(tag("section", tag("h2", name), *found, class_="card") for name, found in groups.items()),
        _messages(whole["components"]["schemas"]),
        class_="stack",
    )
    return page(title, "docs.js", head, main)


def _operation(whole: Document, method: str, path: str, operation: Document, known: Mapping[str, str]) -> Markup:
    own = operation["operationId"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    scope = operation.get("x-scope", "")
    attempt = tag(
        "form",
        *(_parameter(own, parameter, known) for parameter in operation.get("parameters", [])),
        _body(own, body) if body else join(),
        tag("div", tag("button", "Send", type="submit", class_="primary"), class_="actions"),
        tag("pre", tag("code", class_="curl"), aria_label="The same by curl", tabindex="0"),
        tag("div", class_="reply", aria_live="polite", hidden=True),
        class_="try",
        data_method=method.upper(),
        data_path=path,
        novalidate=True,
    )
    answers = [
        (status, said["description"], _media(said))
        for status, said in ((status, _resolved(whole, each)) for status, each in operation["responses"].items())
    ]
    summary = tag(
        "summary",
        tag("span", method.upper(), class_=f"method {method}"),
        tag("code", path),
        tag("span", operation["summary"], class_="said"),
    )
    key = tag("p", f"A key needs the scope “{scope}”, where the server asks for keys.", class_="fine")
    answered = table(("status", "meaning", "body"), answers, "Answers")
    return tag("details", summary, key if scope else join(), attempt, answered, id=own)


def _parameter(own: str, parameter: Document, known: Mapping[str, str]) -> Markup:
    name, schema = parameter["name"], parameter["schema"]
    hint = " ".join(part for part in (parameter.get("description", ""), _limits(schema)) if part)
    return tag(
        "div",
        tag("label", name, for_=f"{own}-{name}"),
        tag(
            "input",
            id=f"{own}-{name}",
            name=name,
            value=known.get(name, ""),
            placeholder=str(schema["default"]) if "default" in schema else None,
            data_in=parameter["in"],
            aria_describedby=f"{own}-{name}-hint",
        ),
        tag("p", hint, id=f"{own}-{name}-hint", class_="fine"),
        class_="field",
    )


def _body(own: str, media: Document) -> Markup:
    text = json.dumps(media.get("example", {}), indent=2, ensure_ascii=False)
    return tag(
        "div",
        tag("label", "Body", for_=f"{own}-body"),
        tag("textarea", text, id=f"{own}-body", rows=str(min(text.count("\n") + 1, 16)), spellcheck="false"),
        tag("p", "JSON: ", _kind(media["schema"]), class_="fine"),
        class_="field",
    )


def _row(schema: Document) -> Markup:
    """The fields of a row, with what people have to know of them."""
    needed = schema["required"]
    rows = []
    for name, field in schema["properties"].items():
        taken = field["description"].removeprefix(f"{field['title']}: ")
        said = f"{taken[:1].upper()}{taken[1:]}"
        rows.append((tag("code", name), field["title"], said, "yes" if name in needed else "no"))
    return tag(
        "section",
        tag("h2", "The row"),
        tag("p", schema["description"]),
        table(("field", "meaning", "takes", "required"), rows, "Fields of a row"),
        class_="card",
        id="schema-Row",
    )


def _messages(schemas: Mapping[str, Document]) -> Markup:
    """Every other message; tables above link to them."""
    found = []
    for name, schema in schemas.items():
        if name == "Row":
            continue
        fields = schema.get("properties", {})
        rows = [(tag("code", field), _kind(each), each.get("description", "")) for field, each in fields.items()]
        shown = table(("field", "type", "meaning"), rows, f"Fields of {name}") if rows else tag("p", _kind(schema))
        found.append(tag("details", tag("summary", tag("code", name)), shown, id=f"schema-{name}"))
    return tag("section", tag("h2", "Messages"), *found, class_="card")


def _resolved(whole: Document, item: Document) -> Document:
    if "$ref" not in item:
        return item
    found: Any = whole
    for part in item["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(whole, found)


def _media(response: Document) -> Markup:
    """What an answer's body is."""
    parts: list[str] = []
    for media, said in response.get("content", {}).items():
        parts += [", "] * bool(parts) + [tag("code", media), " ", _kind(said["schema"])]
    return join(*parts)


def _kind(schema: Document) -> Markup:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return tag("a", name, href=f"#schema-{name}")
    for several in ("anyOf", "oneOf"):
        if several in schema:
            parts = [_kind(each) for each in schema[several]]
            return join(parts[0], *(part for each in parts[1:] for part in (" or ", each)))
    if "enum" in schema:
        return join("one of ", ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"]))
    if "const" in schema:
        return join(json.dumps(schema["const"]))
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return join("list of ", _kind(schema["items"]))
    kind = schema.get("type", "anything")
    return join(" or ".join(kind) if isinstance(kind, list) else kind)


def _limits(schema: Document) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}."
    return ""
