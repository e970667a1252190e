"""Options and output that all commands share."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

STYLES_HELP = "The styles that merchants may use, and new ones."
"""Help of the group ``styles``, whose commands come from two packages, as do those of ``models``."""

MODELS_HELP = "Model versions: compare, promote, roll back."


class Panel(StrEnum):
    """Groups of commands in `atelier --help`, in the order of the producer's index."""

    WORK = "Work"
    CATALOGUE = "Catalogue"
    MODELS = "Models"
    ADMINISTRATION = "Administration"
    RUNNING = "Running it"


@dataclass(frozen=True)
class CommandEntry:
    """A line of `atelier --help`, and the module whose ``register`` adds that command or group of commands."""

    name: str
    help: str
    panel: Panel
    module: str


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """Return a group of commands, and create it if it is missing: several packages may add to one."""
    for known in app.registered_groups:
        if known.name == name and known.typer_instance is not None:
            return known.typer_instance
    made = typer.Typer(help=about, no_args_is_help=True)
    app.add_typer(made, name=name)
    return made


def print_json(document: object) -> None:
    """Print a document on standard output, in ASCII, since a path may contain what no terminal's encoding has."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def print_line(text: str) -> None:
    """Print a line of data on standard output."""
    sys.stdout.write(_plain(text) + "\n")


def note(text: str) -> None:
    """Print a line for people on standard error."""
    sys.stderr.write(_plain(text) + "\n")


def _plain(text: str) -> str:
    """Replace unprintable characters, since names in files may contain control sequences."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
