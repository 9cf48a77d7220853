"""A bundle in an artifact store: its own files, verified on the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project.errors import Refused
from tabular.bundle import CONTENT, Bundle, to_json
from tracking.bundle_materializer import BundleMaterializer

BUNDLE = Bundle(
    {
        **{name: f"{name}\n".encode() for name in CONTENT},
        "contract.json": to_json({"name": "pets"}),
        "model_card.md": b"# Pets\n\n<script>alert(1)</script>\n",
    },
    {"numpy": "2.0"},
    "d" * 64,
    {"commit": "c0ffee"},
)


@pytest.fixture
def store(tmp_path: Path) -> BundleMaterializer:
    """A materializer on a folder, as the local artifact store gives it one."""
    materializer = BundleMaterializer(str(tmp_path))
    materializer.save(BUNDLE)
    return materializer


def test_saved_and_loaded(store: BundleMaterializer) -> None:
    assert store.load(Bundle) == BUNDLE
    assert sorted(path.name for path in Path(store.uri).iterdir()) == sorted(
        [*CONTENT, "manifest.json", "provenance.json"]
    )
    assert json.loads(Path(store.uri, "manifest.json").read_bytes())["digest"] == BUNDLE.digest


def test_a_changed_byte_is_refused(store: BundleMaterializer) -> None:
    Path(store.uri, "model.onnx").write_bytes(b"model.onny\n")
    with pytest.raises(Refused, match=r"model\.onnx does not match its sha256 in manifest\.json") as refusal:
        store.load(Bundle)
    assert refusal.value.next_step == "restore it from a copy, or make it anew: python run.py --no-cache"


def test_a_missing_file_is_named(store: BundleMaterializer) -> None:
    Path(store.uri, "serving.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"serving\.json"):
        store.load(Bundle)


def test_what_the_dashboard_shows(store: BundleMaterializer) -> None:
    (path,) = store.save_visualizations(BUNDLE)
    assert path == str(Path(store.uri, "model_card.html"))
    page = Path(path).read_text(encoding="utf-8")
    assert "<h1>Pets</h1>" in page
    assert "<script>" not in page
    assert store.extract_metadata(BUNDLE) == {"digest": BUNDLE.digest, "data_sha256": "d" * 64}
    assert store.compute_content_hash(BUNDLE) == BUNDLE.digest
