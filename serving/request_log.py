"""One line of JSON per request, and for drift checks a sample of what was asked and answered.

Lines are collected and written by a thread, so that a slow disk holds up no request; what does not fit is dropped and
counted. Workers of one endpoint append to the same files, which are turned over at a size, so their disk is bounded.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
import time
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF

from serving.http import JSON, LENGTH, Answer, Request
from serving.log import LOGGER

SECONDS = 0.25
"""Between two writes."""
WAITING = 1 << 20
"""Bytes that may wait for the thread."""
SAMPLED_BODY = 64 * 1024
"""A longer body is not sampled."""


class Lines:
    """A file of lines that turns itself over.

    Args:
        path: The file; `-` is standard output, which is not turned over.
        most: Bytes in a file.
        kept: Files, this one included.
        mode: Who may read and write a new file.
    """

    def __init__(self, path: Path, most: int, kept: int, mode: int = 0o644) -> None:
        self.path, self.most, self.kept, self.mode = path, most, kept, mode
        self.lost = 0
        self._lines: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "log")  # the others may all be busy with requests

    def add(self, line: bytes) -> None:
        """Take one line, which ends with a newline."""
        if self._size + len(line) > WAITING:
            self.lost += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write_soon())

    def close(self) -> None:
        """Write what waits, now."""
        self._write(self._taken())

    async def _write_soon(self) -> None:
        await asyncio.sleep(SECONDS)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, self._taken())
        self._writing = asyncio.ensure_future(self._write_soon()) if self._lines else None

    def _taken(self) -> list[bytes]:
        lines, self._lines, self._size = self._lines, [], 0
        return lines

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            if self.path == Path("-"):
                for piece in _pieces(lines):
                    os.write(1, piece)
                return
            text = b"".join(lines)
            with self.path.with_name(f".{self.path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):
                    if self.path.stat().st_size + len(text) > self.most:
                        self._turn_over()
                self._append(text)
        except OSError as error:
            self.lost += len(lines)
            LOGGER.error("%s can not be written, %d lines are lost: %s", self.path, len(lines), error.strerror)

    def _append(self, text: bytes) -> None:
        """Add all of it or nothing: half a line on a disk that is full would spoil the one that comes after it."""
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, self.mode)
        try:
            before = os.fstat(file).st_size
            if os.write(file, text) < len(text):
                os.ftruncate(file, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def _turn_over(self) -> None:
        """Rename every file to the next number; what had the last is gone."""
        for number in range(self.kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                newer.replace(older)


def _pieces(lines: Sequence[bytes]) -> Iterator[bytes]:
    """As many lines together as a pipe takes in one piece: those of another worker must not come in between."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > PIPE_BUF:
            yield piece
            piece = b""
        piece += line
    yield piece


class RequestLog:
    """What one worker writes down about requests; never a header, so never a key.

    Args:
        requests: Takes a line per request; None for no such log.
        samples: Takes sampled requests with their answers; None to keep no inputs.
        rate: Share of the requests that are sampled.
    """

    def __init__(self, requests: Lines | None = None, samples: Lines | None = None, rate: float = 0.0) -> None:
        self.requests, self.samples, self.rate = requests, samples, rate
        self._second, self._stamp = 0, b""

    @property
    def lost(self) -> int:
        """Lines of both that were dropped."""
        return sum(lines.lost for lines in (self.requests, self.samples) if lines)

    def answered(self, request_id: str, route: str, status: int, seconds: float, version: str, rows: int) -> None:
        """Write down one request."""
        if self.requests is not None:
            shown = (self._time(), request_id.encode(), route.encode(), status, seconds * 1000, version.encode(), rows)
            self.requests.add(
                b'{"time":"%sZ","request_id":"%s","route":"%s","status":%d,"ms":%.3f,"version":"%s","rows":%d}\n'
                % shown
            )

    def sample(self, request: Request, route: str, version: str, answer: Answer) -> None:
        """Keep one of many requests with its answer, and all feedback.

        Both are JSON, so neither is read again; where one has tensors as bytes, as over gRPC, it is not kept.
        """
        if self.samples is None or len(request.body) > SAMPLED_BODY:
            return
        if answer.reward is None and random.random() >= self.rate:  # noqa: S311  a sample, no secret
            return
        if answer.content_type == JSON and LENGTH not in request.headers:
            bodies = (request.body.removeprefix(BOM_UTF8), answer.body)
            asked, said = (text.replace(b"\n", b" ").replace(b"\r", b" ") for text in bodies)
            shown = (self._time(), request.id.encode(), route.encode(), version.encode(), asked, said)
            self.samples.add(
                b'{"time":"%sZ","request_id":"%s","route":"%s","version":"%s","request":%s,"response":%s}\n' % shown
            )

    def close(self) -> None:
        """Write what waits."""
        for lines in (self.requests, self.samples):
            if lines:
                lines.close()

    def _time(self) -> bytes:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode()
        return self._stamp + b".%03d" % (now % 1 * 1000)
