"""Store a table as ZenML does, with a hash of it: without one a cached step does not see that its rows are others."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import pandas as pd
from zenml.integrations.pandas.materializers.pandas_materializer import PandasMaterializer


class TableMaterializer(PandasMaterializer):
    """A Parquet file, which holds values, types, names and index."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (pd.DataFrame,)

    def compute_content_hash(self, data: pd.DataFrame) -> str:
        """Of the file that `save` has written: what the next step reads, and nothing it does not."""
        with self.artifact_store.open(self.parquet_path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


TABLES = f"{TableMaterializer.__module__}.{TableMaterializer.__name__}"
"""By name: to resolve a class, ZenML opens its store, and that while a step is imported."""
