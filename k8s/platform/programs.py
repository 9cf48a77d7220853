"""Run the programs that people have for this: kubectl, docker, minikube, kind."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from project.errors import ProjectError, Unreachable

LONG = 1800
"""Seconds that a build, a push or the start of a cluster may take."""


def run(
    *command: str, stdin: str | None = None, seconds: float = 60, environment: Mapping[str, str] | None = None
) -> str:
    """What a program says on stdout.

    Raises:
        ProjectError: It is not installed, takes too long or fails; what it said last is told.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ProjectError(f"{command[0]} is not on the path", f"install {command[0]}")
    shown = " ".join(command)[:120]
    try:
        done = subprocess.run(
            [program, *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise ProjectError(
            f"{shown!r} did not end within {seconds:.0f} s", "the same command by hand tells more"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ProjectError(f"{shown!r} failed: {' '.join(last[-3:])[:600]}", "the same command by hand tells more")
    return done.stdout


def works(*command: str, seconds: float = 15) -> bool:
    """Whether a program is there and succeeds."""
    try:
        run(*command, seconds=seconds)
    except ProjectError:
        return False
    return True


def kubectl(*arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
    """What kubectl says.

    Raises:
        ProjectError: As `run`.
    """
    return run("kubectl", *arguments, stdin=stdin, seconds=seconds)


def found(kind: str, name: str, namespace: str = "default") -> dict[str, Any] | None:
    """An object of the cluster, or nothing if there is none."""
    text = kubectl("get", kind, name, "--namespace", namespace, "--ignore-not-found", "--output", "json")
    return dict(json.loads(text)) if text.strip() else None


def apply(*objects: Mapping[str, Any]) -> None:
    """Server-side, from stdin: a value is never part of a command line or a file."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("apply", "--server-side", "--field-manager", "tabular-platform", "--filename", "-", stdin=content)


def cluster_answers() -> bool:
    """Whether the API server of the current context says that it is ready."""
    return works("kubectl", "get", "--raw", "/readyz", "--request-timeout=5s")


def refuse_no_cluster() -> None:
    """Ask the API server of the current context whether it is ready.

    Raises:
        Unreachable: No context, or no answer.
    """
    if not cluster_answers():
        raise Unreachable("no Kubernetes cluster answers", "make cluster-up, or export KUBECONFIG=… of one that runs")


def listed(kind: str, *options: str) -> list[dict[str, Any]]:
    """Objects of a kind."""
    return list(json.loads(kubectl("get", kind, "--output", "json", *options))["items"])
