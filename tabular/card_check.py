"""A card's figures measured anew: from the model in the bundle and the rows it was judged on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from project.errors import Refused
from tabular.bundle import Bundle, to_json
from tabular.contract import Contract, served_contract
from tabular.fingerprints import fingerprints_of
from tabular.packaging import evidence
from tabular.reading import read_site
from tabular.splitting import split_rows
from tabular.training_config import TrainingConfig

TOLERANCE = 1e-4
"""By which a figure may differ on another machine, where probabilities agree to 1e-6 and a row may change its rank."""


def measured_again(contract: Contract, bundle: Bundle, config: TrainingConfig) -> dict[str, Any]:
    """The bundle's metrics, all that is measured of its model measured now.

    Raises:
        Refused: The contract or the rows are not those the bundle was made with, or nothing was measured of it.
        Unreachable: A file of the data set is missing.
    """
    stated, serving = bundle.json("metrics.json"), bundle.json("serving.json")
    name = bundle.json("contract.json")["name"]
    if name != contract.name:
        raise Refused(f"this model is of {name}, not of {contract.name}", f"give --dataset {name}")
    if "test" not in stated:
        raise Refused(
            "this model was adapted to a site without its labels: there is nothing to measure it by",
            "read model_card.md in its folder, or ask for the card of the model it was made from",
        )
    if bundle.content["contract.json"] != to_json(served_contract(contract)):
        raise Refused(
            f"the contract of {contract.name} has changed since this model was made",
            f"python run.py status --lineage VERSION --dataset {contract.name} names its commit: check that out",
        )
    _, hashes = fingerprints_of(contract)
    if hashes.sha256 != bundle.data_sha256:
        raise Refused(
            f"the rows of {contract.name} have sha256 {hashes.sha256[:12]}, this model was made from"
            f" {bundle.data_sha256[:12]}",
            f"python run.py status --lineage VERSION --dataset {contract.name} names their files",
        )
    rows = {site: read_site(contract, site).rows for site in (contract.training_site, *contract.external_sites)}
    train, test = split_rows(rows[contract.training_site], contract.target.column, config.test_share, config.seed)
    found = evidence(
        contract,
        bundle.content["model.onnx"],
        stated["threshold"],
        serving["conformal"],
        serving["covered"],
        train,
        test,
        {site: rows[site] for site in contract.external_sites},
        config.seed,
    )
    return {**stated, **found}


def differences(stated: object, found: object, place: Sequence[str] = ()) -> Iterator[str]:
    """Where two trees of figures differ by more than the tolerance: place, what is stated, what was found."""
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        for key in sorted({*stated, *found}):
            yield from differences(stated.get(key), found.get(key), [*place, str(key)])
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for index, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from differences(one, other, [*place, str(index)])
    elif not _agree(stated, found):
        yield f"{' / '.join(place)}: {stated} in the card, {found} now"


def _agree(stated: object, found: object) -> bool:
    if isinstance(stated, float | int) and isinstance(found, float | int):
        return abs(stated - found) <= TOLERANCE
    return stated == found
