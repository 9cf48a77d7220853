"""Pictures of how well a model ranks and how far its probabilities can be taken at their word."""

from __future__ import annotations

import io

from tabular.contract import Contract
from tabular.metrics import Classes, Floats


def curves(contract: Contract, truth: Classes, probabilities: Floats) -> bytes:
    """Draw ROC and calibration side by side as PNG, a line per class; needs no display.

    Args:
        contract: Names the classes.
        truth: Class indices, (rows,).
        probabilities: Out-of-fold probabilities, (rows, classes).
    """
    from matplotlib.figure import Figure
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import roc_curve

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = contract.target.labels
    for index in range(len(labels)) if contract.task == "multiclass" else [1]:
        of_class, score = truth == index, probabilities[:, index]
        false_alarms, hits, _ = roc_curve(of_class, score)
        left.plot(false_alarms, hits, label=labels[index])
        observed, predicted = calibration_curve(of_class, score, n_bins=5, strategy="quantile")
        right.plot(predicted, observed, marker="o", label=labels[index])
    left.set(title="ROC, cross-validation", xlabel="1 - specificity", ylabel="sensitivity")
    right.set(title="Calibration, cross-validation", xlabel="predicted probability", ylabel="observed share")
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
