"""The local deployer: one supervised server per endpoint, a traffic file, a record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployers.interface import Endpoint, Status, Version
from deployers.local import bundles, client, ports, process
from deployers.local.lock import exclusive, waiting
from deployers.record import RECORD, Record, now, prepared, read_record, write_json
from deployers.traffic import Mode, TrafficPlan
from project.errors import ConfigError, ProjectError, Refused, Unreachable
from project.paths import ENDPOINTS, NAME
from tabular.bundle import Bundle, read_bundle, read_manifest

TRAFFIC, RESTORE, BUNDLES, LOCK, PORTS_LOCK = "traffic.json", "traffic.restore.json", "bundles", "lock", ".ports.lock"
KEPT = 3
"""Bundles an endpoint keeps: the one that serves and two to go back to."""
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
    """

    directory: Path = ENDPOINTS
    port: int = 8000
    host: str = "127.0.0.1"
    stack: str = ""

    def check(self, name: str) -> None:
        """See `Deployer.check`; a port is all that can be missing."""
        folder = self._folder(name)
        if process.running(folder) is None:
            process.end_orphans(folder)
            self._port(folder, read_record(folder))

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        """See `Deployer.deploy`; renders the mode `replace`."""
        if plan.mode is not Mode.REPLACE:
            raise ConfigError(f"the local deployer renders the traffic mode 'replace', not {plan.mode.value!r}")
        if version not in plan.weights:
            raise ConfigError(f"the traffic plan names {', '.join(plan.weights)}, not the version {version} it is for")
        folder = self._folder(str(read_manifest(bundle)["name"]))
        with _disk(folder), exclusive(folder / LOCK, f"deploy {folder.name}"):
            record = read_record(folder)
            installed = bundles.install(bundle, folder / BUNDLES)
            new = Version(version, installed.digest, now())
            previous: tuple[Version, ...] = ()
            if record is not None:
                current = record.endpoint.current
                if (current.version, current.digest) == (new.version, new.digest):
                    new = current
                previous = tuple(v for v in (current, *record.endpoint.previous) if v.version != version)
            return self._serve(folder, record, [new, *previous][:KEPT])

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
        ready, answer = client.health(_local(record.host), record.port)
        workers = tuple(sorted(int(answer["pid"]) for answer in process.acknowledgements(folder)))
        detail = "" if ready else str(answer.get("detail"))
        return Status(record.endpoint, ready, detail, answer.get("version"), workers)

    def bundle(self, name: str) -> tuple[Endpoint, Bundle]:
        """An endpoint and the bundle of the version behind it, every byte verified; see `Deployer.status`."""
        endpoint = self._known(name).endpoint
        return endpoint, read_bundle(bundles.place(self._folder(name) / BUNDLES, endpoint.current.digest))

    def predict(self, name: str, row: object) -> dict[str, Any]:
        """The endpoint's answer for one row; see `client.predict`."""
        record = self._known(name)
        return client.predict(_local(record.host), record.port, row)

    def rollback(self, name: str, to: str | None = None) -> Endpoint:
        """See `Deployer.rollback`."""
        folder = self._folder(name)
        self._known(name)
        with _disk(folder), exclusive(folder / LOCK, f"roll {name} back"):
            record = self._known(name)
            current, previous = record.endpoint.current, record.endpoint.previous
            target = record.endpoint.target if to is None else next((v for v in previous if v.version == to), None)
            if target is None:
                kept = ", ".join(v.version for v in previous) or "none"
                what = "no earlier version" if to is None else f"version {to} is not kept"
                raise Refused(f"{name} serves version {current.version}: {what}; kept: {kept}", "python run.py status")
            others = [v for v in previous if v is not target]
            again = replace(target, withdrawn=False, deployed_at=now())
            # What is left for a version that was itself withdrawn was a detour, and stays a place to go back to.
            left = replace(current, withdrawn=not target.withdrawn)
            return self._serve(folder, record, [again, left, *others])

    def down(self, name: str) -> bool:
        """See `Deployer.down`; the server's log stays."""
        folder = self._folder(name)
        if not folder.is_dir():
            return False
        with _disk(folder), exclusive(folder / LOCK, f"take {name} down"):
            stopped = process.stop(folder)
            known = (folder / RECORD).exists()
            for file in (RECORD, TRAFFIC, process.SERVER):
                (folder / file).unlink(missing_ok=True)
            for tree in (BUNDLES, process.WORKERS):
                shutil.rmtree(folder / tree, ignore_errors=True)
            return stopped or known

    def _serve(self, folder: Path, record: Record | None, versions: Sequence[Version]) -> Endpoint:
        """Make the first of `versions` answer and record it; whatever fails, what answered before answers on."""
        current = versions[0]
        bundle = read_bundle(bundles.place(folder / BUNDLES, current.digest))
        with self._switched(folder, TrafficPlan.replace(current.version), versions) as generation:
            server = process.running(folder)
            if server is None:
                server = self._start(folder, record)
            else:
                process.reload(server)
            process.wait_for(folder, server, generation)
            client.smoke(_local(self.host), server.port, bundle, current.version)
            endpoint = Endpoint(
                name=folder.name,
                url=f"http://{_local(self.host)}:{server.port}",
                current=current,
                previous=tuple(versions[1:]),
                backend=BACKEND,
                stack=self.stack or (record.endpoint.stack if record else ""),
                example=bundle.json("serving.json")["example"]["row"],
            )
            found = Record(endpoint, self.host, server.port, server.pid, server.started)
            write_json(folder / RECORD, found.as_json())
        bundles.prune(folder / BUNDLES, [version.digest for version in versions])
        return endpoint

    @contextmanager
    def _switched(self, folder: Path, plan: TrafficPlan, versions: Sequence[Version]) -> Iterator[int]:
        """Put a traffic file in place for the block; if the block fails, the one before comes back.

        The file that undoes the change is written first, so that a full disk can not keep us from going back.
        """
        located = {
            v.version: {"path": str(bundles.place(folder / BUNDLES, v.digest)), "digest": v.digest} for v in versions
        }
        before = _traffic(folder)
        generation = (before["generation"] if before else 0) + 1
        change = prepared(folder / TRAFFIC, {"generation": generation, "plan": plan.as_json(), "bundles": located})
        with ExitStack() as cleanup:
            cleanup.callback(change.unlink, missing_ok=True)
            undo = prepared(folder / RESTORE, {**before, "generation": generation + 1}) if before else None
            if undo is not None:
                cleanup.callback(undo.unlink, missing_ok=True)
            change.replace(folder / TRAFFIC)
            try:
                yield generation
            except BaseException:
                self._undo(folder, undo, generation + 1)
                raise

    def _undo(self, folder: Path, undo: Path | None, generation: int) -> None:
        if undo is None:
            process.stop(folder)
            (folder / TRAFFIC).unlink(missing_ok=True)
            return
        undo.replace(folder / TRAFFIC)
        server = process.running(folder)
        if server is not None:
            process.reload(server)
            with suppress(ProjectError):  # the failure that brought us here is the one to report
                process.wait_for(folder, server, generation)

    def _start(self, folder: Path, record: Record | None) -> process.Server:
        process.end_orphans(folder)
        with waiting(self.directory / PORTS_LOCK):
            return process.start(folder, self.host, self._port(folder, record))

    def _port(self, folder: Path, record: Record | None) -> int:
        return ports.choose(self.host, self.port, record.port if record else None, self._siblings(folder))

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
            raise ConfigError(f"{name!r} can not name an endpoint: small letters, digits and _", "python run.py status")
        return self.directory.resolve() / name

    def _known(self, name: str) -> Record:
        record = read_record(self._folder(name))
        if record is None:
            raise Unreachable(f"there is no endpoint {name!r}", f"python run.py deploy --dataset {name}")
        return record


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turn what the disk says into our words."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise ProjectError(f"{where} can not be written: {error.strerror}", "free space there, then again") from error


def _traffic(folder: Path) -> dict[str, Any] | None:
    """The traffic file as it stands, or None if nothing can be put back from it."""
    try:
        value = json.loads((folder / TRAFFIC).read_bytes())
        return {**value, "generation": int(value["generation"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _local(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    return EVERYWHERE.get(host, host)
