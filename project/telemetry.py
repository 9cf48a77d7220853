"""No telemetry: what the libraries read before they send anything home."""

from __future__ import annotations

import os

OPT_OUTS = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""The last one is what Evidently and most others look for."""


def opt_out() -> None:
    """Tell every library to send nothing, unless the user decided otherwise; to be called before they are imported."""
    for variable, value in OPT_OUTS.items():
        os.environ.setdefault(variable, value)
