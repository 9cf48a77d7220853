"""The local deployer: one supervised server per endpoint, a traffic file, a record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployers import client, history
from deployers.client import Address
from deployers.history import Change
from deployers.interface import Endpoint, Status, absent
from deployers.local import bundles, ports, process
from deployers.local.lock import exclusive, waiting
from deployers.local.traffic_file import FOLLOWED, TRAFFIC, switched
from deployers.record import RECORD, Record, read_record, write_json
from deployers.traffic import TrafficPlan
from project.errors import ConfigError, ProjectError
from project.paths import ENDPOINTS, NAME
from tabular.bundle import Bundle, read_bundle, read_manifest

BUNDLES, LOCK, PORTS_LOCK = "bundles", "lock", ".ports.lock"
BACKEND = "local"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  it is where we connect, not what we bind


@dataclass(frozen=True, slots=True)
class LocalDeployer:
    """Serves endpoints from processes on this machine.

    Args:
        directory: Holds one folder per endpoint.
        port: The port of a new endpoint; the next free one if another endpoint of ours has it.
        host: Address to listen on.
        stack: Name of the stack, for the record.
        workers: Processes of a server that starts; without it as many as before, at first one.
    """

    directory: Path = ENDPOINTS
    port: int = 8000
    host: str = "127.0.0.1"
    stack: str = ""
    workers: int | None = None

    def check(self, name: str) -> None:
        """See `Deployer.check`; a port is all that can be missing."""
        folder = self._folder(name)
        if process.running(folder) is None:
            process.end_orphans(folder)
            self._port(folder, read_record(folder))

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        """See `Deployer.deploy`; renders every mode."""
        folder = self._folder(str(read_manifest(bundle)["name"]))
        with _disk(folder), exclusive(folder / LOCK, f"deploy {folder.name}"):
            record = read_record(folder)
            installed = bundles.install(bundle, folder / BUNDLES)
            before = record.endpoint if record else None
            return self._serve(folder, record, history.deploying(before, version, installed.digest, plan))

    def endpoints(self) -> list[str]:
        """See `Deployer.endpoints`."""
        return sorted(path.parent.name for path in self.directory.glob(f"*/{RECORD}"))

    def status(self, name: str) -> Status:
        """See `Deployer.status`."""
        folder, record = self._folder(name), self._known(name)
        server = process.running(folder)
        if server is None:
            detail = f"its server, process {record.pid}, is gone; python run.py deploy starts it again"
            return Status(record.endpoint, ready=False, detail=detail)
        ready, answer = client.health(Address(_local(record.host), record.port))
        confirmed = process.acknowledgements(folder)
        workers = tuple(sorted(int(worker["pid"]) for worker in confirmed))
        breaches = {version: reason for worker in confirmed for version, reason in worker["withdrawn"].items()}
        detail = "" if ready else str(answer.get("detail"))
        return Status(record.endpoint, ready, detail, answer.get("version"), workers, breaches)

    def bundle(self, name: str) -> tuple[Endpoint, Bundle]:
        """An endpoint and the bundle of the version behind it, every byte verified; see `Deployer.status`."""
        endpoint = self._known(name).endpoint
        folder = bundles.place(self._folder(name) / BUNDLES, endpoint.current.digest)
        return endpoint, read_bundle(folder, f"python run.py deploy --dataset {name}")

    def predict(self, name: str, row: object) -> dict[str, Any]:
        """The endpoint's answer for one row; see `client.predict`."""
        record = self._known(name)
        return client.predict(Address(_local(record.host), record.port), row)

    def key_command(self) -> str | None:
        """See `Deployer.key_command`; a server on loopback asks for none."""
        return None

    def forward_command(self, name: str, port: int) -> str | None:
        """See `Deployer.forward_command`; it serves here."""
        return None

    def rollback(self, name: str, to: str | None = None) -> Endpoint:
        """See `Deployer.rollback`."""
        folder = self._folder(name)
        self._known(name)
        with _disk(folder), exclusive(folder / LOCK, f"roll {name} back"):
            record = self._known(name)
            return self._serve(folder, record, history.rolling_back(record.endpoint, to))

    def down(self, name: str) -> bool:
        """See `Deployer.down`; the server's log stays."""
        folder = self._folder(name)
        if not folder.is_dir():
            return False
        with _disk(folder), exclusive(folder / LOCK, f"take {name} down"):
            stopped = process.stop(folder)
            known = (folder / RECORD).exists()
            for file in (RECORD, TRAFFIC, *FOLLOWED, process.SERVER):
                (folder / file).unlink(missing_ok=True)
            for tree in (BUNDLES, process.WORKERS):
                shutil.rmtree(folder / tree, ignore_errors=True)
            return stopped or known

    def _serve(self, folder: Path, record: Record | None, change: Change) -> Endpoint:
        """Make the change's versions answer, and record it; whatever fails, what answered before answers on."""
        current, plan, beside = change.current, change.plan, change.beside
        kept = [*change.versions, *beside]
        found = {v.version: read_bundle(bundles.place(folder / BUNDLES, v.digest)) for v in (current, *beside)}
        places = {v.version: (bundles.place(folder / BUNDLES, v.digest), v.digest) for v in kept}
        with switched(folder, plan or TrafficPlan.replace(current.version), places) as generation:
            server = process.running(folder)
            if server is None:
                server = self._start(folder, record)
            else:
                process.reload(server)
            process.wait_for(folder, server, generation)
            client.smoke(Address(_local(self.host), server.port), found)
            endpoint = Endpoint(
                name=folder.name,
                url=f"http://{_local(self.host)}:{server.port}",
                current=current,
                previous=tuple(change.versions[1:]),
                backend=BACKEND,
                stack=self.stack or (record.endpoint.stack if record else ""),
                example=found[current.version].json("serving.json")["example"]["row"],
                beside=beside,
                plan=plan,
            )
            written = Record(endpoint, self.host, server.port, server.pid, server.started, server.workers)
            write_json(folder / RECORD, written.as_json())
        bundles.prune(folder / BUNDLES, [version.digest for version in kept])
        return endpoint

    def _start(self, folder: Path, record: Record | None) -> process.Server:
        process.end_orphans(folder)
        with waiting(self.directory / PORTS_LOCK):
            workers = self.workers or (record.workers if record else 1)
            return process.start(folder, self.host, self._port(folder, record), workers)

    def _port(self, folder: Path, record: Record | None) -> int:
        stack = self.stack or (record.endpoint.stack if record else "")
        command = f"python run.py{f' --stack {stack}' if stack else ''} --dataset {folder.name}"
        return ports.choose(self.host, self.port, record.port if record else None, self._siblings(folder), command)

    def _siblings(self, folder: Path) -> set[int]:
        """Ports of our other endpoints, answering or not: each keeps its own."""
        taken = set()
        for name in self.endpoints():
            with suppress(ProjectError):  # a damaged record of another endpoint is not this one's trouble
                record = read_record(self._folder(name))
                if record is not None and name != folder.name:
                    taken.add(record.port)
        return taken

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):  # what is stopped and deleted there must be an endpoint's
            raise ConfigError(
                f"{name!r} can not name an endpoint: small letters, digits and _ between", "python run.py status"
            )
        return self.directory.resolve() / name

    def _known(self, name: str) -> Record:
        record = read_record(self._folder(name))
        if record is None:
            raise absent(name, self.stack)
        return record


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turn what the disk says into our words."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise ProjectError(f"{where} can not be written: {error.strerror}", "free space there, then again") from error


def _local(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    return EVERYWHERE.get(host, host)
