"""`python -m k8s.platform`: what `make cluster-up`, `platform-up`, `platform-down` and `platform-env` run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import click

from k8s.platform import cluster, credentials, images, manifests, servers
from k8s.platform.programs import refuse_no_cluster
from k8s.platform.settings import MODELS, SERVERS, Settings, settings
from project.errors import ProjectError
from project.paths import ROOT


@click.group()
def platform() -> None:
    """The servers that stacks/minikube.yaml needs, in the cluster of the current context."""


@platform.command("cluster-up")
def cluster_up() -> None:
    """Find a cluster or start one: KUBECONFIG, the command in CLUSTER_UP, minikube, kind.

    What it prints on stdout is for the shell to evaluate.
    """
    click.echo(cluster.choose(), err=True)
    if "KUBECONFIG" in os.environ:
        click.echo(f"export KUBECONFIG={shlex.quote(os.environ['KUBECONFIG'])}")


@platform.command()
def up() -> None:
    """Put the servers into the cluster; twice is as good as once."""
    refuse_no_cluster()
    _part("needed", manifests.refuse_missing)
    chosen = settings()
    for target in images.TARGETS:
        _part(f"image {target}", partial(images.provide, target, chosen.registry, chosen.context))
    _part("namespaces", manifests.put_namespaces)
    _part("secrets", credentials.provide_all)
    _part("objects", partial(manifests.put, chosen))
    for server in ("s3", "zenml", "mlflow"):
        _part(server, partial(manifests.wait_for, server))
    _part("bucket", partial(servers.provide_bucket, chosen))
    _part("account", partial(servers.provide_account, chosen))
    doctor = [sys.executable, "run.py", "stack", "doctor", "minikube"]
    done = subprocess.run(doctor, cwd=ROOT, env={**os.environ, **variables(chosen)}, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    click.echo('next: eval "$(make -s platform-env)" && python run.py stack apply minikube')


@platform.command()
def down() -> None:
    """Delete the servers with all they stored, and the models that run beside them."""
    refuse_no_cluster()
    _part(f"{MODELS}, {SERVERS}", manifests.remove)


@platform.command()
def env() -> None:
    """Print the variables of stacks/minikube.yaml; they hold passwords."""
    refuse_no_cluster()
    for name, value in variables(settings()).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def variables(chosen: Settings) -> dict[str, str]:
    """What stacks/minikube.yaml asks for, by the names it uses.

    Raises:
        ProjectError: The cluster has no platform.
    """
    mlflow, s3 = credentials.known("mlflow"), credentials.known("tabular-s3", MODELS)
    return {
        "MINIKUBE_CONTEXT": chosen.context,
        "MINIKUBE_REGISTRY": chosen.registry,
        "MINIKUBE_BUCKET": chosen.bucket,
        "MINIKUBE_REGION": chosen.region,
        "MINIKUBE_ZENML_URL": chosen.url("zenml"),
        "MINIKUBE_ZENML_API_KEY": credentials.known(servers.CLIENT)["key"],
        "MINIKUBE_MLFLOW_URL": chosen.url("mlflow"),
        "MINIKUBE_MLFLOW_USERNAME": mlflow["MLFLOW_AUTH_ADMIN_USERNAME"],
        "MINIKUBE_MLFLOW_PASSWORD": mlflow["MLFLOW_AUTH_ADMIN_PASSWORD"],
        "MINIKUBE_S3_URL": chosen.url("s3"),
        "MINIKUBE_S3_KEY": s3["AWS_ACCESS_KEY_ID"],
        "MINIKUBE_S3_SECRET": s3["AWS_SECRET_ACCESS_KEY"],
        "MINIKUBE_ENDPOINT_URL": chosen.url("gateway"),
    }


def _part(name: str, work: Callable[[], str]) -> None:
    """Do one part and say how long it took."""
    begun = time.monotonic()
    if sys.stderr.isatty():
        click.echo(f"  … {name}\r", nl=False, err=True)
    said = work()
    click.echo(f"  ✓ {name:<28}{time.monotonic() - begun:6.1f} s  {said}")


def main() -> int:
    """Run a command; a failure says what to do next and has an exit code of `project.errors`."""
    try:
        platform.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ProjectError as error:
        click.echo(f"error: {error.cause}\n  next: {error.next_step}", err=True)
        return int(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; make platform-up goes on where it was", err=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
