"""What a run is worth saying: from step outputs to plain data, and from plain data to one screen of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.runs import Session
from project.paths import REPORTS, ROOT
from tabular.contract import Contract
from tracking.names import Artifact


def training(session: Session, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Data checks, leaderboard, verdicts and promotion of a training run; its pages saved under `reports/`."""
    from tabular.full_card import full_card
    from tabular.model_card import to_html

    checks = outputs[f"load_rows.{Artifact.DATA_CHECKS}"].load()
    choice = outputs[f"package_model.{Artifact.CHOICE}"].load()
    bundle = outputs[f"package_model.{Artifact.BUNDLE}"].load()
    folder = REPORTS / session.contract.name
    docs = _save_page(outputs[f"load_rows.{Artifact.DATA_DOCS}"], folder / "data_checks.html")
    promotion = outputs[f"judge_challenger.{Artifact.PROMOTION}"].load()
    card, text = folder / "model_card.html", full_card(session.contract, bundle, promotion.version)
    card.write_text(to_html(text), encoding="utf-8")
    card.with_suffix(".md").write_text(text, encoding="utf-8")
    return {
        "dataset": session.contract.name,
        "stack": session.stack,
        "data": [
            {
                "site": s.site,
                "role": session.contract.sites[s.site].role,
                "rows": s.rows,
                "rules": s.rules,
                "violations": s.violations,
            }
            for s in checks.sites
        ],
        "leaderboard": [
            {
                "candidate": s.name,
                "parameters": s.parameters,
                "mean": s.mean,
                "standard_error": s.standard_error,
                "roc_auc": s.metrics["roc_auc"],
                "chosen": s.name == choice.chosen.name,
            }
            for s in sorted(choice.leaderboard, key=lambda s: s.mean)
        ],
        "optimism": None if choice.optimism is None else dataclasses.asdict(choice.optimism),
        "threshold": choice.threshold,
        "test": bundle.json("metrics.json")["test"],
        "gates": [dataclasses.asdict(v) for v in outputs[f"judge_challenger.{Artifact.VERDICTS}"].load().items],
        "promotion": dataclasses.asdict(promotion),
        "reports": {"data checks": _relative(docs), "model card": _relative(card)},
    }


def deployment(outputs: Mapping[str, Any], port: int | None, since: str = "") -> dict[str, Any]:
    """The endpoint after a deployment run.

    Under `kept` stands why it is not at the port that was asked for, under `alone` why nothing was beside its version
    since this time.
    """
    endpoint = outputs[f"deploy_champion.{Artifact.ENDPOINT}"].load()
    alone = ""
    if endpoint.plan is None and not endpoint.previous:
        alone = "no other version served before"
    elif endpoint.plan is None and endpoint.current.deployed_at < since:
        alone = f"version {endpoint.current.version} served already"
    kept = ""
    if port is not None and urlsplit(endpoint.url).port != port:
        kept = f"--port {port} was not used: the URL stays until python run.py down --dataset {endpoint.name}"
    return {
        "url": endpoint.url,
        "version": endpoint.current.version,
        "digest": endpoint.current.digest,
        "example": dict(endpoint.example),
        "traffic": f"{endpoint.plan.mode.value}: {endpoint.plan.shares()}" if endpoint.plan else "",
        "alone": alone,
        "kept": kept,
    }


