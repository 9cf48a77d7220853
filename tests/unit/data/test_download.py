"""Download: a real server that is well, ill, slow to recover, lying or gone; the file that was there survives all."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from data import download as module
from data.download import download
from project.errors import ConfigError, ProjectError, Refused, Unreachable
from tabular.contract import Contract

CONTENT = b"x,y\n1,2\n" * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Source:
    """A web server that answers from a list, its last answer again and again."""

    url: str
    answers: list[str] = field(default_factory=lambda: ["whole"])
    asked: int = 0


@pytest.fixture
def source() -> Iterator[Source]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = found.answers[min(found.asked, len(found.answers) - 1)]
            found.asked += 1
            if answer.isdigit():
                self.send_error(int(answer))
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write({"whole": CONTENT, "cut": CONTENT[:-5], "other": CONTENT[::-1]}[answer])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Source(f"http://127.0.0.1:{server.server_port}/t.csv")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS", (0.0, 0.0))


def contract(path: Path, url: str | None, sha256: str | None = DIGEST) -> Contract:
    return Contract.model_validate(
        {
            "name": "t",
            "title": "T",
            "source": {"page": "none", "licence": "none", "citation": "none"},
            "target": {"column": "y", "positive": "b", "classes": [{"label": c, "values": [c]} for c in "ab"]},
            "features": {"x": {"type": "number"}},
            "sites": {"one": {"role": "train", "path": str(path), "url": url, "sha256": sha256}},
        }
    )


def test_a_file_is_fetched_and_then_is_unchanged(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "new" / "t.csv"
    (first,) = download(contract(path, source.url))
    assert (first.site, first.sha256, first.state, path.read_bytes()) == ("one", DIGEST, "downloaded", CONTENT)
    (second,) = download(contract(path, source.url))
    assert (second.state, source.asked) == ("unchanged", 2)
    assert list(path.parent.iterdir()) == [path]


def test_a_local_address_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "source.csv").write_bytes(CONTENT)
    (found,) = download(contract(tmp_path / "t.csv", f"file://{tmp_path}/source.csv"))
    assert (found.state, (tmp_path / "t.csv").read_bytes()) == ("downloaded", CONTENT)


@pytest.mark.parametrize("answers", [["503", "whole"], ["cut", "429", "whole"]])
def test_what_may_pass_is_tried_again(tmp_path: Path, source: Source, answers: list[str]) -> None:
    source.answers = answers
    download(contract(tmp_path / "t.csv", source.url))
    assert (tmp_path / "t.csv").read_bytes() == CONTENT
    assert source.asked == len(answers)


@pytest.mark.parametrize(
    ("answers", "kind", "reason", "asked"),
    [
        pytest.param(["404"], Unreachable, "answers 404 Not Found", 1, id="not there"),
        pytest.param(["500"], Unreachable, "after 3 attempts: HTTP Error 500", 3, id="ill for long"),
        pytest.param(["cut"], Unreachable, "the connection ended 5 bytes too early", 3, id="cut off"),
        pytest.param(["other"], Refused, f"the contract says {DIGEST[:12]}…; nothing was changed", 1, id="other bytes"),
    ],
)
@pytest.mark.parametrize("before", [b"old", None])
def test_a_failure_changes_nothing(
    tmp_path: Path,
    source: Source,
    answers: list[str],
    kind: type[ProjectError],
    reason: str,
    asked: int,
    before: bytes | None,
) -> None:
    source.answers = answers
    path = tmp_path / "t.csv"
    if before:
        path.write_bytes(before)
    with pytest.raises(kind) as caught:
        download(contract(path, source.url))
    assert reason in caught.value.cause
    assert source.asked == asked
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == ({path: before} if before else {})


@pytest.fixture
def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/t.csv"


def test_offline_the_next_step_is_named(tmp_path: Path, nobody: str) -> None:
    (tmp_path / "t.csv").write_bytes(CONTENT)
    with pytest.raises(Unreachable) as caught:
        download(contract(tmp_path / "t.csv", nobody))
    assert "does not answer after 3 attempts: <urlopen error [Errno 111] Connection refused>" in caught.value.cause
    assert caught.value.next_step.endswith("python run.py data download --dataset t --from-copy")


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_offline_the_copy_is_kept_when_asked(tmp_path: Path, nobody: str, sha256: str | None) -> None:
    (tmp_path / "t.csv").write_bytes(CONTENT)
    (found,) = download(contract(tmp_path / "t.csv", nobody, sha256), from_copy=True)
    assert (found.state, found.sha256, (tmp_path / "t.csv").read_bytes()) == ("kept", DIGEST, CONTENT)


@pytest.mark.parametrize(
    ("copy", "reason"), [(b"other", "does not match the contract's sha256"), (None, "is not there")]
)
def test_offline_a_bad_copy_is_no_copy(tmp_path: Path, nobody: str, copy: bytes | None, reason: str) -> None:
    if copy:
        (tmp_path / "t.csv").write_bytes(copy)
    with pytest.raises(Unreachable, match=reason):
        download(contract(tmp_path / "t.csv", nobody), from_copy=True)


def test_a_full_disk_is_not_taken_for_the_network(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"old")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr(Path, "with_name", lambda _, __: full)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(OSError, match="No space left on device"):
        download(contract(path, source.url))
    assert (path.read_bytes(), source.asked) == (b"old", 1)


def test_sites_without_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="t has no 'url' in its contract"):
        download(contract(tmp_path / "t.csv", None))
    with pytest.raises(ConfigError, match="site 'one' of t has no 'url'"):
        download(contract(tmp_path / "t.csv", None), ["one"])
    with pytest.raises(ConfigError, match="t has no site 'on'; did you mean 'one'"):
        download(contract(tmp_path / "t.csv", None), ["on"])
