"""A challenger's place in the registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Registration:
    """A challenger's place in the registry."""

    number: str
    """MLflow's version number."""
    mlflow_run: str
    parity_difference: float

    @property
    def version(self) -> str:
        """The version's name everywhere else; ZenML keeps bare numbers for itself."""
        return f"v{self.number}"
