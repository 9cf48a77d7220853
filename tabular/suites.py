"""A contract's checks as Great Expectations suites in JSON, for whoever uses that library without this project."""

from __future__ import annotations

import os
from pathlib import Path

from project.paths import ROOT
from tabular.bundle import to_json
from tabular.checks import rules
from tabular.contract import Contract
from tabular.files import replaced

FOLDER = ROOT / "data" / "expectations"


def suites(contract: Contract) -> dict[str, bytes]:
    """One suite for the site that is learnt from, and one for every other, by the name of its file."""
    roles = ["train", "external"] if contract.external_sites else ["train"]
    return {f"{contract.name}.{role}.json": _suite(contract, role) for role in roles}


def write_suites(contract: Contract, folder: Path = FOLDER) -> list[Path]:
    """Write the suites of a contract."""
    written = []
    for name, content in suites(contract).items():
        with replaced(str(folder / name)) as file:
            file.write_bytes(content)
        written.append(folder / name)
    return written


def _suite(contract: Contract, role: str) -> bytes:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported
    import great_expectations as gx

    asked = list(rules(contract, role == "train", has_target=True))
    suite = gx.ExpectationSuite(name=f"{contract.name}, {role}", expectations=asked)
    return to_json(suite.to_json_dict())
