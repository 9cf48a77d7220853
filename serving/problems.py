"""RFC 9457 problem documents: what was wrong with a request, where, and what is allowed."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

SHOWN = 80
LISTED = 20
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python knows them by these names from 3.13 on only."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One value that does not fit the contract."""

    field: str
    value: object
    allowed: str
    row: int | None = None
    """Row of a list, counted from 1."""
    complaint: str = ""
    """What is wrong, where "FIELD is VALUE" does not say it."""

    def sentence(self) -> str:
        """`row 2: age is 200; allowed: a number from 0 to 120`."""
        where = f"row {self.row}: " if self.row is not None else ""
        return f"{where}{self.complaint or f'{self.field[:SHOWN]} is {_text(self.value)}'}; allowed: {self.allowed}"

    def document(self) -> dict[str, object]:
        """The violation as one item of `errors`."""
        row = {} if self.row is None else {"row": self.row}
        value = _plain(self.value)
        return {"field": self.field[:SHOWN], **row, "value": value, "allowed": self.allowed, "detail": self.sentence()}


class Problem(Exception):
    """A request that can not be answered, through no fault of the server unless the status is 503.

    Args:
        status: HTTP status.
        kind: Short name of the problem; stable, for programs.
        detail: One sentence for people.
        violations: Every value that does not fit, in order.
        headers: Extra response headers, such as `Allow`.
    """

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        violations: Sequence[Violation] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.violations, self.headers = violations, headers

    def body(self, request_id: str) -> bytes:
        """The problem document; ASCII, so that whatever text a client sent comes back as valid JSON."""
        document: dict[str, object] = {
            "type": f"urn:problem:{self.kind}",
            "title": TITLES.get(self.status, self.status.phrase),
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_id,
            "error": self.detail,  # where clients of the Open Inference protocol look
        }
        if self.violations:
            document["errors"] = [violation.document() for violation in self.violations[:LISTED]]
        return json.dumps(document, allow_nan=False).encode()


def invalid(violations: Sequence[Violation]) -> Problem:
    """The problem of a row that does not fit its contract."""
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-value", f"{violations[0].sentence()}{more}", violations)


def malformed(detail: str) -> Problem:
    """The problem of a body that is not the JSON its route expects."""
    return Problem(HTTPStatus.BAD_REQUEST, "malformed-body", detail)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`, did you mean 'x'?` for a near name, else nothing."""
    near = difflib.get_close_matches(name[:SHOWN], known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _plain(value: object) -> object:
    """A value that fits a JSON document, however odd or long what the client sent."""
    match value:
        case None | bool():
            return value
        case float() if math.isfinite(value):
            return value
        case int() if abs(value) < 2**53:
            return value
        case int():
            return "an integer beyond 2^53"
        case float():
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case str():
            return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
        case dict():
            return "an object"
        case _:
            return "a list"


def _text(value: object) -> str:
    plain = _plain(value)
    if isinstance(value, str):
        return json.dumps(plain, ensure_ascii=False)
    return plain if isinstance(plain, str) else json.dumps(plain)
