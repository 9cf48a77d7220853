"""Files of a user, on this machine or in a store: opened where they are, and replaced as a whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import fsspec

from project.errors import ConfigError, ProjectError, Refused, Unreachable

if TYPE_CHECKING:
    import pandas as pd

READ_ONLY = ("http", "https")


def is_absent(error: Exception) -> bool:
    """Whether there is no such file; fsspec says so too where a server does not answer, and names that as the cause."""
    return isinstance(error, FileNotFoundError) and isinstance(error.__cause__, FileNotFoundError | None)


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet, by its name's ending; every other file is a CSV."""
    return path.lower().endswith((".parquet", ".pq"))


def parquet_rows(content: bytes, name: str) -> pd.DataFrame:
    """The rows of a Parquet file; an index of pandas that has a name is a column of the file like any other.

    Args:
        content: Of the file.
        name: Of the file, for the message.

    Raises:
        Refused: It is no Parquet file.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # noqa: BLE001  pyarrow has no common base for what a broken file raises
        raise Refused(f"{name} is not a Parquet file: {error}", "check that the file is whole") from None
    named = [index for index in frame.index.names if index is not None]
    return frame.reset_index(named) if named else frame


def refuse_no_file(path: str) -> None:
    """Refuse a folder, and a device or a pipe: they may have no end, are read once, and must not be replaced.

    Args:
        path: A path, whether or not there is something, or an address, which is left to its store.

    Raises:
        ConfigError: It is no place for a file.
    """
    if "://" in path:
        return
    try:
        mode = Path(path).stat().st_mode
    except OSError:  # whoever opens it says why it can not
        mode = stat.S_IFDIR if path.endswith("/") else stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise ConfigError(f"{path or 'an empty path'} is a folder", "name a file in it")
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is a device or a pipe, expected a file", "name a file")


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading: a path (relative to the working directory) or an address that fsspec knows.

    Raises:
        ConfigError: It is a folder or a device.
        Unreachable: It is missing or its store does not answer.
    """
    refuse_no_file(path)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(fsspec.open(path, "rb"))
        except Exception as error:  # noqa: BLE001  each store has its own errors; the user needs address and reason
            if is_absent(error):
                raise Unreachable(f"{path} does not exist", "check the path, or the address and its bucket") from None
            reason = error.__cause__ or error
            raise Unreachable(f"{path} can not be read: {reason}", "check the address and the credentials") from None
        yield file


@contextmanager
def replaced(path: str) -> Iterator[Path]:
    """A new file to write, which takes the place of `path` when the block ends; if the block fails, nothing changes.

    Raises:
        ConfigError: An address that can not be written to, a folder or a device.
        Unreachable: The store does not take the file.
        ProjectError: The disk does not.
    """
    protocol = path.split("://", maxsplit=1)[0] if "://" in path else ""
    if protocol in READ_ONLY:
        raise ConfigError(f"{path} can not be written to", "name a file, or an address in a bucket")
    refuse_no_file(path)
    with ExitStack() as stack:
        target = Path(path).resolve()  # a link stays one
        if protocol:
            beside = Path(stack.enter_context(tempfile.TemporaryDirectory()), "new")
        else:
            beside = target.with_name(f".{target.name}.{os.getpid()}")
            _prepare(beside, path)
            stack.callback(beside.unlink, missing_ok=True)
        yield beside
        if not protocol:
            beside.replace(target)
            return
        try:
            store, key = fsspec.core.url_to_fs(path)
            store.put_file(str(beside), key)
        except Exception as error:  # noqa: BLE001  as above
            raise Unreachable(f"{path} can not be written: {error}", "check the address and the credentials") from None


def _prepare(beside: Path, path: str) -> None:
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    except OSError as error:
        raise ProjectError(f"{path} can not be written: {error.strerror}", "name another place") from None
