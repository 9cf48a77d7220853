"""The reporting items of TRIPOD+AI, and where a model card answers each.

Collins et al. 2024, BMJ 385:e078378 (27 items; the words are ours). What a card does not answer it says so, with the
reason; of funding, protocol and whoever took part it knows nothing, for a contract has no place for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TITLE = ""
"""Stands for the card's first lines, above every section."""
FIGURES, INPUTS, LIMITS, DATA, MODEL = "Figures", "Inputs", "Limits", "Data", "Model"
USE, ETHICS, VERSION = "Use", "Ethics", "Version"
CHECK, SEGMENTS = "Check these figures", "Segments of the held-out rows"
UNSAID = "not stated in the contract"
OTHERS = "that of the people who collected the data: see Data"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to report."""

    number: str
    topic: str
    place: str | None
    """Section that answers it; None where none does."""
    reason: str = ""
    """Why none does."""


ITEMS = (
    Item("1", "title", TITLE),
    Item("2", "summary", TITLE),
    Item("3a", "context", TITLE),
    Item("3b", "who it is meant for", USE),
    Item("3c", "known inequalities between groups", ETHICS),
    Item("4", "objectives", USE),
    Item("5a", "sources of the data", DATA),
    Item("5b", "dates of the data", None, OTHERS),
    Item("6a", "setting, number of sites", FIGURES),
    Item("6b", "who was eligible", None, OTHERS),
    Item("6c", "treatments", None, OTHERS),
    Item("7", "preparation of the data", INPUTS),
    Item("8a", "outcome", TITLE),
    Item("8b", "who assessed the outcome", None, OTHERS),
    Item("8c", "blinding of the outcome", None, OTHERS),
    Item("9a", "choice of predictors", INPUTS),
    Item("9b", "definition of predictors", INPUTS),
    Item("9c", "who assessed predictors", None, OTHERS),
    Item("10", "sample size", FIGURES),
    Item("11", "missing data", INPUTS),
    Item("12a", "use of the data for development and evaluation", FIGURES),
    Item("12b", "handling of predictors", INPUTS),
    Item("12c", "kind of model and how it was chosen", MODEL),
    Item("12d", "differences between sites", FIGURES),
    Item("12e", "measures of performance", FIGURES),
    Item("12f", "updating of the model", None, "none was done: this is the model as trained"),
    Item("12g", "how a prediction is calculated", VERSION),
    Item("13", "imbalance of the classes", FIGURES),
    Item("14", "fairness", SEGMENTS),
    Item("15", "output and threshold", TITLE),
    Item("16", "differences between development and evaluation data", LIMITS),
    Item("17", "ethical approval", ETHICS),
    Item("18a", "funding", None, UNSAID),
    Item("18b", "conflicts of interest", None, UNSAID),
    Item("18c", "protocol", None, UNSAID),
    Item("18d", "registration", None, UNSAID),
    Item("18e", "availability of the data", DATA),
    Item("18f", "availability of the code", VERSION),
    Item("19", "involvement of patients and the public", None, UNSAID),
    Item("20a", "flow of participants", FIGURES),
    Item("20b", "characteristics of participants", DATA),
    Item("20c", "characteristics at other sites", DATA),
    Item("21", "participants and events in each analysis", FIGURES),
    Item("22", "the whole model", VERSION),
    Item("23a", "performance with intervals", FIGURES),
    Item("23b", "performance at each site", FIGURES),
    Item("24", "results of updating", None, "none was done: this is the model as trained"),
    Item("25", "interpretation", LIMITS),
    Item("26", "limitations", LIMITS),
    Item("27a", "input of poor quality or missing", INPUTS),
    Item("27b", "what a user must know and do", USE),
    Item("27c", "next steps", None, UNSAID),
)


def answered(headings: Sequence[str], items: Sequence[Item] = ITEMS) -> Iterator[tuple[Item, bool, str]]:
    """Each item, whether a card of these headings answers it, and the place or the reason."""
    for item in items:
        if item.place is None:
            yield item, False, item.reason
        elif item.place == TITLE:
            yield item, True, "above"
        elif item.place in headings:
            yield item, True, item.place
        else:
            yield item, False, f"this card has no section {item.place!r}"
