"""The pages for people: `/` a form for one row, `/docs` the OpenAPI document, `/static/{name}` their files."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from weakref import WeakKeyDictionary

from serving import static
from serving.bundle import Model
from serving.form import form
from serving.http import Answer, Handler, Request, Route
from serving.problems import Problem, did_you_mean
from serving.reference import reference

KEPT = b"public, max-age=31536000, immutable"
"""The address in a page changes with the content, so that what a browser has is never out of date."""


def _once(make: Callable[[Model], Answer]) -> Handler:
    """A handler of a page that is made once per model."""
    made: WeakKeyDictionary[Model, Answer] = WeakKeyDictionary()

    def answer(model: Model, request: Request) -> Answer:
        kept = made.get(model)
        if kept is None:
            kept = made[model] = make(model)
        return Answer(kept.body, content_type=kept.content_type, headers=kept.headers, cache=kept.cache)

    return answer


def file(model: Model, request: Request) -> Answer:
    """`GET /static/{name}`: one of the files that the pages name, and nothing else.

    Raises:
        Problem: There is no such file.
    """
    name = request.parameters["name"]
    content_type = static.TYPES.get(name)
    if content_type is None:
        detail = f"there is no file {name[:80]!r}{did_you_mean(name, list(static.TYPES))}"
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", detail)
    found = static.read(name)
    headers = ((b"etag", f'"{found.sha256}"'.encode()),)
    return Answer(found.content, content_type=content_type, headers=headers, cache=KEPT)


ROUTES = (
    Route("GET", "/", _once(form), scope=""),
    Route("GET", "/docs", _once(reference), scope=""),
    Route("GET", "/static/{name}", file, scope=""),
)
