"""What every deployer offers, whatever serves behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from deployers.traffic import TrafficPlan
from project.errors import Unreachable
from tabular.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Version:
    """A version that was deployed."""

    version: str
    digest: str
    deployed_at: str
    """ISO 8601, UTC."""
    withdrawn: bool = False
    """Whether a rollback took it out of service; the next rollback passes over it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A stable name and URL, and the version behind it."""

    name: str
    url: str
    current: Version
    previous: tuple[Version, ...]
    """Those a rollback can go to, newest first."""
    backend: str
    stack: str = ""
    example: Mapping[str, object] = field(default_factory=dict)
    """A row to try, from the bundle."""
    beside: tuple[Version, ...] = ()
    """Versions that share its traffic, get copies of it, or stand by."""
    plan: TrafficPlan | None = None
    """How, where there are such versions."""

    @property
    def target(self) -> Version | None:
        """The version a rollback goes back to."""
        return next((version for version in self.previous if not version.withdrawn), None)


@dataclass(frozen=True, slots=True)
class Status:
    """An endpoint as it is now."""

    endpoint: Endpoint
    ready: bool
    detail: str
    """Why it is not ready, or nothing."""
    serving: str | None = None
    """The version that answered; differs from the endpoint's only while a change is under way."""
    workers: tuple[int, ...] = ()
    """Process ids, where the backend has processes."""
    breaches: Mapping[str, str] = field(default_factory=dict)
    """Versions that broke the plan's guard, and how."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """What the versions beside the champion were asked, where the backend can count it."""
    pods: tuple[str, ...] = ()
    """Names of those that take requests or copies of them, the champion's first, where the backend has pods."""
    unjudged: str = ""
    """Why nobody can say now whether the guard is kept, or nothing."""


class Deployer(Protocol):
    """Puts bundles behind endpoints. An endpoint's name is that of its bundle's contract.

    Every method either does the whole of what it says or leaves the version that served before serving.
    """

    def check(self, name: str) -> None:
        """Whether `deploy` could serve an endpoint of this name; asked before a training run that would be for nothing.

        Raises:
            Unreachable: The target does not answer or belongs to another.
        """
        ...

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        """Verify a bundle and render `plan`, of which `version` is a part; return once it answers.

        Args:
            bundle: The bundle's folder; not needed once the call returns.
            version: The model version this bundle is.
            plan: Which versions answer, and with which weight.

        Returns:
            The endpoint as it then is.

        Raises:
            Refused: The bundle does not match its digest or fails its smoke prediction; or another deploy runs.
            ConfigError: This deployer can not render the plan.
            Unreachable: The target does not answer or belongs to another.
        """
        ...

    def endpoints(self) -> list[str]:
        """Names of the endpoints that have a record."""
        ...

    def status(self, name: str) -> Status:
        """What serves at an endpoint, read from its record and from the endpoint itself.

        Raises:
            Unreachable: There is no such endpoint.
        """
        ...

    def rollback(self, name: str, to: str | None = None) -> Endpoint:
        """Serve the previous version again, or the version `to`; while versions share traffic, the champion alone.

        Raises:
            Refused: There is nothing to go back to, or its bundle is damaged.
            Unreachable: There is no such endpoint.
        """
        ...

    def down(self, name: str) -> bool:
        """Stop an endpoint and forget its record.

        Returns:
            Whether there was something to stop or forget.
        """
        ...

    def bundle(self, name: str) -> tuple[Endpoint, Bundle]:
        """An endpoint and the bundle of the version behind it, every byte verified.

        Raises:
            Refused: The bundle is damaged.
            Unreachable: There is no such endpoint.
        """
        ...

    def predict(self, name: str, row: object) -> dict[str, Any]:
        """The endpoint's answer for one row, given as a JSON object.

        Raises:
            Refused: The row does not fit the contract; the endpoint's own reason.
            Unreachable: There is no such endpoint, or it does not answer.
        """
        ...

    def key_command(self) -> str | None:
        """A shell command that prints a key for requests; None where the endpoint asks for none."""
        ...

    def forward_command(self, name: str, port: int) -> str | None:
        """A shell command that opens a way to an endpoint at a port of this machine; None where it serves here."""
        ...


def absent(name: str, stack: str) -> Unreachable:
    """The error where a deployer knows no endpoint of that name; it may serve on a stack that was not asked.

    Args:
        name: Of the endpoint.
        stack: Of the deployer; empty where none is known.
    """
    where, option = (f" on the stack {stack!r}", f" --stack {stack}") if stack else ("", "")
    return Unreachable(
        f"there is no endpoint {name!r}{where}",
        f"python run.py deploy{option} --dataset {name}; where it serves on another stack, say which: --stack NAME",
    )
