"""What training and batch prediction cost on this machine, beside scikit-learn and MLflow on the same rows.

    .venv/bin/python -m benchmarks.batch [--rows 2000000] [--rounds 3] [--only predictions table training]

Predictions run in turns, each in a process of its own on core 0 with one thread, Parquet to Parquet; what counts is the
processor's time from opening the input to closing the output, without imports, so that a busy machine changes little.
Keeps what it measured in benchmarks/batch.json and writes docs/batch.md from it, after each part. Figures differ
between machines: compare within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.journey import LEFT_OUT, measure
from project.paths import CONFIGS, ROOT
from project.strict_yaml import read_yaml
from tabular.batch import BatchConfig, BatchFiles, predict_file
from tabular.bundle import read_bundle
from tabular.contract import Contract, load_contract
from tabular.reading import read_site

DATASET, PAGE = "heart_disease", ROOT / "docs" / "batch.md"
BUNDLE = ROOT / "models" / DATASET
LARGE, PIECE, FEW = 500_000, 1_000_000, "few.parquet"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PARTS, MEASURED = ("predictions", "table", "training"), Path(__file__).with_name("batch.json")
PROFILES = ("--quick", "--full")
OURS, SKLEARN, PYFUNC = "run.py predict", "scikit-learn", "MLflow pyfunc"
TARGETS = (2_000_000, 512)
"""Rows a second on one core, and MiB, that were set before anything was measured."""
Seconds = dict[str, float]
Programs = dict[str, dict[str, float]]
"""Name to `seconds` and `mib`."""


def subject(name: str, source: Path, output: Path, model: Path) -> tuple[float, float]:
    """Predict a file; seconds of the processor, and the largest memory of this process in MiB."""
    import pyarrow as pa

    os.sched_setaffinity(0, {0})
    pa.set_cpu_count(1)
    contract = load_contract(DATASET)
    predict = _ours(contract) if name == OURS else _peer(contract, name, model)
    predict(source.with_name(FEW), output)  # imports what is imported late
    started = time.process_time()
    predict(source, output)
    return time.process_time() - started, _peak_mib()


def _peak_mib() -> float:
    """Largest resident memory of this program; what `getrusage` says counts the process that started it too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _ours(contract: Contract) -> Callable[[Path, Path], object]:
    bundle, settings = read_bundle(BUNDLE), read_yaml(CONFIGS / "batch_inference.yaml", BatchConfig).batch
    return lambda source, output: predict_file(
        bundle, BatchFiles(str(source), str(output), f"{output}.rejects.csv", contract.reading), settings
    )


def _peer(contract: Contract, name: str, model: Path) -> Callable[[Path, Path], object]:
    """As its guide has it: the table is read, predicted and written whole. Nothing judges the rows."""
    import mlflow

    from tabular.tensors import to_tensor

    loaded = mlflow.sklearn.load_model(str(model)) if name == SKLEARN else mlflow.pyfunc.load_model(str(model))
    ask = loaded.predict_proba if name == SKLEARN else loaded.predict

    def predict(source: Path, output: Path) -> None:
        probabilities = ask(to_tensor(contract, pd.read_parquet(source)))
        labels = np.array(contract.target.labels)[probabilities.argmax(axis=1)]
        columns = dict(zip((f"probability {label}" for label in contract.target.labels), probabilities.T, strict=True))
        pd.DataFrame({"label": labels, **columns}).to_parquet(output, index=False)

    return predict


def save_model(folder: Path) -> Path:
    """The bundle's own pipeline, fitted again, as MLflow stores it."""
    import mlflow
    import skops.io

    from tabular.candidates import build
    from tabular.splitting import split_rows
    from tabular.tensors import to_classes, to_tensor
    from tabular.training_config import TrainingConfig

    contract, config = load_contract(DATASET), read_yaml(CONFIGS / "training.yaml", TrainingConfig)
    metrics = read_bundle(BUNDLE).json("metrics.json")
    rows = read_site(contract, contract.training_site).rows
    train, _ = split_rows(rows, contract.target.column, config.test_share, config.seed)
    model = build(contract, metrics["family"], metrics["parameters"], config.seed)
    model.fit(to_tensor(contract, train), to_classes(contract, train))
    mlflow.sklearn.save_model(
        model,
        str(folder),
        serialization_format="skops",
        skops_trusted_types=list(skops.io.get_untrusted_types(data=skops.io.dumps(model))),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
    )
    return folder


