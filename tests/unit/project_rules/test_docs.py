"""Every command in a document runs here, or its block says what it needs: ```` ```sh needs=cluster ````."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from dvc.cli.parser import get_main_parser

from cli.main import cli
from project.paths import ROOT
from tests.conftest import NEEDS

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(
    r"^(?:\$ |make |python |\.venv/bin/|git |zenml |mlflow |docker |kubectl |terraform )", re.MULTILINE
)
KNOWN_NEEDS = {*NEEDS, "journey", "server", "cloud", "notebook"}
"""`journey`: the endpoint and stores that `make run` leaves behind; `server`: what `test_serving_doc.py` sets up.

`notebook`: a Jupyter kernel."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a document."""

    path: Path
    info: str
    body: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.body.splitlines()[0] if self.body else ''}"


def blocks() -> list[Block]:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("docs/**/*.md")]
    return [
        Block(path, match["info"].strip(), match["body"])
        for path in sorted(documents)
        for match in FENCE.finditer(path.read_text(encoding="utf-8"))
    ]


def commands() -> list[str]:
    """The lines of `sh` blocks that need nothing, without comments."""
    lines = (line for block in blocks() if block.info == "sh" for line in block.body.replace("\\\n", " ").splitlines())
    return sorted({line for text in lines if (line := text.partition("#")[0].strip())})


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    language, _, rest = block.info.partition(" ")
    if language == "sh":
        assert not rest or set(rest.removeprefix("needs=").split(",")) <= KNOWN_NEEDS
    else:
        assert language, "name its language; `text` for output"
        assert language == "text" or not COMMAND.search(block.body), "a block of commands is `sh`"


@pytest.mark.parametrize("command", commands())
def test_a_command_that_needs_nothing_runs(command: str) -> None:
    words = shlex.split(command)
    match words:
        case ["make", *rest]:
            subprocess.run(["make", "--dry-run", *rest], cwd=ROOT, check=True, capture_output=True)
        case ["python" | ".venv/bin/python", "run.py", *rest]:
            done = CliRunner().invoke(cli, [*rest, "--help"])
            assert done.exit_code == 0, done.output
        case [".venv/bin/python", "-m", module, *_]:
            assert find_spec(module), module
        case ["python" | ".venv/bin/python", script, *_] if script.endswith(".py"):
            assert (ROOT / script).is_file()
        case ["dvc", *rest]:
            assert get_main_parser().parse_args(rest).func
        case ["python" | ".venv/bin/python", "-m", module, *_]:
            assert find_spec(module)
        case _:
            pytest.fail(f"say what {words[0]} needs: ```sh needs=...")
