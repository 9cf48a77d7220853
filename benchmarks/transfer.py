"""What a model is worth at a site whose labels it has not seen, and what each technique gives there.

    .venv/bin/python -m benchmarks.transfer [--dataset heart_disease] [--output docs/transfer.md]

Two protocols: learnt at the training site alone, and learnt at every other site. The labels of the site at hand are
used once, after the last probability, to measure. Seeded: the same data and lock give the same page.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from project.paths import CONFIGS, ROOT
from project.strict_yaml import read_yaml
from tabular.adaptation import adapt_bundle
from tabular.bundle import Bundle, read_bundle
from tabular.contract import Contract, load_contract
from tabular.drift import MonitoringConfig
from tabular.export import predict
from tabular.metrics import Classes, Floats, balanced_accuracy, brier, roc_auc
from tabular.reading import read_site
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import TrainingConfig
from tabular.transfer import Labelled, Technique, adapt

RESAMPLES, SEED = 1000, 7
PAGE = ROOT / "docs" / "transfer.md"
TEMPLATE = Path(__file__).with_name("transfer.md")
AS_TRAINED, ADAPTED = "as trained", "missing columns, shares by expectation"
PROTOCOLS = ("training site alone", "every other site")


def techniques() -> dict[str, Technique]:
    """What is measured, by name: the model as trained, that of `monitor --adapt`, each part of it, and trees for it."""
    adapted = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).adaptation.technique
    columns = adapted.model_copy(update={"shares": "as trained"})
    trees = columns.model_copy(
        update={
            "family": "extra_trees",
            "parameters": {"n_estimators": 200, "min_samples_leaf": 0.01},
            "even": True,
        }
    )
    return {
        AS_TRAINED: columns.model_copy(update={"copies": 0}),
        "missing columns": columns,
        "missing columns, resemblance": columns.model_copy(update={"resemblance": True}),
        "missing columns, shares by count": adapted.model_copy(update={"shares": "count"}),
        ADAPTED: adapted,
        "extra trees, missing columns, even classes": trees,
        "extra trees, the same, shares by expectation": trees.model_copy(update={"shares": "expectation"}),
    }


@dataclass(frozen=True, slots=True)
class Answers:
    """What a technique says of a site's rows, and what is true."""

    truth: Classes
    probabilities: Floats
    shares: Floats
    """Class shares it takes the site to have, (classes,)."""

    def of(self, rows: Classes) -> Answers:
        """The same of some rows."""
        return Answers(self.truth[rows], self.probabilities[rows], self.shares)


def skill(answers: Answers) -> float:
    """1 - Brier score over that of the site's true class shares as the answer to every row; NaN for one class alone."""
    shares = np.bincount(answers.truth, minlength=answers.probabilities.shape[1]) / len(answers.truth)
    constant = brier(answers.truth, np.tile(shares, (len(answers.truth), 1)))
    return 1 - brier(answers.truth, answers.probabilities) / constant if constant else float("nan")


