"""The endpoint record: the small file that `endpoint`, `status` and `rollback` read, without ZenML."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployers.interface import Endpoint, Version
from deployers.traffic import TrafficPlan
from project.errors import ProjectError

FORMAT = 1
RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class Record:
    """An endpoint and the process behind it."""

    endpoint: Endpoint
    host: str
    port: int
    pid: int
    """The supervisor; leads its own process group."""
    pid_started: float
    """Start time of that process, seconds since the epoch: another process with this pid is not ours."""
    workers: int = 1

    def as_json(self) -> dict[str, Any]:
        """The record as it is written."""
        return {
            "format": FORMAT,
            **endpoint_json(self.endpoint),
            "host": self.host,
            "port": self.port,
            "pid": self.pid,
            "pid_started": self.pid_started,
            "workers": self.workers,
        }

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Record:
        """A record from its JSON; KeyError, TypeError or ValueError where it does not fit."""
        check_format(value)
        pid, started, workers = int(value["pid"]), float(value["pid_started"]), int(value.get("workers", 1))
        return cls(parse_endpoint(value), str(value["host"]), int(value["port"]), pid, started, workers)


def check_format(value: Mapping[str, Any]) -> None:
    """Raise ValueError for a record of another format."""
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']}, this version reads {FORMAT}")


def endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as records keep it."""
    return {
        "name": endpoint.name,
        "url": endpoint.url,
        "version": endpoint.current.version,
        "digest": endpoint.current.digest,
        "deployed_at": endpoint.current.deployed_at,
        "previous": [dataclasses.asdict(version) for version in endpoint.previous],
        "backend": endpoint.backend,
        "stack": endpoint.stack,
        "example": dict(endpoint.example),
        "beside": [dataclasses.asdict(version) for version in endpoint.beside],
        "plan": endpoint.plan.as_json() if endpoint.plan else None,
    }


def parse_endpoint(value: Mapping[str, Any]) -> Endpoint:
    """An endpoint from its JSON; KeyError, TypeError or ValueError where it does not fit."""
    return Endpoint(
        name=str(value["name"]),
        url=str(value["url"]),
        current=Version(str(value["version"]), str(value["digest"]), str(value["deployed_at"])),
        previous=tuple(Version(**version) for version in value["previous"]),
        backend=str(value["backend"]),
        stack=str(value["stack"]),
        example=dict(value["example"]),
        beside=tuple(Version(**version) for version in value.get("beside", ())),
        plan=TrafficPlan.parse(value["plan"]) if value.get("plan") else None,
    )


def read_record(folder: Path) -> Record | None:
    """The record in an endpoint's folder, or None if there is none.

    Raises:
        ProjectError: The file is damaged.
    """
    path = folder / RECORD
    try:
        return Record.parse(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"the endpoint record {path} is damaged: {error}",
            f"python run.py down --dataset {folder.name}, then deploy",
        ) from None


def prepared(path: Path, value: object) -> Path:
    """A file's next content, written and flushed beside it: `os.replace` to `path` then needs no disk space."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.next")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def write_json(path: Path, value: object) -> None:
    """Replace a file as a whole, durably; a reader sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prepared(path, value).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def now() -> str:
    """This moment as the record writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
