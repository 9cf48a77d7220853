"""Why there is no answer. All are `ClientError`; what the server refuses carries its problem document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from client.messages import Problem, Violation


class ClientError(Exception):
    """There is no answer."""


class Unreachable(ClientError):
    """The server can not be reached, or did not answer in time."""


class Unreadable(ClientError):
    """Something answered that does not speak this interface, such as a proxy."""


class Refused(ClientError):
    """The server said no.

    Args:
        problem: What it said.
        retry_after: Seconds after which it asks to try again; None if it does not say.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.retry_after = problem, retry_after

    @property
    def violations(self) -> Sequence[Violation]:
        """Every value that does not fit: its field, the value, and what is allowed."""
        return self.problem.errors


class InvalidRow(Refused):
    """A value does not fit the contract."""


class NotKnown(Refused):
    """No key was sent, or one that is not known or has expired."""


class NotAllowed(Refused):
    """The key does not allow this."""


class TooManyRequests(Refused):
    """The rate limit is used up."""


class NotServing(Refused):
    """No model serves yet."""


REFUSALS: Mapping[int, type[Refused]] = {
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRow,
    HTTPStatus.UNAUTHORIZED: NotKnown,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
    HTTPStatus.SERVICE_UNAVAILABLE: NotServing,
}
"""Of every other status: `Refused` itself."""
