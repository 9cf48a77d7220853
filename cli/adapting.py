"""Run the pipeline that adapts the champion to a site."""

from __future__ import annotations

from typing import Any

from cli.runs import Session
from cli.submission import TRIES, outputs, prepared
from tracking.names import COMMIT


def run_adaptation(session: Session, version: str, site: str) -> dict[str, Any]:
    """Run the adaptation pipeline on a version of the data set's model and a site."""
    from zenml import Model

    from pipelines.adaptation import adaptation
    from tabular.reading import fingerprint
    from tracking.provenance import commit

    contract = session.contract
    run = prepared(
        adaptation,
        TRIES,
        model=Model(name=contract.name, version=version),
        settings={"experiment_tracker": {"experiment_name": contract.name}},
        extra={COMMIT: commit()},
        enable_cache=None if session.cache else False,
    )(contract, session.config.cost, session.adaptation, {site: fingerprint(contract.sites[site].path)})
    return outputs(run)
