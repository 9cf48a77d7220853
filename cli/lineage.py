"""`run.py status --lineage VERSION`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cli.output import emit

if TYPE_CHECKING:
    from tracking.lineage import Lineage


def show_lineage(dataset: str, version: str, stack: str | None, as_json: bool) -> None:
    """Print where a version of a data set's model comes from.

    Raises:
        ConfigError: No such data set, stack or version.
    """
    from cli.runs import begin
    from tabular.contract import load_contract
    from tracking.lineage import lineage

    session = begin(stack, load_contract(dataset), cache=True, debug=False)
    found = lineage(session.contract.name, version)
    emit(dataclasses.asdict(found), _text(found), as_json)


def _text(found: Lineage) -> str:
    parameters = ", ".join(f"{key}={value}" for key, value in found.parameters.items())
    return "\n".join(
        [
            f"{found.model} {found.version}{f' ({found.stage})' if found.stage else ''}",
            f"  bundle     {found.digest}",
            f"  made       {found.created}, commit {found.commit}",
            f"  data       {found.data_sha256[:12]}",
            *(f"               {site:<14}{value[:12]}" for site, value in found.files.items()),
            f"  model      {found.candidate}: {parameters}",
            f"  libraries  {', '.join(f'{name} {number}' for name, number in found.libraries.items())}",
            *(f"  gate       {line}" for line in found.gates),
            f"  runs       ZenML {found.zenml_run}, MLflow {found.mlflow_run}",
        ]
    )
