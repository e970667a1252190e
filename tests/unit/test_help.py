"""`atelier --help` and shell completion: what they show, and that they load next to nothing for it."""

import subprocess
import sys
from typing import Any

import pytest
import typer

from producer.commands.main import installed_commands, make_app
from shared.terminal import Panel
from tests.loaded import loaded_by

OWN = {
    "producer",
    "producer.commands",
    "producer.commands.index",
    "producer.commands.main",
    "shared",
    "shared.errors",
    "shared.plain_text",
    "shared.terminal",
    "workers",
    "workers.commands",
    "workers.commands.index",
}
TYPER = {"annotated_doc", "attr", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typer"}
"""Typer, and what it draws help with."""

PARSING = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
"""What Typer parses arguments with, as it does before it completes one."""

ONE_LINE = 58
"""Characters that a terminal of 80 columns has for the help of a command."""

COMPLETION = {"_ATELIER_COMPLETE": "complete_bash", "COMP_WORDS": "atelier re", "COMP_CWORD": "1"}


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_loads_typer_and_the_indexes_alone(arguments: list[str]) -> None:
    loaded = loaded_by(arguments)
    assert loaded.own <= OWN
    assert loaded.others <= TYPER


def test_completion_knows_the_commands_from_the_indexes_alone() -> None:
    loaded = loaded_by([], COMPLETION)
    assert loaded.printed.split() == ["retry", "resume", "reviews", "retrain"]
    assert loaded.own <= OWN
    assert loaded.others <= TYPER | PARSING


def test_help_is_grouped_and_each_command_has_one_line() -> None:
    entries = list(installed_commands())
    assert [panel for panel in Panel if panel in {entry.panel for entry in entries}] == list(Panel)
    for entry in entries:
        assert entry.help.endswith(".")
        assert len(entry.help) <= ONE_LINE, entry.help
    lines = loaded_by(["--help"], {"COLUMNS": "80"}).printed.splitlines()
    titles = [line.strip("╭─╮ ") for line in lines if line.startswith("╭")]
    assert titles == ["Options", *Panel]
    for entry in entries:
        assert any(line.split()[1:2] == [entry.name] and entry.help in line for line in lines), entry


def test_the_module_of_each_entry_has_the_command() -> None:
    root: Any = typer.main.get_command(make_app())  # a click group, which Typer hides
    for entry in installed_commands():
        name, command, rest = root.resolve_command(typer.Context(root), [entry.name, "--help"])
        assert (name, command.name, rest) == (entry.name, entry.name, ["--help"])


def test_a_group_of_two_packages_has_the_commands_of_both() -> None:
    root: Any = typer.main.get_command(make_app())  # a click group, which Typer hides
    _, styles, _ = root.resolve_command(typer.Context(root), ["styles"])
    assert {"list", "add", "preview"} <= styles.commands.keys()


def test_where_the_workers_are_not_installed_their_commands_do_not_exist() -> None:
    without_torch = "import sys; sys.modules['torch'] = None; from producer.commands.main import main; main()"
    answers = [
        subprocess.run([sys.executable, "-c", without_torch, one], capture_output=True, text=True, check=False)
        for one in ("--help", "train")
    ]
    assert " train " not in answers[0].stdout
    assert " submit " in answers[0].stdout
    assert answers[1].returncode == 2
    assert "No such command 'train'" in answers[1].stderr
