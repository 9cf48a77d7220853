"""The bundle: its digest, its way to a folder and back, and what is refused there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.errors import Exit, Refused
from tabular.bundle import (
    CONTENT,
    MANIFEST,
    PROVENANCE,
    Bundle,
    digest_of,
    read_bundle,
    read_manifest,
    replace_bundle,
    sha256,
    to_json,
    write_bundle,
)


def bundle(model: bytes = b"model") -> Bundle:
    content = {name: f"{name}\n".encode() for name in CONTENT}
    content |= {"model.onnx": model, "contract.json": to_json({"name": "pets"}), "metrics.json": to_json({"a": 1})}
    return Bundle(content, {"numpy": "2.0"}, "d" * 64, {"commit": "c0ffee"})


def test_the_digest_is_that_of_names_and_hashes() -> None:
    lines = [f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in sorted(bundle().content.items())]
    assert bundle().digest == hashlib.sha256("".join(lines).encode()).hexdigest()


@given(st.dictionaries(st.sampled_from(CONTENT), st.binary(max_size=8), min_size=1), st.randoms())
def test_the_digest_does_not_know_the_order(files: dict[str, bytes], random: Any) -> None:
    items = list(files.items())
    random.shuffle(items)
    one, other = ({name: sha256(data) for name, data in order} for order in (files.items(), items))
    assert digest_of(one) == digest_of(other)
    changed = {**one, items[0][0]: sha256(items[0][1] + b"!")}
    assert digest_of(changed) != digest_of(one)


def test_provenance_and_libraries_are_outside_the_digest() -> None:
    one = bundle()
    assert Bundle(one.content, {"numpy": "3.0"}, "e" * 64, {}).digest == one.digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_equal_values_are_equal_bytes(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert to_json(backwards) == to_json(value)
    assert json.loads(to_json(value)) == value


def test_json_that_is_none_is_not_written() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        to_json({"auc": float("nan")})


def test_written_and_read_back(tmp_path: Path) -> None:
    write_bundle(bundle(), tmp_path / "new" / "folder")
    assert read_bundle(tmp_path / "new" / "folder") == bundle()
    manifest = read_manifest(tmp_path / "new" / "folder")
    assert manifest == {
        "format": 1,
        "name": "pets",
        "digest": bundle().digest,
        "files": {name: sha256(data) for name, data in bundle().content.items()},
        "libraries": {"numpy": "2.0"},
        "data_sha256": "d" * 64,
    }
    assert bundle().json("metrics.json") == {"a": 1}


def test_a_bundle_without_provenance_is_one(tmp_path: Path) -> None:
    write_bundle(bundle(), tmp_path)
    (tmp_path / PROVENANCE).unlink()
    assert read_bundle(tmp_path).provenance == {}


def edit_manifest(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / MANIFEST
        path.write_bytes(to_json({**json.loads(path.read_bytes()), **changes}))

    return edit


def flip(name: str) -> Callable[[Path], None]:
    """Change one bit of a file's last byte."""

    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    return edit


def hashes(**changes: str) -> dict[str, str]:
    return {name: sha256(data) for name, data in bundle().content.items()} | changes


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        *(pytest.param(flip(name), f"{name} does not match its sha256", id=f"a bit of {name}") for name in CONTENT),
        pytest.param(lambda f: (f / "model.onnx").unlink(), "model.onnx is missing", id="a file gone"),
        pytest.param(lambda f: (f / MANIFEST).unlink(), "is not a bundle: no readable manifest.json", id="no manifest"),
        pytest.param(lambda f: (f / MANIFEST).write_text("{"), "is not a bundle", id="half a manifest"),
        pytest.param(lambda f: (f / MANIFEST).write_text("[]"), "is not a bundle", id="a list for a manifest"),
        pytest.param(lambda f: (f / MANIFEST).write_text("{}"), "is not a bundle", id="an empty manifest"),
        pytest.param(edit_manifest(files=[]), "is not a bundle", id="files as a list"),
        pytest.param(edit_manifest(format=2), "has format 2, this version reads 1", id="a newer format"),
        pytest.param(edit_manifest(digest="0" * 64), "does not match its own digest", id="another digest"),
        pytest.param(
            edit_manifest(files={"model.onnx": sha256(b"model")}, digest=digest_of({"model.onnx": sha256(b"model")})),
            "does not match its own digest",
            id="fewer files",
        ),
        pytest.param(edit_manifest(files={"../secret": "0"}), "../secret is not a bundle file", id="a file elsewhere"),
        pytest.param(
            edit_manifest(files=hashes(**{"model.onnx": sha256(b"other")})),
            "model.onnx does not match",
            id="another hash",
        ),
        pytest.param(lambda f: (f / PROVENANCE).write_text("{"), "provenance.json is not JSON", id="half a provenance"),
    ],
)
def test_a_damaged_bundle_is_refused(tmp_path: Path, damage: Callable[[Path], None], cause: str) -> None:
    write_bundle(bundle(), tmp_path)
    damage(tmp_path)
    with pytest.raises(Refused) as refusal:
        read_bundle(tmp_path)
    assert refusal.value.exit_code is Exit.REFUSED
    assert str(tmp_path) in refusal.value.cause
    assert cause in refusal.value.cause


def test_a_bundle_replaces_a_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "pets"
    replace_bundle(bundle(b"one"), folder)
    replace_bundle(bundle(b"two"), folder)
    assert read_bundle(folder) == bundle(b"two")
    assert [path.name for path in folder.parent.iterdir()] == ["pets"]


def test_a_bundle_fills_an_empty_folder(tmp_path: Path) -> None:
    replace_bundle(bundle(), tmp_path)
    assert read_bundle(tmp_path) == bundle()


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_is_no_bundle_is_not_replaced(tmp_path: Path, what: str) -> None:
    target = tmp_path / "mine"
    if what == "folder":
        target.mkdir()
        (target / "letter.txt").write_text("dear")
    else:
        target.write_text("dear")
    with pytest.raises(Refused) as refusal:
        replace_bundle(bundle(), target)
    assert refusal.value.cause == f"{target} exists and is not a bundle; nothing was written"
    assert (target / "letter.txt" if what == "folder" else target).read_text() == "dear"


def test_a_failed_write_leaves_the_old_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    replace_bundle(bundle(b"one"), folder)
    broken = Bundle({**bundle().content, "no/such/folder": b""}, {}, "", {})
    with pytest.raises(FileNotFoundError):
        replace_bundle(broken, folder)
    assert read_bundle(folder) == bundle(b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]
