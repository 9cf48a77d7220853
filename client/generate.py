"""`python -m client.generate SOURCE`: write a module with the row and the labels of one model.

The source is the address of a server or a file that holds its OpenAPI document. The module imports `client` and
pydantic alone, is typed, and changes only when the contract does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from client.fields import class_name, declare, docstring, enumeration

MODULES = {"enum": ("IntEnum", "StrEnum"), "typing": ("Annotated", "Literal"), "pydantic": ("Field",)}
TAKEN = {"Annotated", "Field", "IntEnum", "Label", "Literal", "Row", "StrEnum", "bool", "float", "int"}

TEMPLATE = '''\
{about}

from __future__ import annotations

{imports}


{enums}class {name}(Row):
    """One row; a field that is left out was not measured."""

{fields}
'''


def module(document: Mapping[str, Any]) -> str:
    """The source of the module.

    Args:
        document: The OpenAPI document of a server.

    Raises:
        KeyError: It is not one of ours.
    """
    schemas, info = document["components"]["schemas"], document["info"]
    model, row = info["x-model"]["name"], schemas["Row"]
    taken = {*TAKEN, class_name(model)}
    fields = [declare(name, schema, name in row["required"], taken) for name, schema in row["properties"].items()]
    labels = schemas["Prediction"]["properties"]["label"]["enum"]
    enums = [enumeration("Label", {label: label for label in labels}, "What is predicted")]
    enums += [field.enum for field in fields if field.enum]
    body = "\n".join(f"    {field.code}\n    {docstring(field.doc)}" for field in fields)
    about = f"{info['title']}: the row and the labels of the model {model}, by `python -m client.generate`."
    return TEMPLATE.format(
        about=docstring(about),
        imports=_imports("".join([body, *enums])),
        enums="".join(f"{each}\n\n\n" for each in enums),
        name=class_name(model),
        fields=body,
    )


def _imports(source: str) -> str:
    """The imports of what the source uses, in the order of isort."""
    used = {
        module: ", ".join(name for name in names if re.search(rf"\b{name}[\[(]|\({name}\)", source))
        for module, names in MODULES.items()
    }
    *standard, pydantic = [f"from {module} import {names}" if names else "" for module, names in used.items()]
    blocks = ("\n".join(filter(None, standard)), pydantic, "from client import Row")
    return "\n\n".join(filter(None, blocks))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and write the module."""
    parser = argparse.ArgumentParser(prog="python -m client.generate", description=__doc__.partition("\n")[0])
    parser.add_argument("source", help="address of a server, or a file with its OpenAPI document")
    parser.add_argument("--output", type=Path, help="file to write (default: standard output)")
    options = parser.parse_args(arguments)
    try:
        source = module(_document(options.source))
    except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError) as error:
        parser.error(f"{options.source} gives no OpenAPI document of a model: {error}")
    if options.output:
        options.output.write_text(source, encoding="utf-8")
    else:
        sys.stdout.write(source)
    return 0


def _document(source: str) -> Any:
    if source.startswith(("http://", "https://")):
        return httpx.get(f"{source.rstrip('/')}/openapi.json").raise_for_status().json()
    return json.loads(Path(source).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
