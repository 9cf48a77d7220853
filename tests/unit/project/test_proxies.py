"""A proxy that the environment names is never asked for an address of this machine."""

from __future__ import annotations

import subprocess
import sys
import urllib.request

import pytest

from project.paths import ROOT
from project.proxies import spare_loopback

ENTRY = """
import runpy, sys, urllib.request
sys.argv = ["run.py", "--help"]
try:
    runpy.run_path("run.py", run_name="__main__")
except SystemExit:
    print(bool(urllib.request.proxy_bypass("127.0.0.1:8000")))
"""


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_what_the_user_spared_stays_spared(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "")  # put back at the end
    monkeypatch.setenv(variable, "intra.example")
    spare_loopback()
    hosts = ("127.0.0.1:8000", "localhost", "intra.example", "models.example")
    assert [bool(urllib.request.proxy_bypass(host)) for host in hosts] == [True, True, True, False]


def test_no_proxy_at_all_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    spare_loopback()
    assert urllib.request.proxy_bypass("models.example")


def test_the_command_does_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    done = subprocess.run([sys.executable, "-c", ENTRY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
