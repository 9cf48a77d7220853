"""Whether the server stays what it is: memory and open files over minutes at half of what it can take.

    .venv/bin/python benchmarks/soak.py [--minutes 10] [--workers 1]

Finds out how many single-row requests a second it answers, asks it for half of that with wrk, and prints what it held
after the first tenth of the time and at the end. The exit code is 1 if it grew by 5 MB, left files open or failed a
request.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.served import HOST, Served, served

MOST_GROWTH = 5e6
DELAY_MS = 20
"""Between an answer and the next request of a connection: so many connections make the rate that is wanted."""
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{body}]]
function delay() return {delay} end
"""


@dataclass(frozen=True)
class Soaked:
    """What was found; memory in bytes, rates in requests per second."""

    minutes: float
    saturation: float
    rate: float
    requests: int
    failed: int
    memory: tuple[int, int]
    descriptors: tuple[int, int]

    @property
    def passed(self) -> bool:
        """Whether it stayed what it was."""
        (before, after), (opened, left) = self.memory, self.descriptors
        return after - before < MOST_GROWTH and left <= opened and not self.failed


def soak(server: Served, minutes: float) -> Soaked:
    """Ask a server for half of what it can take."""
    saturation, *_ = _finished(_wrk(server, 3, 16, delay=0))
    connections = max(round(0.5 * saturation * DELAY_MS / 1000), 1)
    running = _wrk(server, round(60 * minutes), connections, DELAY_MS)
    time.sleep(6 * minutes)
    memory, descriptors = server.memory(), server.descriptors()
    while running.poll() is None:
        time.sleep(0.2)
        if running.poll() is None:
            last = server.memory(), server.descriptors()
    rate, requests, failed = _finished(running)
    return Soaked(minutes, saturation, rate, requests, failed, (memory, last[0]), (descriptors, last[1]))


def _wrk(server: Served, seconds: int, connections: int, delay: int) -> subprocess.Popen[str]:
    row = json.loads((server.bundles["1"] / "serving.json").read_bytes())["example"]["row"]
    script = server.folder / f"delay-{delay}.lua"
    script.write_text(SCRIPT.format(body=json.dumps(row), delay=delay))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    return subprocess.Popen([*command, f"http://{HOST}:{server.port}/predict"], stdout=subprocess.PIPE, text=True)


def _finished(wrk: subprocess.Popen[str]) -> tuple[float, int, int]:
    """Rate, requests and failures of a run that is over."""
    said, _ = wrk.communicate()
    rate, requests = re.search(r"Requests/sec: +([\d.]+)", said), re.search(r"(\d+) requests in", said)
    if rate is None or requests is None:
        raise SystemExit(f"wrk said: {said}")
    refused, broken = re.search(r"Non-2xx or 3xx responses: (\d+)", said), re.search(r"Socket errors: (.+)", said)
    failed = int(refused[1]) if refused else 0
    failed += sum(map(int, re.findall(r"\d+", broken[1]))) if broken else 0
    return float(rate[1]), int(requests[1]), failed


def main() -> int:
    """Soak a server of the reference bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), workers=options.workers) as server:
        found = soak(server, options.minutes)
    print(json.dumps({**asdict(found), "passed": found.passed}, indent=1))
    return 0 if found.passed else 1


if __name__ == "__main__":
    sys.exit(main())