METRICS: dict[str, Callable[[Answers], float]] = {
    "AUC": lambda a: roc_auc(a.truth, a.probabilities),
    "Brier skill": skill,
    "balanced accuracy": lambda a: balanced_accuracy(a.truth, (a.probabilities / a.shares).argmax(axis=1)),
    "accuracy": lambda a: float((a.probabilities.argmax(axis=1) == a.truth).mean()),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Measured:
    """A technique at a site under a protocol."""

    protocol: str
    site: str
    technique: str
    figures: dict[str, Figure]
    gains: dict[str, Figure]
    """Of AUC and Brier skill against the model as trained, on the same resampled rows."""
    share: float
    """Of the last class, as the technique takes it to be."""


class Sites:
    """The arrays of every site of a contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.rows = {site: read_site(contract, site).rows for site in contract.sites}
        self.features = {site: to_tensor(contract, rows) for site, rows in self.rows.items()}
        self.truth = {site: to_classes(contract, rows) for site, rows in self.rows.items()}

    def known(self, sites: Sequence[str]) -> Labelled:
        """The labelled rows of some sites."""
        return Labelled(
            np.vstack([self.features[site] for site in sites]),
            np.concatenate([self.truth[site] for site in sites]),
            np.repeat(np.arange(len(sites)), [len(self.truth[site]) for site in sites]),
        )

    def settings(self) -> Iterator[tuple[str, str, list[str]]]:
        """Protocol, site, and the sites that are learnt from."""
        for site in self.contract.external_sites:
            yield PROTOCOLS[0], site, [self.contract.training_site]
        for site in self.contract.sites:
            yield PROTOCOLS[1], site, [other for other in self.contract.sites if other != site]


def measure(sites: Sites, names: Sequence[str], protocols: Sequence[str] = PROTOCOLS) -> Iterator[Measured]:
    """Measure techniques by name, the model as trained first, at every site under each protocol."""
    known = techniques()
    for protocol, site, sources in sites.settings():
        if protocol not in protocols:
            continue
        base: Answers | None = None
        for name in names:
            fitted = adapt(sites.contract, sites.known(sources), sites.features[site], known[name], SEED)
            answers = Answers(sites.truth[site], fitted.predict_proba(sites.features[site]), fitted.shares)
            base = base or answers
            yield Measured(protocol, site, name, *compare(answers, base), float(fitted.shares[-1]))


def own_labels(sites: Sites, site: str) -> Figure:
    """AUC at a site of the model as trained when it learns from the site's own labels, out of fold: not a transfer."""
    known, technique = sites.known([site]), techniques()[AS_TRAINED]
    fitted = adapt(sites.contract, known, sites.features[site], technique, SEED)
    answers = Answers(known.truth, fitted.out_of_fold, fitted.shares)
    return compare(answers, answers)[0]["AUC"]


def command_makes(sites: Sites, site: str) -> Measured:
    """What `run.py monitor --adapt` makes of the reference bundle for a site, beside the bundle as it is."""
    contract, champion = sites.contract, read_bundle(ROOT / "models" / sites.contract.name)
    cost = read_yaml(CONFIGS / "training.yaml", TrainingConfig).cost
    settings = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).adaptation
    unlabelled = sites.rows[site].drop(columns=contract.target.column)
    made, report = adapt_bundle(contract, champion, unlabelled, site, cost, settings)
    shares = np.array(list(report.shares_used.values()))

    def answers(bundle: Bundle) -> Answers:
        return Answers(sites.truth[site], predict(bundle.content["model.onnx"], sites.features[site]), shares)

    figures = compare(answers(made), answers(champion))
    return Measured(PROTOCOLS[0], site, "run.py monitor --adapt", *figures, float(shares[-1]))


def compare(answers: Answers, base: Answers) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """Figures of some answers, and their gain over others on the same rows."""
    draw = np.random.default_rng(SEED)
    samples = draw.integers(0, len(answers.truth), (RESAMPLES, len(answers.truth)))
    values = {name: [f(answers), *(f(answers.of(rows)) for rows in samples)] for name, f in METRICS.items()}
    before = {name: [METRICS[name](base), *(METRICS[name](base.of(rows)) for rows in samples)] for name in GAINS}
    gains = {name: np.subtract(values[name], before[name]) for name in GAINS}
    return {n: _figure(v) for n, v in values.items()}, {n: _figure(v) for n, v in gains.items()}


GAINS = ("AUC", "Brier skill")
HEADS = [*METRICS, *(f"gain in {name}" for name in GAINS), "share it assumes"]


def _figure(values: Sequence[float] | Floats) -> Figure:
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Figure(float(values[0]), float(low), float(high))


