"""The whole journey: train, gate, promote, deploy, predict, check drift, then what to type next."""

from __future__ import annotations

import time
from typing import Any

from cli import summary
from cli.output import emit
from tabular.contract import load_contract
from tabular.training_config import Profile


def journey(
    stack: str | None,
    dataset: str,
    profile: Profile,
    jobs: int,
    port: int | None,
    cache: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Run everything and print one summary.

    Raises:
        ProjectError: Any step's own failure; what served before goes on serving.
    """
    from cli.runs import ASIDE, MEANWHILE, alone, begin, run_deployment, run_monitoring, run_training
    from deployers import active
    from stacks.links import links

    started = time.monotonic()
    contract = load_contract(dataset)
    session = begin(stack, contract, cache, debug, ASIDE, MEANWHILE, list(contract.sites))
    active(port).check(dataset)  # now: after minutes of training it would be for nothing
    with alone(session):
        found: dict[str, Any] = summary.training(session, run_training(session, profile, jobs))
        found["endpoint"] = summary.deployment(run_deployment(session, found["promotion"]["version"], port), port)
    found["prediction"] = summary.prediction(session.contract, found["endpoint"])
    sites = session.contract.watched_sites[:1]
    found["drift"] = (
        summary.monitoring(session, run_monitoring(session, found["promotion"]["version"], sites)) if sites else []
    )
    found["links"] = links()
    found["seconds"] = round(time.monotonic() - started, 1)
    emit(found, summary.render(found), as_json)
