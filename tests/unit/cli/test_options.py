"""Options before a command's name count as after it, or are refused."""

from __future__ import annotations

from typing import Any

import click
import pytest

from cli.data import validate
from cli.deploy import deploy
from cli.endpoint import down, status
from cli.main import cli, main
from cli.stack import doctor
from cli.train import train
from project.errors import Exit
from tests.unit.cli.test_help import commands


@pytest.mark.parametrize(
    ("arguments", "command", "taken"),
    [
        (["train"], train, {"quick": True, "jobs": 1, "no_cache": False, "dataset": "heart_disease", "stack": None}),
        (["--full", "--jobs", "3", "train"], train, {"quick": False, "jobs": 3}),
        (
            ["--full", "--stack", "eks", "train", "--quick", "--stack", "local"],
            train,
            {"quick": True, "stack": "local"},
        ),
        (["--no-cache", "--debug", "train"], train, {"no_cache": True, "debug": True}),
        (["--port", "9000", "deploy"], deploy, {"port": 9000}),
        (["--json", "--stack", "eks", "status"], status, {"as_json": True, "stack": "eks", "dataset": None}),
        (["--debug", "status"], status, {}),
        (["--dataset", "penguins", "down"], down, {"dataset": "penguins", "every": False}),
        (["--json", "--dataset", "penguins", "data", "validate"], validate, {"as_json": True, "dataset": "penguins"}),
        (["--stack", "eks", "stack", "doctor"], doctor, {"name": None, "stack": "eks"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_takes_its_own_options_from_before_its_name(
    arguments: list[str], command: click.Command, taken: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(command, "callback", given.update)
    assert main(arguments) == Exit.DONE
    assert {name: given[name] for name in taken} == taken


@pytest.mark.parametrize(
    ("arguments", "option", "command"),
    [
        (["--port", "9000", "status"], "--port", "status"),
        (["--full", "down"], "--quick/--full", "down"),
        (["--quick", "data", "validate"], "--quick/--full", "data validate"),
        (["--stack", "local", "stack", "apply", "eks"], "--stack", "stack apply"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_the_command_does_not_have_is_refused(
    arguments: list[str], option: str, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == Exit.USAGE
    said = capfd.readouterr()
    assert (said.out, said.err) == (
        "",
        f"error: run.py {command} has no {option}\nnext:  python run.py {command} --help\n",
    )


def test_a_name_is_one_option_everywhere() -> None:
    before = {parameter.name: parameter.opts for parameter in cli.params}
    other = [
        (name, parameter.opts)
        for name, command in commands()
        for parameter in command.params
        if parameter.opts != before.get(parameter.name, parameter.opts)
    ]
    assert other == []
