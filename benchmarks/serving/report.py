"""The tables and the page of the serving benchmark."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from string import Template

from benchmarks.serving.environments import OURS, versions
from benchmarks.serving.questions import QUESTIONS
from project.paths import ROOT

PAGE = ROOT / "docs" / "serving-benchmark.md"
OUR_PREDICT, SKETCH, HELLO = "ours, `/predict`", "the sketch", "hello world"
TARGETS = (
    (OUR_PREDICT, SKETCH, 0.8),
    (OUR_PREDICT, "MLflow, scikit-learn", 80),
    (OUR_PREDICT, "MLServer, ONNX", 8),
    ("ours, Seldon V1", SKETCH, 0.6),
    ("ours, Open Inference V2", SKETCH, 0.6),
)
"""Of single rows: whose rate over whose is at least what."""
READY, WORKER = 1.0, 120
"""Seconds to the first answer and MiB of a worker, at most."""
PACKAGES = {
    OURS: ["uvicorn", "uvloop", "httptools", "msgspec", "onnxruntime", "numpy"],
    "fastapi": ["fastapi", "uvicorn", "onnxruntime"],
    "mlserver": ["mlserver", "mlserver-sklearn", "scikit-learn", "onnxruntime"],
    "seldon": ["seldon-core", "scikit-learn", "onnxruntime"],
    "bentoml": ["bentoml", "scikit-learn"],
    "mlflow": ["mlflow", "scikit-learn"],
}


@dataclass(slots=True)
class Found:
    """What was measured."""

    rates: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    """Requests per second of each round by label, by rows in a request."""
    cpu: dict[str, float] = field(default_factory=dict)
    """µs of CPU time per single row, by label."""
    ready: dict[str, float] = field(default_factory=dict)
    """Seconds from start to first answer, by server."""
    memory: dict[str, float] = field(default_factory=dict)
    """Resident MiB of all its processes after the single rows, by server."""
    latencies: dict[str, Sequence[float]] = field(default_factory=dict)
    """ms at a fixed rate, sorted, by label."""
    worker: float = 0.0
    """Resident MiB of one worker of ours."""
    workers: dict[int, list[float]] = field(default_factory=dict)
    """Requests per second of each round of ours on both cores, by workers."""
    layers: dict[str, float] = field(default_factory=dict)
    """Share of each layer in the time of a single row of ours, the largest first."""
    together: dict[int, float] = field(default_factory=dict)
    """Microseconds of the model, by rows predicted at once."""


def tables(found: Found) -> dict[str, str]:
    """The tables as Markdown, by their names in the page."""
    made = {"single": _single(found)}
    if found.latencies:
        made["latency"] = _latency(found)
    if len(found.rates) > 1:
        made["batches"] = _batches(found)
    return made


def write(found: Found, environments: Sequence[str], command: str) -> None:
    """Write the page."""
    template = Template(Path(__file__).with_name("page.md").read_text())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        template.substitute(
            tables(found),
            command=command,
            machine=_machine(),
            versions="\n".join(f"- {', '.join(versions(name, PACKAGES[name]))}" for name in environments),
            targets=_targets(found),
            ready=f"{found.ready[OURS]:.2f}",
            worker=f"{found.worker:.0f}",
            scaling=_ratio(found.workers[2], found.workers[1]),
            together=_table(
                ("rows at once", "µs", "µs a row"),
                [(str(size), f"{taken:.1f}", f"{taken / size:.1f}") for size, taken in found.together.items()],
            ),
            layers=_layers(found),
            share=f"{found.together[1] / found.cpu[OUR_PREDICT]:.0%}",
            profiled=f"{found.layers['the model']:.0%}",
            saved=f"{1 - found.together[16] / 16 / found.together[1]:.0%}",
        )
    )


def _single(found: Found) -> str:
    rates = found.rates[1]
    rows = []
    for label, each in rates.items():
        server = next(question.server for question in QUESTIONS if question.label == label)
        ratios = [_ratio(each, rates.get(other)) for other in (SKETCH, HELLO)]
        faster = _ratio(rates[OUR_PREDICT], each)
        costs = [f"{found.cpu[label]:,.0f}", f"{found.ready[server]:.1f}", f"{found.memory[server]:.0f}"]
        rows.append((label, f"{median(each):,.0f}", *ratios, faster, *costs))
    heads = ("requests/s", "of the sketch", "of hello world", "ours is faster", "CPU µs", "ready after, s", "MiB")
    return _table(("server", *heads), rows)


def _targets(found: Found) -> str:
    rates = found.rates[1]
    rows, missed = [], []
    for label, other, least in TARGETS:
        ratio = _median_ratio(rates[label], rates[other])
        rows.append((f"{label} over {other}", f"at least {least:g}", _shown(ratio), _verdict(ratio >= least)))
        if ratio < least:
            most = _shown(_median_ratio(rates[HELLO], rates[other]))
            missed.append(f"{label} over {other}: {_shown(ratio)}, not {least:g}; that of {HELLO} is {most}")
    ready = found.ready[OURS]
    rows.append(("ready, s", f"at most {READY:g}", f"{ready:.2f}", _verdict(ready <= READY)))
    rows.append(
        ("a worker's memory, MiB", f"at most {WORKER}", f"{found.worker:.0f}", _verdict(found.worker <= WORKER))
    )
    said = f"Missed in this run: {'. '.join(missed)}.\n" if missed else "None of them was missed in this run.\n"
    return f"{_table(('what', 'target', 'measured', 'verdict'), rows)}\n\n{said}"


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _batches(found: Found) -> str:
    sizes = [size for size in found.rates if size > 1]
    rows = []
    for label in found.rates[sizes[0]]:
        row = [label]
        for size in sizes:
            rates = found.rates[size][label]
            row += [f"{median(rates) * size:,.0f}", _ratio(found.rates[size][OUR_PREDICT], rates)]
        rows.append(tuple(row))
    heads = [head for size in sizes for head in (f"rows/s, {size:,} a request", "ours is faster")]
    return _table(("server", *heads), rows)


def _latency(found: Found) -> str:
    shares = (0.5, 0.99, 0.999)
    rows = [
        (label, *(f"{taken[int(share * len(taken))]:.2f}" for share in shares))
        for label, taken in found.latencies.items()
    ]
    return _table(("server", "p50 ms", "p99 ms", "p99.9 ms"), rows)


def _layers(found: Found) -> str:
    cpu = found.cpu[OUR_PREDICT]
    rows = [(name, f"{share:.0%}", f"{share * cpu:.0f}") for name, share in found.layers.items()]
    return _table(("layer", "share", "µs"), rows)


def _ratio(rates: Sequence[float], others: Sequence[float] | None) -> str:
    return _shown(_median_ratio(rates, others)) if others else "–"


def _median_ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    """The median of the ratios within a round: what slows the machine for seconds slows both."""
    return median(rate / other for rate, other in zip(rates, others, strict=True))


def _shown(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruled = ["--", *(["--:"] * (len(heads) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ruled, *rows))


def _machine() -> str:
    models = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = models[0] if models else platform.machine()
    system = f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {system}"
