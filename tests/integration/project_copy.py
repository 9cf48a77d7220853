"""A copy of the project with stores and ports of its own, to run the command in as a user would."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from deployers.local import LocalDeployer
from project.paths import ROOT
from tests.integration.forked import Forks, Mounts
from tests.served import free_port

if TYPE_CHECKING:
    from zenml.client import Client

LEFT_OUT = (
    ".git",
    ".venv",
    "build",
    ".endpoints",
    ".*_cache",
    "mlruns",
    "mlflow.db*",
    "reports",
    "tests",
    "benchmarks",
    "docs",
)
PATIENCE = 300
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Project:
    """A project tree of its own, with its own ZenML store, MLflow database and endpoint."""

    root: Path
    zenml: Path
    port: int
    forks: Forks | None = None
    """Runs its commands without importing the libraries anew; without it each is a process of its own."""

    @classmethod
    def copy(cls, folder: Path, forks: Forks | None = None) -> Project:
        """Copy this tree, without what runs have left in it."""
        root = folder / "project"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (folder / "tmp").mkdir()
        return cls(root, folder / "zenml", free_port(), forks)

    @property
    def url(self) -> str:
        """Where its endpoint answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Of its commands: ours without anything that names another store."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ZENML_", "MLFLOW_", "MINIKUBE_", "EKS_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules start the second command sooner
        return {**kept, "ZENML_CONFIG_PATH": str(self.zenml), "TMPDIR": str(self.root.parent / "tmp")}

    def run(self, *arguments: str, mounts: Mounts = ()) -> Done:
        """Run `run.py` to its end; `mounts` prepare disks that this run alone sees."""
        if self.forks:
            return self.start(*arguments, mounts=mounts)()
        assert not mounts
        command = [sys.executable, "run.py", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def journey(self, *arguments: str, mounts: Mounts = ()) -> Done:
        """Run the whole journey, answering with JSON."""
        return self.run("--stack", "local", "--port", str(self.port), "--json", *arguments, mounts=mounts)

    def start(self, *arguments: str, mounts: Mounts = ()) -> Callable[[], Done]:
        """Start `run.py`; call the answer to wait for its end."""
        assert self.forks is not None
        out, err = (Path(tempfile.mkstemp(dir=self.root.parent)[1]) for _ in range(2))
        with out.open("w") as stdout, err.open("w") as stderr:
            command = self.forks.start(self.root, self.environment, arguments, stdout.fileno(), stderr.fileno(), mounts)

        def wait() -> Done:
            return Done(["run.py", *arguments], command.wait(), out.read_text(), err.read_text())

        return wait

    def interrupted(self, step: str, *arguments: str) -> tuple[int, str]:
        """Run the journey on a terminal and press Ctrl-C when `step` has started; exit code and what was shown."""
        assert self.forks is not None
        ours, theirs = os.openpty()
        words = ["--stack", "local", "--port", str(self.port), *arguments]
        command = self.forks.start(self.root, self.environment, words, theirs, theirs)
        os.close(theirs)
        shown, pressed = "", False
        for text in _read(ours):
            shown += text
            if not pressed and f"… {step}" in shown:
                os.killpg(command.pid, signal.SIGINT)  # as a terminal does: every process of the group gets it
                pressed = True
        os.close(ours)
        assert pressed, shown
        return command.wait(), shown

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the only occurrence of a text in one of its files."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def restored(self, *files: str) -> Iterator[None]:
        """What the block makes of these files is undone at its end, so that the next test finds them as shipped."""
        before = {self.root / file: (self.root / file).read_bytes() for file in files}
        try:
            yield
        finally:
            for path, content in before.items():
                path.write_bytes(content)

    def ask(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What its endpoint predicts for one row."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/predict", json.dumps(row), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.load(response)
        assert response.status == http.HTTPStatus.OK, answer
        connection.close()
        return answer

    def status(self) -> dict[str, Any]:
        """What `run.py status` says of its only endpoint."""
        done = self.run("status", "--json")
        (endpoint,) = json.loads(done.stdout)["endpoints"]
        assert isinstance(endpoint["version"], str)
        return {**endpoint, "exit_code": done.returncode}

    def processes(self) -> list[psutil.Process]:
        """Every process that works in its tree."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.root) or str(self.root) in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def close(self) -> None:
        """Stop what it serves."""
        deployer = LocalDeployer(self.root / ".endpoints")
        for name in deployer.endpoints():
            deployer.down(name)


@dataclass(slots=True)
class Load:
    """Requests that are posted one after the other while the block runs, and what came back."""

    versions: list[str] = field(default_factory=list)
    """The version of every answer, in order."""
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(project: Project, row: Mapping[str, Any], most: int = 100_000) -> Iterator[Load]:
    """Post `row` at the project's endpoint until the block ends, at most `most` times, a new connection each time."""
    found, ended = Load(), threading.Event()

    def post() -> None:
        while not ended.is_set() and len(found.versions) < most:
            try:
                found.versions.append(project.ask(row)["version"])
            except (AssertionError, OSError, http.client.HTTPException) as error:
                found.failures.append(repr(error))
            ended.wait(0.01)  # leaves the processor to the run that is under test

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


@contextmanager
def zenml_of(project: Project) -> Iterator[Client]:
    """A ZenML client of the project's store in this process, which forgets it afterwards."""
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration
    from zenml.utils import source_utils

    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(project.environment, ZENML_ANALYTICS_OPT_IN="false")
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    source_utils.set_custom_source_root(str(ROOT))
    try:
        yield Client()
    finally:
        source_utils.set_custom_source_root(None)
        os.environ.clear()
        os.environ.update(before)
        GlobalConfiguration._reset_instance()
        Client._reset_instance()


def steps_of_last_run(client: Client, pipeline: str) -> dict[str, str]:
    """Status of each step of a pipeline's newest run, as the dashboard shows it."""
    (run, *_) = client.list_pipeline_runs(pipeline=pipeline, sort_by="desc:created", size=1)
    return {name: step.status.value for name, step in run.steps.items()}


def refusal(done: Done) -> dict[str, Any]:
    """What a failed command says with `--json`: one line for people, one document for programs, no traceback."""
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert set(said) == {"error", "next", "exit_code"}
    assert said["exit_code"] == done.returncode != 0
    assert "\n" not in said["error"]
    assert said["next"]
    assert f"error: {said['error']}" in done.stderr
    return said


def _read(terminal: int) -> Iterator[str]:
    """What appears on a terminal until its last writer has gone."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux says EIO when nobody can write any more
            return
        yield chunk.decode(errors="replace")
