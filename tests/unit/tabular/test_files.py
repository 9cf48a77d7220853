"""Where a user's files may lie, and what must never be put in the place of something else."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from project.errors import ConfigError, ProjectError, Unreachable
from tabular.files import opened, replaced


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("", "an empty path is a folder"),
        ("folder", "is a folder"),
        ("folder/new/", "is a folder"),
        ("/dev/null", "/dev/null is a device or a pipe, expected a file"),
    ],
)
def test_what_is_no_file_is_not_read(tmp_path: Path, path: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=what), opened(path):
        pass


def test_a_server_that_does_not_answer_has_not_said_that_there_is_no_file() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/rows.csv"
        with pytest.raises(Unreachable, match=r"rows\.csv can not be read: Cannot connect to host"), opened(address):
            pass


def test_a_pipe_is_neither_read_nor_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is a device or a pipe, expected a file"), opened(str(pipe)):
        pytest.fail("it can be read once")
    with pytest.raises(ConfigError, match="is a device or a pipe, expected a file"), replaced(str(pipe)) as new:
        new.write_text("new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "elsewhere" / "file"
    file.parent.mkdir()
    file.write_text("old")
    link.symlink_to(file)
    with replaced(str(link)) as new:
        new.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("name", ["file/new", f"folder/{'n' * 300}"])
def test_a_place_that_takes_no_file_is_named_before_anything_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ProjectError) as failure, replaced(str(tmp_path / name)):
        pytest.fail("there is nowhere to write")
    assert failure.value.cause.startswith(f"{tmp_path / name} can not be written: ")
    assert failure.value.next_step == "name another place"
    assert (tmp_path / "file").read_text() == "old"
