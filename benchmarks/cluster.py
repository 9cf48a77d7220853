"""What the journey and its endpoint cost on a cluster.

`python -m benchmarks.cluster` writes docs/kubernetes-benchmark.md. It needs the platform (`make platform-up`), the
variables of `make platform-env`, kubectl, docker and wrk. Everything runs in copies of the tree; the
endpoint of the data set is taken down before and after.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving.load import by_wrk
from deployers.kubernetes.target import PORT
from project.images import image_name
from project.paths import ROOT

PAGE = ROOT / "docs" / "kubernetes-benchmark.md"
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "build", ".endpoints", "mlruns", "*.db", "reports", "__pycache__", ".*_cache"
)
EDITED, LINE = "tabular/splitting.py", "    from sklearn.model_selection import train_test_split\n"
SECONDS, CONNECTIONS, ROUNDS = 10, 16, 3
Row = tuple[str, str, str]
"""What, how much, by which command."""


def command(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[float, Any]:
    """Seconds that a command of `run.py` took, and its answer.

    Raises:
        SystemExit: It failed.
    """
    began = time.monotonic()
    words = [sys.executable, "run.py", *arguments, "--json"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"run.py {' '.join(arguments)} failed with {done.returncode}:\n{done.stderr[-3000:]}")
    print(f"  run.py {' '.join(arguments)}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return time.monotonic() - began, json.loads(done.stdout)


def kubectl(*arguments: str) -> Any:
    """What kubectl says, as JSON."""
    words = ["kubectl", "--namespace", "tabular", *arguments, "--output", "json"]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def journeys(folder: Path, environment: Mapping[str, str]) -> Iterator[Row]:
    """The whole journey for the first time, again, and with an edited step."""
    where = ("--stack", "minikube")
    here, _ = command(folder, environment, "--stack", "local", "--port", "18765")
    command(folder, environment, "down", "--stack", "local")
    command(folder, environment, "down", *where)
    first, _ = command(folder, environment, *where, "--no-cache")
    yield "the journey, nothing cached", f"{first:.0f} s", "python run.py --stack minikube --no-cache"
    yield "the same on this machine", f"{here:.0f} s", "python run.py --stack local"
    again, _ = command(folder, environment, *where)
    yield "the journey, nothing changed", f"{again:.1f} s", "python run.py --stack minikube"
    yield from edit(folder, environment)


def edit(folder: Path, environment: Mapping[str, str]) -> Iterator[Row]:
    """From the command to the pod that runs an edited step."""
    path = folder / EDITED
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(LINE, f"    # {time.time()}\n{LINE}"), encoding="utf-8")
    began = time.time()
    words = [sys.executable, "run.py", "train", "--stack", "minikube", "--json"]
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running = None
    while process.poll() is None:
        for pod in kubectl("get", "pods", "--selector", "step_name=split_rows")["items"]:
            for container in pod["status"].get("containerStatuses", []):
                at = (container["state"].get("running") or container["state"].get("terminated") or {}).get("startedAt")
                if at and moment(at) > began:
                    running = running or moment(at)
        time.sleep(0.5)
    path.write_text(before, encoding="utf-8")
    if process.returncode or running is None:
        raise SystemExit("the edited step did not run")
    yield "an edited step, from the command to its pod, no image built", f"{running - began:.0f} s", "run.py train"
    yield "the training run with that step and those after it", f"{time.time() - began:.0f} s", "run.py train"


def moment(text: str) -> float:
    """Seconds since the epoch of a time as Kubernetes writes it."""
    return datetime.fromisoformat(text).timestamp()


def steps(environment: Mapping[str, str]) -> Iterator[Row]:
    """What a step costs that does nothing: two of them, one after the other."""
    words = [sys.executable, "-m", "tests.cluster.two_steps", image_name("steps", registry(environment))]
    began = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr[-2000:])
    whole = f"{time.monotonic() - began:.0f} s"
    yield "a run of two steps that do nothing, the whole command", whole, "python -m tests.cluster.two_steps IMAGE"
    pods = kubectl("get", "pods", "--selector", "pipeline=two-steps")["items"]
    newest = max(pod["metadata"]["labels"]["run_name"] for pod in pods)
    of_steps = ("pods", "--selector", f"run_name={newest},step_name")
    ends = ("--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")  # a step is done before its pod is
    words = ["kubectl", "--namespace", "tabular", "wait", *of_steps, *ends]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    ended = sorted(
        moment(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])
        for pod in kubectl("get", *of_steps)["items"]
    )
    yield "one step more in a row", f"{ended[-1] - ended[0]:.0f} s", "the ends of those two pods"


def deployment(folder: Path, environment: Mapping[str, str]) -> Iterator[Row]:
    """From nothing to ready pods whose image the node has; in a process of its own, as the stack is chosen for one."""
    script = (
        "import json, sys, time\nfrom pathlib import Path\nfrom stacks.selection import use_stack\n"
        "use_stack('minikube')\nfrom deployers import TrafficPlan, active\ndeployer = active()\n"
        "deployer.down('heart_disease')\nbegan = time.monotonic()\n"
        "deployer.deploy(Path('models/heart_disease'), 'bench', TrafficPlan.replace('bench'))\n"
        "print(time.monotonic() - began)"
    )
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    pods = kubectl("get", "pods", "--selector", "tabular-zenml/endpoint=heart-disease")["items"]
    taken = [
        moment(condition["lastTransitionTime"]) - moment(pod["metadata"]["creationTimestamp"])
        for pod in pods
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]
    yield "a version's pod, from made to ready, image on the node", f"{max(taken):.0f} s", "kubectl get pods"
    yield (
        "a first deployment with Seldon, until the public address answers as the bundle says",
        f"{float(done.stdout.split()[-1]):.1f} s",
        "deployer.deploy",
    )


def gateway(environment: Mapping[str, str]) -> Iterator[Row]:
    """Requests per second of one pod that counts no limit, asked through the gateway and at its own address in turn."""
    found = kubectl("get", "seldondeployment", "heart-disease")
    (predictor,) = found["spec"]["predictors"]
    predictor["replicas"] = 1
    (container,) = predictor["componentSpecs"][0]["spec"]["containers"]
    container["args"] += ["--rate", "1000000", "--burst", "1000000"]
    changed = json.dumps({"spec": found["spec"]})
    words = ["kubectl", "--namespace", "tabular", "patch", "seldondeployment", "heart-disease", "--type=merge"]
    subprocess.run([*words, "--patch", changed], check=True, capture_output=True)
    address = address_of_pod_with("--rate")
    secret = kubectl("get", "secret", "tabular-keys")["data"]["key"]
    headers = {"X-API-Key": base64.b64decode(secret).decode(), "Content-Type": "application/json"}
    serving = json.loads((ROOT / "models" / "heart_disease" / "serving.json").read_text(encoding="utf-8"))
    body = json.dumps(serving["example"]["row"]).encode()
    way = f"{environment['MINIKUBE_ENDPOINT_URL']}/seldon/tabular/heart-disease"
    ways = [f"{way}/predict", f"http://{address}:{PORT}/predict"]
    rates = [[by_wrk(url, headers, body, SECONDS, CONNECTIONS) for url in ways] for _ in range(ROUNDS)]
    through, direct = (statistics.median(column) for column in zip(*rates, strict=True))
    how = f"wrk -c{CONNECTIONS} -d{SECONDS}s, the middle of {ROUNDS} in turn"
    yield "requests through the gateway to one pod, a row each, every check on", f"{through:,.0f}/s", how
    yield "the same without the gateway", f"{direct:,.0f}/s", how


def address_of_pod_with(argument: str) -> str:
    """Where the endpoint's pod with an argument is, once it is ready and alone.

    Raises:
        SystemExit: It does not come.
    """
    for _ in range(120):
        pods = kubectl("get", "pods", "--selector", "tabular-zenml/endpoint=heart-disease")["items"]
        statuses = [pod["status"].get("containerStatuses", [{}])[0] for pod in pods]
        if len(pods) == 1 and argument in pods[0]["spec"]["containers"][0]["args"] and statuses[0].get("ready"):
            return str(pods[0]["status"]["podIP"])
        time.sleep(1)
    raise SystemExit(f"no pod with {argument} became ready")


def images(environment: Mapping[str, str]) -> Iterator[Row]:
    """How large the images are."""
    for target in ("steps", "serving", "zenml", "mlflow"):
        words = ["docker", "image", "inspect", "--format", "{{.Size}}", image_name(target, registry(environment))]
        size = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        yield f"image {target}", f"{size / 1e6:.0f} MB", "docker image inspect"


def registry(environment: Mapping[str, str]) -> str:
    """Where images are pulled from."""
    return environment.get("MINIKUBE_REGISTRY", "localhost:5000/tabular")


def main() -> None:
    """Measure everything and write the page."""
    busy, _, _ = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="cluster-") as temporary:
        folder = Path(temporary) / "tree"
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
        environment = {**os.environ, "ZENML_CONFIG_PATH": f"{temporary}/zenml", "ZENML_ANALYTICS_OPT_IN": "false"}
        rows = [*journeys(folder, environment), *steps(environment), *deployment(folder, environment)]
        rows += [*gateway(environment), *images(environment)]
        command(folder, environment, "down", "--stack", "minikube")
    memory = psutil.virtual_memory().total / 2**30
    cpus = len(os.sched_getaffinity(0))
    lines = [f"| {what} | {much} | `{how}` |" for what, much, how in rows]
    PAGE.write_text(
        "# What it costs on a cluster\n\n"
        "Written by `python -m benchmarks.cluster`, each figure of one run.\n"
        f"{cpus} processors, {memory:.0f} GiB, {platform.system()}, shared by cluster and clients; load average\n"
        f"before it began: {busy:.1f}. Where that is above the processors, other work slows all.\n"
        "\n"
        "| what | measured | by |\n|--|--|--|\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
