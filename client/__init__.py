"""The model's HTTP interface for Python programs: `Client` waits for answers, `AsyncClient` awaits them.

`python -m client.generate URL` writes a module with the row of the model behind a URL: a field per column, with its
range, unit and the meaning of its codes.
"""

from client.clients import AsyncClient, Client
from client.errors import (
    ClientError,
    InvalidRow,
    NotAllowed,
    NotKnown,
    NotServing,
    Refused,
    TooManyRequests,
    Unreachable,
    Unreadable,
)
from client.messages import Contribution, Explanation, Interval, Novelty, Prediction, Problem, Row, Violation

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Contribution",
    "Explanation",
    "Interval",
    "InvalidRow",
    "NotAllowed",
    "NotKnown",
    "NotServing",
    "Novelty",
    "Prediction",
    "Problem",
    "Refused",
    "Row",
    "TooManyRequests",
    "Unreachable",
    "Unreadable",
    "Violation",
]