def write_rows(path: Path, count: int) -> Path:
    """Rows of the training site, drawn again and again, as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    contract = load_contract(DATASET)
    rows = read_site(contract, contract.training_site).rows[list(contract.features)]
    draw = np.random.default_rng(7)
    schema = pa.Schema.from_pandas(rows, preserve_index=False)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, PIECE):
            drawn = rows.iloc[draw.integers(0, len(rows), min(PIECE, count - start))]
            writer.write_table(pa.Table.from_pandas(drawn, schema, preserve_index=False))
    return path


def predictions(folder: Path, rows: int, rounds: int) -> Programs:
    """Each program in turns: its median of the seconds, and the largest of its MiB."""
    model, source = save_model(folder / "model"), write_rows(folder / "rows.parquet", rows)
    write_rows(folder / FEW, 1000)
    larger = write_rows(folder / "larger.parquet", 4 * rows)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        for name, file in ((OURS, source), (SKLEARN, source), (PYFUNC, source), (f"{OURS}, four times", larger)):
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "benchmarks.batch", "--subject", name.split(",")[0]]
            done = subprocess.run(
                [*command, str(file), str(folder / "answers.parquet"), str(model)],
                cwd=ROOT,
                env={**os.environ, **ONE_THREAD},
                check=True,
                capture_output=True,
                text=True,
            )
            found.setdefault(name, []).append(tuple(json.loads(done.stdout.splitlines()[-1])))
    return {
        name: {"seconds": statistics.median(s for s, _ in each), "mib": max(mib for _, mib in each)}
        for name, each in found.items()
    }


def large_table(folder: Path) -> Seconds:
    """Seconds of drafting a contract for `LARGE` rows, and of reading, checking and packaging them under it."""
    import yaml

    from data.generate import payments
    from tabular.checks import check_rows
    from tabular.choosing import Choice
    from tabular.contract_draft import draft_contract
    from tabular.packaging import package
    from tabular.scoring import score_candidate
    from tabular.splitting import split_rows
    from tabular.tensors import to_classes, to_tensor
    from tabular.training_config import TrainingConfig, Validation

    seconds: Seconds = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        seconds[name] = time.process_time() - started

    path = folder / "payments.parquet"
    payments(LARGE).to_parquet(path, index=False)
    with timed("first contract (`data init`)"):
        draft = draft_contract(str(path), "fraud", "payments")
    contract = Contract.model_validate(yaml.safe_load(draft.text))
    with timed("reading"):
        table = read_site(contract, "payments")
    import great_expectations  # noqa: F401  its import is no part of the time

    with timed("validation"):
        check_rows(contract, table, "payments")
    train, test = split_rows(table.rows, contract.target.column, 0.2, 7)
    config = read_yaml(CONFIGS / "training.yaml", TrainingConfig)
    chosen = score_candidate(
        *(contract, to_tensor(contract, train), to_classes(contract, train), "logistic", config.candidates["logistic"]),
        *({"C": [0.3]}, Validation(folds=2, repeats=1), config.selection_metric, config.seed),
    )
    with timed("packaging"):
        package(contract, Choice(chosen, 0.5, [chosen]), train, test, {}, "0" * 64, 7)
    return seconds


def trainings(folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Seconds and MiB of `--quick`, then `--full`, nothing cached, in a copy of the tree with stores of its own."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(folder / "zenml")}
    run = [sys.executable, "run.py", "train", "--stack", "local", "--no-cache"]
    measure([*run, "--quick"], tree, environment)  # makes the stores
    for profile in PROFILES:
        print(f"training {profile}", file=sys.stderr, flush=True)
        one = measure([*run, profile], tree, environment)
        yield profile, {"seconds": one.seconds, "mib": one.peak_mib}


def page(found: Mapping[str, Any]) -> str:
    """docs/batch.md, from what was measured: part to its figures and the machine they are of."""
    rows, rounds, predicted = (found["predictions"][key] for key in ("rows", "rounds", "programs"))
    large, trained = found["table"]["steps"], found["training"]["profiles"]
    rates = {name: _rows_of(name, rows) / each["seconds"] for name, each in predicted.items()}
    peaks = {name: each["mib"] for name, each in predicted.items()}
    lines = [
        [
            name,
            f"{_rows_of(name, rows):,}",
            f"{rates[name]:,.0f}",
            f"{rates[OURS] / rates[name]:.1f}",
            f"{peaks[name]:.0f}",
        ]
        for name in predicted
    ]
    most = max(mib for name, mib in peaks.items() if name.startswith(OURS))
    verdicts = [
        [
            "rows a second on one core",
            f"at least {TARGETS[0]:,}",
            f"{rates[OURS]:,.0f}",
            _verdict(rates[OURS] >= TARGETS[0]),
        ],
        [f"memory, {4 * rows:,} rows too, MiB", f"less than {TARGETS[1]}", f"{most:.0f}", _verdict(most < TARGETS[1])],
    ]
    return Template(Path(__file__).with_name("batch.md").read_text(encoding="utf-8")).substitute(
        command=f".venv/bin/python -m benchmarks.batch --rows {rows} --rounds {rounds}",
        **{f"{part}_machine": found[part]["machine"] for part in PARTS},
        targets=_table(["asked for", "target", "measured", ""], verdicts),
        predictions=_table(["program", "rows", "rows/s", "ours is faster", "peak MiB"], lines),
        large=_table(["step", "seconds", "rows/s"], [[n, f"{s:.1f}", f"{LARGE / s:,.0f}"] for n, s in large.items()]),
        trained=_table(["profile", "seconds", "peak MiB"], [_training(name, trained) for name in PROFILES]),
        large_rows=f"{LARGE:,}",
    )


def _machine() -> str:
    load = f"load {os.getloadavg()[1]:.0f}"
    return f"{os.cpu_count()} cores ({platform.machine()}), {load}, Python {platform.python_version()}"


def _training(profile: str, trained: Programs) -> list[str]:
    if profile not in trained:
        return [profile, "not measured", ""]
    return [profile, f"{trained[profile]['seconds']:.0f}", f"{trained[profile]['mib']:.0f}"]


def _rows_of(name: str, rows: int) -> int:
    return 4 * rows if name.endswith("four times") else rows


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruled = ["--", *(["--:"] * (len(heads) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ruled, *rows))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of a prediction (default 2,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each program predicts (default 3)")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="measure these; of the others stays what was measured")
    parser.add_argument("--subject", nargs=4, metavar=("NAME", "INPUT", "OUTPUT", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        name, *paths = options.subject
        print(json.dumps(subject(name, *map(Path, paths))))
        return
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    for part in options.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="batch-") as scratch:
            match part:
                case "predictions":
                    programs = predictions(Path(scratch), options.rows, options.rounds)
                    _keep(found, part, rows=options.rows, rounds=options.rounds, programs=programs)
                case "table":
                    _keep(found, part, steps=large_table(Path(scratch)))
                case _:
                    for profile, figures in trainings(Path(scratch)):
                        _keep(found, part, profiles={**found[part]["profiles"], profile: figures})
    print(json.dumps(found, indent=1))


def _keep(found: dict[str, Any], part: str, **figures: Any) -> None:
    """Take in what was measured of a part, and write both files: what comes after it may fail."""
    found[part] = {"machine": _machine(), **figures}
    MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
