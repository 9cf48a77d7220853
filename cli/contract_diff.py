"""`run.py data diff` of two versions of a contract."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import emit
from project.errors import ConfigError, Exit

if TYPE_CHECKING:
    from tabular.contract import Contract

REVISION = "@"
FILES = (".yaml", ".yml")


def are_contracts(first: str, second: str) -> bool:
    """Whether both arguments name a contract: a YAML file, or `@REVISION` of git."""
    return all(each.startswith(REVISION) or each.endswith(FILES) for each in (first, second))


def diff_contracts(dataset: str, first: str, second: str, as_json: bool) -> None:
    """Print what changed; exit code 5 where something did.

    Raises:
        ConfigError: One of them is no contract, or git has no such revision of it.
    """
    from tabular.contract_changes import contract_changes

    found = contract_changes(contract_named(dataset, first), contract_named(dataset, second))
    stricter = sum(change.stricter for change in found)
    lines = [str(change) for change in found]
    lines.append(
        f"{len(found)} entries differ, {stricter} of them stricter" if found else f"{first} and {second} agree"
    )
    document = {"first": first, "second": second, "same": not found, "stricter": stricter}
    emit({**document, "changes": [dataclasses.asdict(change) for change in found]}, "\n".join(lines), as_json)
    if found:
        click.get_current_context().exit(Exit.DIFFERENT)


def contract_named(dataset: str, named: str | None) -> Contract:
    """A data set's contract: the one of now, a file, or `@REVISION` of git.

    Raises:
        ConfigError: There is none, or it is no contract.
    """
    from project.paths import CONTRACTS, ROOT
    from tabular.contract import load_contract
    from tracking.revisions import file_at

    if named is None:
        return load_contract(dataset)
    if not named.startswith(REVISION):
        path = Path(named)
        if not path.is_file():
            raise ConfigError(f"{named} does not exist", "name a contract, or @REVISION")
        return load_contract(path.stem, path.parent)
    content = file_at(named.removeprefix(REVISION), str((CONTRACTS / f"{dataset}.yaml").relative_to(ROOT)))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"{dataset}.yaml").write_bytes(content)
        return load_contract(dataset, Path(folder))
