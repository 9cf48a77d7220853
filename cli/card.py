"""`run.py status --card VERSION`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import emit
from project.errors import ConfigError, Exit

if TYPE_CHECKING:
    from tabular.bundle import Bundle
    from tabular.contract import Contract


def show_card(dataset: str, reference: str, section: str | None, stack: str | None, as_json: bool) -> None:
    """Measure a model's figures anew and print its card with them; exit code 5 where one is not that of its bundle.

    Args:
        dataset: Whose model.
        reference: A version, or the folder of a bundle.
        section: The only one to print; None for the whole card.
        stack: That the version is on.
        as_json: Print one document.

    Raises:
        ConfigError: No such data set, stack, version or section.
        Refused: The bundle is damaged, or its contract or rows are not those of now.
    """
    from project.paths import CONFIGS
    from project.strict_yaml import did_you_mean, read_yaml
    from tabular.card_check import differences, measured_again
    from tabular.contract import load_contract
    from tabular.full_card import MEASURED, full_card, sections_of
    from tabular.training_config import TrainingConfig

    if section is not None and section not in MEASURED:
        raise ConfigError(f"a card has no section {section!r}{did_you_mean(section, list(MEASURED))}")
    contract = load_contract(dataset)
    bundle = _bundle(contract, reference, stack)
    found = measured_again(contract, bundle, read_yaml(CONFIGS / "training.yaml", TrainingConfig))
    card = full_card(contract, bundle, reference, found)
    if section is not None:
        parts = sections_of(card)
        if MEASURED[section] not in parts:
            raise ConfigError(f"the card of {contract.name} {reference} has no {MEASURED[section]!r}")
        card = f"## {MEASURED[section]}\n\n{parts[MEASURED[section]]}"
    other = list(differences(bundle.json("metrics.json"), found))
    if as_json:
        emit({"card": card, "digest": bundle.digest, "same": not other, "differences": other}, "", as_json)
    else:
        click.echo(card.rstrip())
    verdict = (
        [*other, f"{len(other)} figures differ"] if other else ["measured now: every figure is that of the bundle"]
    )
    click.echo("\n".join(verdict), err=True)
    if other:
        click.get_current_context().exit(Exit.DIFFERENT)


def _bundle(contract: Contract, reference: str, stack: str | None) -> Bundle:
    from tabular.bundle import MANIFEST, read_bundle

    if (Path(reference) / MANIFEST).is_file():
        return read_bundle(Path(reference), "take it from git, or train it again")
    from cli.runs import begin
    from tracking.lineage import bundle_of_version

    begin(stack, contract, cache=True, debug=False)
    return bundle_of_version(contract.name, reference)