def tables(sites: Sites, measured: Sequence[Measured], ceilings: Mapping[str, Figure]) -> str:
    """A table per protocol and site."""
    parts = []
    for protocol, site, sources in sites.settings():
        truth = sites.truth[site]
        shares = np.bincount(truth) / len(truth)
        parts += [
            f"### {site}, learnt at {protocol} ({', '.join(sources)})",
            (
                f"{len(truth)} rows, {shares[-1]:.1%} {sites.contract.target.labels[-1]};"
                f" always the most frequent class is right in {shares.max():.3f}."
                f" With the site's own labels, 5-fold: AUC {ceilings[site]}."
            ),
            _table(
                ["technique", *HEADS],
                [[m.technique, *_cells(m)] for m in measured if (m.protocol, m.site) == (protocol, site)],
            ),
        ]
    return "\n\n".join(parts)


def made(measured: Sequence[Measured]) -> str:
    """What the command makes, by site, and where it does worse than the site's own shares would."""
    worse = [m.site for m in measured if m.figures["Brier skill"].value <= 0]
    table = _table(["site", *HEADS], [[m.site, *_cells(m)] for m in measured])
    return f"{table}\n\nIts Brier skill is not above 0 at: {', '.join(worse) or 'none of them'}."


def _cells(measured: Measured) -> list[object]:
    return [*measured.figures.values(), *measured.gains.values(), f"{measured.share:.3f}"]


ASKED = {"hungarian": 0.90, "switzerland": 0.78, "va": 0.76}
"""Least AUC at a site, learnt at every other; the Brier skill is to be above 0."""


EXERCISE = ("thalach", "exang", "oldpeak")
"""What an exercise test measures."""


def asked(measured: Sequence[Measured], ceilings: Mapping[str, Figure]) -> str:
    """What was asked for beside what the model of `monitor --adapt`, the best technique and the site's labels reach."""
    rows = []
    for site, least in ASKED.items():
        here = [m for m in measured if (m.protocol, m.site) == (PROTOCOLS[1], site)]
        shipped = next(m for m in here if m.technique == ADAPTED)
        best = max(here, key=lambda m: m.figures["AUC"].value)
        for name, bound in (("AUC", least), ("Brier skill", 0.0)):
            figure = shipped.figures[name]
            reached = "reached" if figure.low >= bound else "reached, within chance of it"
            if round(figure.value, 3) < bound:
                reached = "**missed**"
            other = [f"{best.technique}: {best.figures[name]}", ceilings[site]] if name == "AUC" else ["", ""]
            rows.append([site, name, f"{bound:.2f}", figure, reached, *other])
    heads = ["site", "figure", "asked for", ADAPTED, "", "best of the table", "with the site's own labels"]
    return _table(heads, rows)


def page(sites: Sites, measured: Sequence[Measured]) -> str:
    """The whole page."""
    ceilings = {site: own_labels(sites, site) for site in sites.contract.sites}
    rare = min(int(np.bincount(sites.truth[site]).min()) for site in sites.contract.external_sites)
    tested = [list(sites.contract.features).index(name) for name in EXERCISE]
    untested = np.isnan(sites.features["va"][:, tested]).all(axis=1)
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in {
        "asked": asked(measured, ceilings),
        "made": made([command_makes(sites, site) for site in sites.contract.external_sites]),
        "rare": str(rare),
        "untested": f"{untested.sum()} of {len(sites.truth['va'])}",
        "tables": tables(sites, measured, ceilings),
    }.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["--"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="heart_disease", help="a contract with more than one site")
    parser.add_argument("--output", type=Path, default=PAGE, help="where the page goes")
    options = parser.parse_args()
    sites = Sites(load_contract(options.dataset))
    measured = []
    for one in measure(sites, list(techniques())):
        print(f"{one.protocol}, {one.site}, {one.technique}: AUC {one.figures['AUC']}", flush=True)
        measured.append(one)
    options.output.write_text(page(sites, measured), encoding="utf-8")


if __name__ == "__main__":
    main()
