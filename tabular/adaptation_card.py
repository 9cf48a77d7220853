"""The model card of a model adapted to a site, written from what was found out about the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabular.bundle import Bundle
from tabular.contract import Contract

NOT_BELIEVED = "the estimate leaves a class less than one row, so those of the training rows are kept"


def adaptation_card(
    contract: Contract, bundle: Bundle, site: str, threshold: float | None, evidence: Mapping[str, Any]
) -> str:
    """Markdown: the estimated shares, what the site lacks, and the card of the model it was made from."""
    shares = [
        f"- {label}: {share:.1%} ({low:.1%} to {high:.1%}); by counting {evidence['shares_by_count'][label]:.1%}"
        for label, share in evidence["shares"].items()
        for low, high in [evidence["intervals"][label]]
    ]
    gone = [f"- {name}: missing in {share:.0%}" for name, share in evidence["missing"].items()]
    believed = evidence["shares_used"] == evidence["shares"]
    decision = "the likeliest class is answered" if threshold is None else f"threshold {threshold:g}"
    parts = [
        f"# {contract.title}, adapted to {site}",
        (
            f"Made from the model of digest {bundle.digest} with unlabelled rows of {site}; {decision}."
            " No label of the site was seen, so how good its answers are there is not known."
        ),
        f"## Class shares estimated at {site}",
        "With 95 % bootstrap intervals." + ("" if believed else f" Not used: {NOT_BELIEVED}."),
        "\n".join(shares),
        f"## What {site} lacks",
        "\n".join(gone) or "Nothing that the training rows have.",
        "## Figures",
        f"AUC {evidence['roc_auc']:.3f} on the training rows, out of fold, without what {site} lacks.",
        "## Card of the model it was made from",
    ]
    before = bundle.content["model_card.md"].decode().replace("\n## ", "\n### ").removeprefix("# ")
    return "\n\n".join(parts) + "\n\n### " + before
