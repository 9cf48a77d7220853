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
            f'prediction  every answer with "model": "{found.model}", "version": "{found.version}"',
            f"version     {found.version}{f' ({found.stage})' if found.stage else ''}, bundle {found.digest}",
            f"              {found.candidate}: {parameters}",
            f"              {', '.join(f'{name} {number}' for name, number in found.libraries.items())}",
            f"run         ZenML {found.zenml_run}, MLflow {found.mlflow_run}, {found.created}",
            *(f"              {line}" for line in found.gates or ["no verdicts: no run that is known judged it"]),
            f"data        sha256 {found.data_sha256[:12]}{f', DVC {found.data_md5}' if found.data_md5 else ''}",
            *(f"              {site:<14}{value[:12]}" for site, value in found.files.items()),
            f"commit      {found.commit}",
        ]
    )
