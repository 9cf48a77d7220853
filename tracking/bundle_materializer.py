"""Store a bundle as its own files in the artifact store, verified on the way back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import ArtifactType, VisualizationType
from zenml.io import fileio
from zenml.materializers.base_materializer import BaseMaterializer

from project.errors import Refused
from tabular.bundle import CONTENT, MANIFEST, PROVENANCE, Bundle, read_bundle, write_bundle
from tabular.model_card import to_html


class BundleMaterializer(BaseMaterializer):
    """One file of the bundle is one file in the store; no pickle."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Bundle,)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.MODEL

    def save(self, data: Bundle) -> None:
        """Write the files; the manifest last, so that a half-written bundle can not be read."""
        with tempfile.TemporaryDirectory() as folder:
            write_bundle(data, Path(folder))
            for name in (*CONTENT, PROVENANCE, MANIFEST):
                fileio.copy(os.path.join(folder, name), os.path.join(self.uri, name))

    def load(self, data_type: type[Any]) -> Bundle:
        """Read the files back.

        Raises:
            Refused: A byte differs from the manifest.
        """
        with tempfile.TemporaryDirectory() as folder:
            for name in (*CONTENT, PROVENANCE, MANIFEST):
                fileio.copy(os.path.join(self.uri, name), os.path.join(folder, name))
            try:
                return read_bundle(Path(folder), "restore it from a copy, or make it anew: python run.py --no-cache")
            except Refused as error:  # named where it lies, not where we copied it
                raise Refused(error.cause.replace(folder, self.uri), error.next_step) from None

    def save_visualizations(self, data: Bundle) -> dict[str, VisualizationType]:
        """The model card, for the dashboard."""
        path = os.path.join(self.uri, "model_card.html")
        with fileio.open(path, "w") as file:
            file.write(to_html(data.content["model_card.md"].decode()))
        return {path: VisualizationType.HTML}

    def extract_metadata(self, data: Bundle) -> dict[str, Any]:
        """Digest and headline figures, shown beside the artifact."""
        return {"digest": data.digest, "data_sha256": data.data_sha256}

    def compute_content_hash(self, data: Bundle) -> str:
        """The bundle digest: the same content is the same cache key."""
        return data.digest