def prediction(contract: Contract, endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the endpoint for the bundle's example row: a real request, as a user would send it.

    Raises:
        Unreachable: It does not answer.
    """
    from deployers import active

    return active().predict(contract.name, endpoint["example"])


def monitoring(session: Session, outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Drift report per site, its page saved under `reports/`."""
    found = []
    for key, artifact in outputs.items():
        if key.endswith(f".{Artifact.DRIFT}"):
            report = artifact.load()
            page = outputs[key.removesuffix(Artifact.DRIFT) + Artifact.DRIFT_REPORT]
            path = _save_page(page, REPORTS / session.contract.name / f"drift_{report.site}.html")
            found.append({**dataclasses.asdict(report), "worst": report.worst, "report": _relative(path)})
    return found


def adaptation(site: str, outputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a site's model was fitted with, its bundle written into a folder."""
    from tabular.bundle import replace_bundle

    report = outputs[f"adapt_{site}.{Artifact.ADAPTATION}"].load()
    replace_bundle(outputs[f"adapt_{site}.{Artifact.ADAPTED}"].load(), folder)
    return {**dataclasses.asdict(report), "bundle": str(folder)}


def adaptation_text(found: Mapping[str, Any], dataset: str) -> str:
    """What was found out about a site, the gates, and what to type next."""
    missing = ", ".join(f"{name} {share:.0%}" for name, share in found["missing"].items())
    lines = [f"Site       {found['site']}: {found['rows']} rows; missing {missing or 'nothing more than in training'}"]
    for label, share in found["shares"].items():
        low, high = found["intervals"][label]
        used = found["shares_used"][label]
        lines.append(f"Share      {label}: estimated {share:.1%} ({low:.1%} to {high:.1%}), used {used:.1%}")
    lines += [f"Gate       pass  {verdict['gate']}: {verdict['reason']}" for verdict in found["verdicts"]]
    lines.append(f"Bundle     {found['bundle']}   digest {found['digest'][:12]}, from {found['made_from'][:12]}")
    again = f"python run.py predict --dataset {dataset} --bundle {found['bundle']} --input FILE --output FILE"
    return "\n".join([*lines, f"           next: {again}"])


def render(found: Mapping[str, Any]) -> str:
    """One screen of text."""
    endpoint, answer, version = found["endpoint"], found["prediction"], found["promotion"]["version"]
    digest = endpoint["digest"][:12]
    return "\n".join(
        [
            "",
            *_training_lines(found),
            "",
            f"Endpoint   {endpoint['url']}   {found['dataset']} {endpoint['version']}, digest {digest}",
            *([f"           {endpoint['kept']}"] if endpoint["kept"] else []),
            f"Prediction {answer['label']} with probability {answer['probability']:.3f}, for the example row",
            *drift_lines(found["drift"], found["dataset"]),
            "",
            *(f"{name.capitalize():<12}{path}" for name, path in found["reports"].items()),
            *(f"{'Drift':<12}{report['report']}" for report in found["drift"]),
            *(f"{name:<12}{where}" for name, where in found["links"].items()),
            "",
            f"Done in {found['seconds']} s; {found['dataset']} {version} serves. Next:",
            *_next_lines(found["dataset"], elsewhere=bool(found["drift"])),
        ]
    )


def training_text(found: Mapping[str, Any]) -> str:
    """The summary of a training run alone."""
    return "\n".join(
        [
            *_training_lines(found),
            "",
            f"Next:  python run.py deploy --stack {found['stack']} --dataset {found['dataset']}",
        ]
    )


def drift_lines(reports: Sequence[Mapping[str, Any]], dataset: str) -> Iterator[str]:
    """One line per site, and what to type next."""
    if not reports:
        yield f"Drift      no other site; python run.py monitor --dataset {dataset} --input NEW_ROWS.csv"
    for report in reports:
        worst = "; ".join(
            f"{f['feature']} {f['direction']}" for f in report["features"] if f["feature"] in report["worst"]
        )
        share = f"{report['drifted_importance']:.0%} of what the model looks at has moved"
        found = share + (f" ({worst})" if worst else "") if report["features"] else f"there are {report['rows']}"
        yield f"Drift      {report['site']}: {report['outcome'].upper()}, {found}"
        yield f"           next: {report['next_command']}"


def _next_lines(dataset: str, elsewhere: bool) -> Iterator[str]:
    monitor = ("", "drift at every other site") if elsewhere else (" --input FILE", "drift of new rows")
    commands = {
        f"endpoint --dataset {dataset}": "the URL and a curl to try",
        f"monitor --dataset {dataset}{monitor[0]}": monitor[1],
        f"train --full --dataset {dataset}": "search the whole space",
        f"down --dataset {dataset}": "stop the endpoint",
    }
    width = max(map(len, commands))
    for command, what in commands.items():
        yield f"  python run.py {command:<{width}}  {what}"


def _training_lines(found: Mapping[str, Any]) -> Iterator[str]:
    for site in found["data"]:
        state = "all hold" if not site["violations"] else f"{len(site['violations'])} broken"
        checked = f"{site['rules']} checks, {state}"
        yield f"Data       {site['site']:<14}{site['rows']:>7,} rows   {site['role']:<9} {checked}"
    yield ""
    yield f"Candidates {'':<14}{'CV loss':>9} {'± s.e.':>8} {'CV AUC':>8}"
    for score in found["leaderboard"]:
        mark = "*" if score["chosen"] else " "
        parameters = ", ".join(f"{k}={v}" for k, v in score["parameters"].items())
        figures = f"{score['mean']:>9.4f} {score['standard_error']:>8.4f} {score['roc_auc']:>8.3f}"
        yield f"         {mark} {score['candidate']:<14}{figures}  {parameters}"
    if flattery := found["optimism"]:
        worth = f"{flattery['nested']:.4f} in nested folds, {flattery['apparent']:.4f} where it was chosen"
        yield f"Optimism   {worth}; chosen there: {', '.join(flattery['chosen'])}"
    metrics, (low, high) = found["test"]["metrics"], found["test"]["intervals"]["roc_auc"]
    auc, balanced = f"AUC {metrics['roc_auc']:.3f} ({low:.2f} to {high:.2f})", metrics["balanced_accuracy"]
    yield f"Held out   {found['test']['rows']} rows: {auc}, balanced accuracy {balanced:.3f}"
    yield ""
    for verdict in found["gates"]:
        yield f"Gate       {'pass' if verdict['passed'] else 'FAIL'}  {verdict['gate']}: {verdict['reason']}"
    promotion = found["promotion"]
    how = "promoted" if promotion["changed"] else "was the champion already, same digest"
    yield f"Champion   {promotion['model']} {promotion['version']}, {how}"


def _relative(path: Any) -> str:
    return str(path.relative_to(ROOT))


def _save_page(artifact: Any, path: Path) -> Path:
    """Write an HTML artifact as a file to open in a browser."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(artifact.load(), encoding="utf-8")
    return path
