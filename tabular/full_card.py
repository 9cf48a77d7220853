"""The card of one version: what its bundle says of the model, and what only a version has.

A version's number, digest and origin can not stand in the bundle whose digest they are; they are added here, beside the
use it is meant for, the command behind each figure, and the reporting items ticked with their place.
"""

from __future__ import annotations

import re

from tabular.bundle import Bundle
from tabular.contract import Contract
from tabular.model_card import table
from tabular.tripod import CHECK, USE, VERSION, answered

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def full_card(contract: Contract, bundle: Bundle, version: str) -> str:
    """Markdown; the same bundle and version give the same bytes."""
    parts = [
        bundle.content["model_card.md"].decode().rstrip(),
        f"## {USE}",
        _use(contract),
        f"## {VERSION}",
        _version(contract, bundle, version),
        f"## {CHECK}",
        _commands(contract, version),
    ]
    headings = HEADING.findall("\n\n".join(parts))
    items = list(answered(headings))
    rows = [[item.number, item.topic, "✓" if done else "–", place] for item, done, place in items]
    ticked = sum(done for _, done, _ in items)
    parts += [
        "## Reporting items (TRIPOD+AI)",
        f"{ticked} of {len(rows)} are answered; of the others stands why not. Collins et al. 2024, BMJ 385:e078378.",
        table(["item", "topic", "", "place"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def _use(contract: Contract) -> str:
    intended = contract.use.intended or "Not stated in the contract."
    excluded = contract.use.not_for or "Any decision about a person that no person answers for."
    return (
        f"- Meant for: {intended}\n- Not for: {excluded}\n"
        "- Contact: the issues of the repository that this commit is from."
    )


def _version(contract: Contract, bundle: Bundle, version: str) -> str:
    origin = bundle.provenance
    rows = [
        ["version", f"{contract.name} {version}"],
        ["bundle digest", bundle.digest],
        ["data, sha256", bundle.data_sha256],
        ["data, DVC", origin.get("data_md5", "–")],
        ["commit", origin.get("commit", "–")],
        ["made", origin.get("created", "–")],
        ["ZenML run", origin.get("zenml_run", "–")],
        ["libraries", ", ".join(f"{name} {number}" for name, number in sorted(bundle.libraries.items()))],
    ]
    return table(["", ""], rows)


def _commands(contract: Contract, version: str) -> str:
    run, name = "python run.py", f"--dataset {contract.name}"
    rows = [
        ["every figure above: trained anew, the same digest", f"`{run} train --stack local {name} --no-cache --json`"],
        ["rows, classes and ranges of each site", f"`{run} data describe {name}`"],
        ["that the rows keep their contract", f"`{run} data validate {name}`"],
        ["from this version to its run, data and commit", f"`{run} status --lineage {version} {name}`"],
        ["drift since then", f"`{run} monitor {name}`"],
    ]
    return table(["what", "command"], rows)
