"""The stages of `dvc.yaml`: rows as the pipeline reads, checks and splits them, as files that DVC can keep.

They call what the steps call, so that the rows DVC has are those a model was trained on.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from project.errors import Unreachable
from project.paths import ROOT
from tabular.check_summary import check_sites
from tabular.contract import Contract
from tabular.files import replaced
from tabular.sites import read_sites
from tabular.splitting import split_sites
from tabular.training_config import TrainingConfig

PROCESSED = ROOT / "data" / "processed"


def clean(contract: Contract, folder: Path = PROCESSED) -> list[Path]:
    """Read every site, check it, and write all rows, typed, to `NAME/rows.parquet`.

    Raises:
        Unreachable: A file is missing.
        Refused: A file is not what the contract says, or a rule does not hold.
    """
    rows, unreadable = read_sites(contract, list(contract.sites))
    summary, _ = check_sites(contract, rows, unreadable)
    summary.raise_if_failed(contract.name)
    return [_written(rows, folder / contract.name / "rows.parquet")]


def split(contract: Contract, config: TrainingConfig, folder: Path = PROCESSED) -> list[Path]:
    """Split what `clean` wrote into `train`, `test` and `external`, beside it.

    Raises:
        Unreachable: `clean` has not run.
        Refused: There are too few rows to split.
    """
    own = folder / contract.name
    try:
        rows = pd.read_parquet(own / "rows.parquet")
    except FileNotFoundError:
        again = f"python run.py data clean --dataset {contract.name}"
        raise Unreachable(f"{own / 'rows.parquet'} does not exist", again) from None
    parts = split_sites(contract, rows, config.test_share, config.seed)
    named = {"train": parts.train, "test": parts.test, "external": parts.external}
    return [_written(part, own / f"{name}.parquet") for name, part in named.items()]


def _written(rows: pd.DataFrame, path: Path) -> Path:
    with replaced(str(path)) as file:
        rows.to_parquet(file, index=False)
    return path
