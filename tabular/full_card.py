"""The card of one version: what its bundle says of the model, and what only a version has.

A version's number, digest and origin can not stand in the bundle whose digest they are; they are added here, beside the
rest of the figures, the use it is meant for, the command that measures each section anew, and the reporting items
ticked with their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tabular import further_figures as further
from tabular import model_card as own
from tabular.bundle import Bundle
from tabular.contract import Contract
from tabular.tripod import CHECK, DATA, ETHICS, FIGURES, INPUTS, LIMITS, MODEL, SEGMENTS, USE, VERSION, answered

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
A_VERSION = re.compile(r"v\d+")
MEASURED = {
    "figures": FIGURES,
    "reliability": own.RELIABILITY,
    "segments": SEGMENTS,
    "importance": own.IMPORTANCE,
    "missing": own.MISSING,
    "limits": LIMITS,
    "further": further.FURTHER,
    "benefit": further.BENEFIT,
}
"""What `run.py status --card … --section` takes, and the section it measures anew."""


def full_card(contract: Contract, bundle: Bundle, reference: str, metrics: Mapping[str, Any] | None = None) -> str:
    """Markdown; the same bundle and reference give the same bytes.

    Args:
        contract: Of the data set.
        bundle: Of the model.
        reference: What a command knows it by: a version, such as `v3`, or the folder of a bundle.
        metrics: The figures to show, measured anew; without them those of the bundle.
    """
    text = bundle.content["model_card.md"].decode().rstrip()
    if metrics is not None:
        text = _with_sections(text, own.model_card(contract, metrics))
    parts = [
        text,
        *further.sections(contract, metrics or bundle.json("metrics.json")),
        f"## {USE}",
        _use(contract),
        *([f"## {ETHICS}", contract.use.ethics] if contract.use.ethics else []),
        f"## {VERSION}",
        _version(contract, bundle, reference),
        f"## {CHECK}",
        _commands(contract, bundle, reference),
    ]
    beside = _beside(contract, bundle, reference)
    text = HEADING.sub(lambda found: found[0] + beside.get(found[1], ""), "\n\n".join(parts))
    items = list(answered(HEADING.findall(text)))
    rows = [[item.number, item.topic, "✓" if done else "–", place] for item, done, place in items]
    ticked = sum(done for _, done, _ in items)
    reporting = [
        text,
        "## Reporting items (TRIPOD+AI)",
        f"{ticked} of {len(rows)} are answered; of the others stands why not. Collins et al. 2024, BMJ 385:e078378.",
        own.table(["item", "topic", "", "place"], rows),
    ]
    return "\n\n".join(reporting) + "\n"


def sections_of(card: str) -> dict[str, str]:
    """Heading to its text, in the order of the card."""
    _, *found = HEADING.split(card)
    return {heading: text.strip() for heading, text in zip(found[::2], found[1::2], strict=True)}


def _with_sections(card: str, other: str) -> str:
    """A card with each section that is measured as another card has it."""
    found = sections_of(other)
    for heading, text in sections_of(card).items():
        if heading in MEASURED.values():
            card = card.replace(f"## {heading}\n\n{text}", f"## {heading}\n\n{found[heading]}")
    return card


def _beside(contract: Contract, bundle: Bundle, reference: str) -> dict[str, str]:
    run, name = "python run.py", f"--dataset {contract.name}"
    anew = {heading: f"status --card {reference} {name} --section {short}" for short, heading in MEASURED.items()}
    said = {heading: f"Measured anew by `{run} {command}`." for heading, command in anew.items()} | {
        MODEL: f"Trained anew, with the threshold above, by `{_training(contract, bundle)}`.",
        INPUTS: f"Every row is held against these by `{run} data validate {name}`.",
        DATA: f"Rows, classes and ranges of each site: `{run} data describe {name}`.",
    }
    return {heading: f"\n\n{text}" for heading, text in said.items()}


def _training(contract: Contract, bundle: Bundle) -> str:
    """The command that trains this model anew, by the search that it was found by."""
    profile = "--full" if "optimism" in bundle.json("metrics.json") else "--quick"
    return f"python run.py train --dataset {contract.name} {profile} --no-cache --json"


def _use(contract: Contract) -> str:
    intended = contract.use.intended or "Not stated in the contract."
    excluded = contract.use.not_for or "Any decision about a person that no person answers for."
    return (
        f"- Meant for: {intended}\n- Not for: {excluded}\n"
        "- Contact: the issues of the repository that this commit is from."
    )


def _version(contract: Contract, bundle: Bundle, reference: str) -> str:
    origin = bundle.provenance
    rows = [
        ["version", f"{contract.name} {reference}"],
        ["bundle digest", bundle.digest],
        ["data, sha256", bundle.data_sha256],
        ["data, DVC", origin.get("data_md5", "–")],
        ["commit", origin.get("commit", "–")],
        ["made", origin.get("created", "–")],
        ["ZenML run", origin.get("zenml_run", "–")],
        ["libraries", ", ".join(f"{name} {number}" for name, number in sorted(bundle.libraries.items()))],
    ]
    return own.table(["", ""], rows)


def _commands(contract: Contract, bundle: Bundle, reference: str) -> str:
    run, name = "python run.py", f"--dataset {contract.name}"
    rows = [
        ["every figure above but those of the candidates, measured anew", f"`{run} status --card {reference} {name}`"],
        ["the same digest, from the rows on", f"`{_training(contract, bundle)}`"],
        ["drift since then", f"`{run} monitor {name}`"],
    ]
    if A_VERSION.fullmatch(reference):
        rows.insert(
            2, ["from this version to its run, data and commit", f"`{run} status --lineage {reference} {name}`"]
        )
    return own.table(["what", "command"], rows)
