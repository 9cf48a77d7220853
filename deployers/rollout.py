"""A rollout: traffic plans one after the other, each judged before the next; ends promoted or rolled back."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

from pydantic import Field

from deployers.interface import Deployer, Endpoint
from deployers.traffic import SHARED, WHOLE, Guard, Mode, TrafficPlan
from project.errors import ProjectError, Refused, Unreachable
from project.strict_yaml import Strict
from tabular.bundle import read_manifest

LOGGER = logging.getLogger(__name__)
POLL = 0.2
SILENT = 5.0
"""Seconds without an answer, or without a count, after which a rollout is given up: one late answer is none."""

Percent = Annotated[float, Field(gt=0, lt=WHOLE)]
Share = Annotated[float, Field(ge=0, le=1)]


class GuardSettings(Strict):
    """What a challenger may do; see `deployers.traffic.Guard`."""

    errors: Share
    slow_seconds: Annotated[float, Field(gt=0)]
    slow: Share
    requests: Annotated[int, Field(ge=1)]
    shift: Share


class RolloutSettings(Strict):
    """How a new version takes over."""

    strategy: Literal["replace", "blue-green", "canary", "ab", "shadow"]
    shares: Annotated[list[Percent], Field(min_length=1)]
    """The new version's share of the answers, in percent, step by step; the first is that of an A/B test."""
    seconds: Annotated[float, Field(ge=0)]
    """How long each step is watched; an A/B test stays afterwards, a shadow from the start, for it hurts nobody."""
    guard: GuardSettings

    def plans(self, champion: str, challenger: str) -> Iterator[TrafficPlan]:
        """The plans before the challenger serves alone, or, in an A/B test and for a shadow, the one that stays."""
        guard = Guard(**self.guard.model_dump())
        mode = Mode(self.strategy)
        match mode:
            case Mode.CANARY | Mode.AB:
                for share in self.shares if mode is Mode.CANARY else self.shares[:1]:
                    yield TrafficPlan(mode, {champion: WHOLE - share, challenger: share}, guard)
            case Mode.BLUE_GREEN | Mode.SHADOW:
                yield TrafficPlan(mode, {champion: WHOLE, challenger: 0.0}, guard)


class DeploymentConfig(Strict):
    """`configs/deployment.yaml`."""

    rollout: RolloutSettings


def roll_out(deployer: Deployer, bundle: Path, version: str, settings: RolloutSettings) -> Endpoint:
    """Let a version take over as the settings say.

    A canary and a blue-green switch end with the version serving alone, or with the one before it. A shadow, and an A/B
    test that keeps to its guard while it is watched, stay until the next deployment or rollback. A canary that was
    killed goes on at the share it had reached.

    Raises:
        Refused: The version broke its guard, or failed before it answered; the one before serves alone. Or another
            deployment took its place in the traffic, and that goes on.
        Unreachable: The endpoint stopped answering, its pods do not tell what the guard asks, or the way back failed.
    """
    name = str(read_manifest(bundle)["name"])
    before = deployer.status(name).endpoint if name in deployer.endpoints() else None
    mode = Mode(settings.strategy)
    with _stopped_at_once():
        if mode is Mode.REPLACE or before is None or before.current.version == version:
            return deployer.deploy(bundle, version, TrafficPlan.replace(version))
        plans = list(settings.plans(before.current.version, version))
        reached = before.plan.weights.get(version, 0.0) if before.plan and before.plan.mode is mode else 0.0
        try:
            for plan in [plan for plan in plans if plan.weights[version] >= reached] or plans[-1:]:
                endpoint = deployer.deploy(bundle, version, plan)
                LOGGER.info("%s %s: %s", name, plan.mode.value, plan.shares())
                if mode is Mode.SHADOW:
                    return endpoint
                _watch(deployer, name, version, plan, settings.seconds)
            if mode is Mode.AB:
                return endpoint
            return deployer.deploy(bundle, version, TrafficPlan.replace(version))
        except _Broke as broke:
            _take_back(deployer, name, version, broke.cause)
            cause = f"{name} {version} was rolled back: {broke.cause}; {before.current.version} serves"
            raise Refused(cause, "python run.py status") from None
        except BaseException as error:  # Ctrl-C too: a rollout never ends in between
            _take_back(deployer, name, version, error.cause if isinstance(error, ProjectError) else "interrupted")
            raise


class _Broke(Refused):
    """A version broke its guard."""


def _take_back(deployer: Deployer, name: str, version: str, why: str) -> None:
    """Let the champion serve alone again, unless another deployment took the version's place.

    Raises:
        Unreachable: It can not be told to, and the version may keep its share.
    """
    try:
        if name in deployer.endpoints() and version in [v.version for v in deployer.status(name).endpoint.beside]:
            deployer.rollback(name)
    except ProjectError as failed:
        cause = f"{name} {version}: {why}; and it could not be taken back: {failed.cause}"
        raise Unreachable(cause, "python run.py status, then python run.py rollback") from None


@contextmanager
def _stopped_at_once() -> Iterator[None]:
    """Let what a handler of SIGTERM raises reach the block's own handlers, wherever the signal comes, and once.

    ZenML's raises an `Exception`, which an HTTP client, or a deployer that asks one, may take for an error of its own:
    the rollout would go on until it is killed.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is being taken back is taken back whole
        try:
            before(number, frame)
        except Exception as meant:
            raise KeyboardInterrupt from meant

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as stopped:
        raise (stopped.__cause__ or stopped) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(deployer: Deployer, name: str, version: str, plan: TrafficPlan, seconds: float) -> None:
    answered = time.monotonic()
    until = answered + seconds
    while True:
        now, status = (
            time.monotonic(),
            deployer.status(name),
        )  # the time before it: an answer that comes late is none yet
        if version in status.breaches:
            raise _Broke(status.breaches[version], "python run.py status")
        if version not in [each.version for each in status.endpoint.beside]:
            raise Refused(f"another deployment of {name} took the traffic of {version}", "python run.py status")
        if seen := status.ready and not status.unjudged:
            answered = now
        elif now - answered > SILENT:
            what = f"{version} can not be judged" if status.ready else "does not answer any more"
            raise Unreachable(f"{name} {what}: {status.detail or status.unjudged}", "python run.py status")
        if now >= until and seen:
            came, wanted = status.requests.get(version), plan.guard.requests if plan.guard else 0
            if plan.mode in SHARED and came is not None and came < wanted:
                judged = f"{version} was not judged, {came} of the {wanted} requests came that its guard wants"
                LOGGER.info("%s %s: %s", name, plan.mode.value, judged)
            return
        time.sleep(POLL)
