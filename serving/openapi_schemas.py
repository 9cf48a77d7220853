"""The schemas of messages whose shape every model shares."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
VALUE: Schema = {"type": ["number", "string", "boolean", "null"]}


def ref(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema, **limits: int) -> Schema:
    """A list of something."""
    return {"type": "array", "items": items, **limits}


def message(optional: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object that has these fields, all but some of them always, and may get more in a later version."""
    return {
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name not in optional],
    }


def described(schema: Schema, description: str) -> Schema:
    """The same schema with a sentence."""
    return {**schema, "description": description}


ANSWERED_BY: dict[str, Schema] = {
    "model": described(TEXT, "The model that answered."),
    "version": described(TEXT, "Its version."),
    "request_id": described(TEXT, "As in the header `X-Request-Id`, which a client may choose."),
}

SCHEMAS: dict[str, Schema] = {
    "Problem": message(
        ("errors",),
        type=described(TEXT, "The kind of problem, for programs: `urn:problem:...`."),
        title=TEXT,
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=described(TEXT, "What was wrong, in one sentence."),
        request_id=TEXT,
        errors=listed(ref("Violation"), minItems=1),
    ),
    "Violation": message(
        ("row",),
        field=described(TEXT, "The name of the field."),
        row={"type": "integer", "minimum": 1, "description": "Row of a list, counted from 1."},
        value=described({}, "What was sent."),
        allowed=described(TEXT, "What would be taken."),
        detail=TEXT,
    ),
    "Contribution": message(
        feature=described(TEXT, "The name of the field."),
        contribution=described(NUMBER, "What its value adds to the baseline."),
        standard_error=described({"type": "number", "minimum": 0}, "Of the contribution; 0 where it is exact."),
    ),
    "Health": message(status=TEXT),
    "Ready": message(status=TEXT, model=TEXT, version=TEXT, digest=TEXT, generation=COUNT),
    "SeldonMeta": {
        "type": "object",
        "properties": {
            "puid": described(TEXT, "An id that comes back in the answer."),
            "tags": described({"type": "object"}, "Come back in the answer, with the model and the version."),
            "metrics": described(listed({"type": "object"}), "Come back in the answer."),
            "requestPath": described({"type": "object"}, "Comes back in the answer."),
        },
    },
    "SeldonTensor": message(shape=listed(COUNT, minItems=2, maxItems=2), values=listed(VALUE)),
    "SeldonAnswer": message(
        data=message(
            ("tensor", "ndarray"),
            names=described(listed(TEXT), "The classes, in the order of the probabilities."),
            ndarray=listed(listed(SHARE)),
            tensor=message(shape=listed(COUNT), values=listed(SHARE)),
        ),
        meta=ref("SeldonMeta"),
    ),
    "SeldonFeedback": {
        "type": "object",
        "properties": {
            "request": described({"type": "object"}, "What was sent."),
            "response": described({"type": "object"}, "What came back; its `meta` says which model answered."),
            "reward": described(NUMBER, "How good it was."),
            "truth": described({"type": "object"}, "What would have been right."),
        },
    },
    "MlflowRequest": {
        "anyOf": [
            message(dataframe_split=message(("index",), columns=listed(TEXT), data=listed(listed({})), index={})),
            message(dataframe_records=listed({"type": "object"})),
            message(instances=listed({})),
            message(inputs={}),
        ]
    },
    "MlflowAnswer": message(predictions=listed({})),
    "V2Tensor": message(
        ("parameters", "data"),
        name=TEXT,
        shape=listed(COUNT),
        datatype=described(TEXT, "`FP32`, `FP64`, `INT32`, `INT64`, `BOOL` or `BYTES`, among others."),
        data=described(listed({}), "Flat or nested; absent where the tensor follows as bytes."),
        parameters={"type": "object"},
    ),
    "V2Request": message(
        ("id", "parameters", "outputs"),
        id=TEXT,
        parameters={"type": "object"},
        inputs=listed(ref("V2Tensor"), minItems=1),
        outputs=listed({"type": "object"}),
    ),
    "V2Answer": message(
        ("id", "parameters"),
        id=TEXT,
        model_name=TEXT,
        model_version=TEXT,
        parameters={"type": "object"},
        outputs=listed(ref("V2Tensor")),
    ),
    "V2Server": message(name=TEXT, version=TEXT, extensions=listed(TEXT)),
    "V2Model": message(
        name=TEXT,
        versions=listed(TEXT),
        platform=TEXT,
        inputs=listed({"type": "object"}),
        outputs=listed({"type": "object"}),
    ),
}


def prediction(classes: list[str], binary: bool) -> Schema:
    """One row's answer of `/predict`."""
    subject = f"of {classes[-1]!r}" if binary else "of `label`"
    fields: dict[str, Schema] = {
        "prediction": {"type": "integer", "minimum": 0, "maximum": len(classes) - 1, "description": "Class number."},
        "probability": described(SHARE, f"The probability {subject}."),
        "label": {"enum": classes, "description": "The predicted class."},
        **ANSWERED_BY,
    }
    overruled = " `label` weighs errors by its threshold besides, so it may be another." if binary else ""
    fields["interval"] = {
        **message(level=SHARE, labels=listed({"enum": classes}, minItems=1)),
        "description": (
            "With `?interval=`: the classes that hold the true one in that share of rows, the likeliest first."
            f"{overruled}"
        ),
    }
    fields["novelty"] = {
        **message(is_new={"type": "boolean"}, fields=listed(TEXT)),
        "description": "With `?interval=`: the fields whose value no training row reaches.",
    }
    if not binary:
        fields["probabilities"] = {**message(**dict.fromkeys(classes, SHARE)), "description": "Of every class."}
    return message(("interval", "novelty"), **fields)


def explanation(classes: list[str], binary: bool) -> Schema:
    """One row's answer of `/explain`."""
    predicted = prediction(classes, binary)["properties"]
    return message(
        **{name: schema for name, schema in predicted.items() if name not in ("probabilities", "interval", "novelty")},
        explained={"enum": classes, "description": "The class whose probability is explained."},
        unit={"const": "probability"},
        baseline=described(SHARE, "The mean probability of the background rows."),
        contributions=described(
            listed(ref("Contribution")), "The largest first. With the baseline they add up to the probability."
        ),
        exact=described({"type": "boolean"}, "False where the budget allowed an estimate only."),
        background_rows=COUNT,
        evaluations=described(COUNT, "How many rows the model was asked for."),
    )
