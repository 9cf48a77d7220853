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

from k8s.platform import cluster, credentials, images, manifests, object_store, servers
from k8s.platform.programs import refuse_no_cluster
from k8s.platform.settings import MODELS, SERVERS, Overlay, Settings, architecture, settings
from project.errors import Exit, ProjectError, Unreachable
from project.paths import ROOT

overlay_option = click.option(
    "--overlay", type=click.Choice(["minikube", "eks"]), default="minikube", show_default=True, help="Which manifests."
)


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
@overlay_option
def up(overlay: Overlay) -> None:
    """Put the servers into the cluster; twice is as good as once."""
    refuse_no_cluster()
    _part("needed", manifests.refuse_missing)
    chosen, nodes = settings(overlay), architecture()
    for target in images.TARGETS:
        _part(f"image {target}", partial(images.provide, target, chosen.registry, chosen.context, nodes))
    _part("namespaces", manifests.put_namespaces)
    _part("secrets", partial(credentials.provide_all, chosen.in_cluster))
    _part("objects", partial(manifests.put, chosen))
    _part("gateway", manifests.admit_gateway)
    for server in (*(["s3"] if chosen.in_cluster else []), "zenml", "mlflow"):
        _part(server, partial(manifests.wait_for, server))
    if chosen.in_cluster:
        _part("bucket", partial(object_store.provide_bucket, chosen))
    _part("account", partial(servers.provide_account, chosen))
    _examine(chosen)
    overlaid = "" if chosen.in_cluster else f" OVERLAY={overlay}"
    click.echo(f'next: eval "$(make -s platform-env{overlaid})" && python run.py stack apply {overlay}')


@platform.command()
def down() -> None:
    """Delete the servers with all they stored, and the models that run beside them."""
    refuse_no_cluster()
    _part(f"{MODELS}, {SERVERS}", manifests.remove)


@platform.command()
@overlay_option
def env(overlay: Overlay) -> None:
    """Print the variables of the stack's file that the cluster knows; they hold passwords."""
    refuse_no_cluster()
    for name, value in variables(settings(overlay)).items():
        click.echo(f"export {name}={shlex.quote(value)}")


def variables(chosen: Settings) -> dict[str, str]:
    """What the stack's file asks for, by the names it uses.

    Raises:
        ProjectError: The cluster has no platform.
    """
    mlflow = credentials.known("mlflow")
    found = {
        "ZENML_API_KEY": credentials.known(servers.CLIENT)["key"],
        "MLFLOW_USERNAME": mlflow["MLFLOW_AUTH_ADMIN_USERNAME"],
        "MLFLOW_PASSWORD": mlflow["MLFLOW_AUTH_ADMIN_PASSWORD"],
    }
    if chosen.in_cluster:
        s3 = credentials.known(credentials.S3_KEY)
        found |= {
            "CONTEXT": chosen.context,
            "REGISTRY": chosen.registry,
            "BUCKET": chosen.bucket,
            "REGION": chosen.region,
            "ZENML_URL": chosen.urls["zenml"],
            "MLFLOW_URL": chosen.urls["mlflow"],
            "ENDPOINT_URL": chosen.urls["gateway"],
            "S3_URL": chosen.urls["s3"],
            "S3_KEY": s3["AWS_ACCESS_KEY_ID"],
            "S3_SECRET": s3["AWS_SECRET_ACCESS_KEY"],
        }
    return {f"{chosen.overlay.upper()}_{name}": value for name, value in found.items()}


def _examine(chosen: Settings) -> None:
    """Let the stack's doctor try all parts; servers that just began may keep the first one waiting.

    Raises:
        Unreachable: A part does not work, three times.
    """
    doctor = [sys.executable, "run.py", "stack", "doctor", chosen.overlay]
    environment = {**os.environ, **variables(chosen)}
    for _ in range(3):
        done = subprocess.run(doctor, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            click.echo(done.stdout, nl=False)
            return
        if done.returncode != Exit.UNREACHABLE:
            break
    click.echo(done.stdout + done.stderr, nl=False)
    raise Unreachable("a part of the platform does not work", f"python run.py stack doctor {chosen.overlay}")


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
        return int(Exit.INTERRUPTED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
