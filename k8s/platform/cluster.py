"""Find a cluster, or start one with what this machine has."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

from k8s.platform.programs import LONG, cluster_answers, kubectl, run
from project.errors import ConfigError, ProjectError


def choose() -> str:
    """The first of: the cluster that answers already, the command in CLUSTER_UP, minikube, kind.

    Returns:
        What was found or started; `KUBECONFIG` of this process names it.

    Raises:
        ConfigError: There is nothing to start one with.
        ProjectError: What was started does not answer.
    """
    if cluster_answers():
        return f"{kubectl('config', 'current-context').strip()} answers"
    if command := os.environ.get("CLUSTER_UP"):
        return _by_command(command)
    if shutil.which("minikube"):
        run("minikube", "start", "--cpus", "4", "--memory", "8g", "--addons", "registry,metrics-server", seconds=LONG)
        return "minikube started"
    if shutil.which("kind"):
        run("kind", "create", "cluster", seconds=LONG)
        return "kind started"
    raise ConfigError(
        "no Kubernetes cluster answers, and neither minikube nor kind is on the path",
        "install one of them, export KUBECONFIG=… of a cluster that runs, or CLUSTER_UP=… of a command that starts one",
    )


def _by_command(command: str) -> str:
    """Run a command of the user's; an `export KUBECONFIG=…` that it prints counts from here on."""
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S602  it is theirs
    sys.stderr.write(done.stdout)
    for line in done.stdout.splitlines():
        if line.startswith("export KUBECONFIG="):
            os.environ["KUBECONFIG"] = shlex.split(line)[1].partition("=")[2]
    if done.returncode != 0 or not cluster_answers():
        raise ProjectError(f"no cluster answers after {command!r} (exit {done.returncode})", "look at what it printed")
    return f"{command} started it"
