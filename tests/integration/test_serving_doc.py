"""`docs/serving.md` as a reader follows it: its shell blocks one after the other, its Python against a server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from project.paths import ROOT
from tests.served import Served, free_port

DOCUMENT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def blocks(info: str) -> list[str]:
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_the_shell_blocks(tmp_path: Path) -> None:
    for name in ("serving", "models", "client", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "build").mkdir()
    port, grpc_port = free_port(), free_port()
    script = "\n".join(["set -e", *blocks("sh needs=server"), "wait"])
    script = script.replace("--grpc-port 8001", f"--port {port} --grpc-port {grpc_port}").replace(":8000", f":{port}")
    shell = subprocess.Popen(
        ["bash", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, errors = shell.communicate(timeout=60)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, errors.decode()
    decode, found, position = json.JSONDecoder().raw_decode, [], 0
    while position < len(out):
        value, position = decode(out.decode(), position)
        found.append(value)
    health, answer, refusal = found
    assert (health["status"], health["model"]) == ("ready", "heart_disease")
    assert (answer["label"], answer["version"]) == ("disease", health["version"])
    assert refusal["status"] == 422
    assert [each["field"] for each in refusal["errors"]] == ["sx", "age", "sex"]


def test_the_python_block(served: Served) -> None:
    (block,) = blocks("python")
    script = block.replace("http://127.0.0.1:8000", served.url).replace('key="..."', f'key="{served.key}"')
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    probability, violations = done.stdout.splitlines()
    assert 0.5 < float(probability) < 1
    assert "'age'" in violations
