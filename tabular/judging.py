"""Gather the evidence on a challenger from its bundle, and judge it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabular import evaluation, export
from tabular.behaviour import observe
from tabular.bundle import Bundle
from tabular.champion import Champion
from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.gates import Evidence, Verdicts, judge
from tabular.segment_gaps import segment_gaps
from tabular.tensors import to_classes
from tabular.training_config import GateSettings


def judge_bundle(
    contract: Contract,
    bundle: Bundle,
    choice: Choice,
    parity_difference: float,
    train: pd.DataFrame,
    test: pd.DataFrame,
    champion: Champion | None,
    settings: GateSettings,
    seed: int,
) -> Verdicts:
    """Judge what ships, the exported model, rather than the one it was exported from."""
    onnx = bundle.content["model.onnx"]
    size, nodes = export.size(onnx)
    evidence = Evidence(
        validation=choice.chosen.metrics,
        challenger_loss=evaluation.losses(contract, onnx, test),
        champion=champion,
        parity_difference=parity_difference,
        baselines=choice.baselines,
        gaps=segment_gaps(
            contract,
            train,
            to_classes(contract, train),
            np.array(choice.chosen.probabilities),
            choice.threshold,
            settings.segment_gaps,
            seed,
        ),
        behaviour=observe(contract, lambda rows: export.predict(onnx, rows), train, choice.threshold),
        model_bytes=size,
        model_nodes=nodes,
    )
    return Verdicts(judge(evidence, settings, seed))
