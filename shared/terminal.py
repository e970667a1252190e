"""Options and output that all commands share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from io import TextIOWrapper
from typing import Annotated, Self

import typer

from shared.errors import UsageError

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
    """Print a line for people on standard error. Where that cannot be written, nobody is there to be told."""
    with suppress(OSError):
        sys.stderr.write(_plain(text) + "\n")


class Output(TextIOWrapper):
    """Standard output of a command. Characters that its encoding lacks are escaped: names of files may have any.

    Raises UsageError where it cannot be written, as on a full disk, and BrokenPipeError where nobody reads it.
    """

    @classmethod
    def over(cls, stream: TextIOWrapper) -> Self:
        """Return an output to where a stream writes. The stream stays usable: Celery says there that it stops."""
        stream.flush()
        return cls(stream.buffer, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering)

    def write(self, text: str, /) -> int:
        """Write a text."""
        with _translated():
            return super().write(text)

    def flush(self) -> None:
        """Pass on what is not written yet."""
        with _translated():
            super().flush()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"the output cannot be written: {error.strerror}", code="unwritable") from error


def require_utf8() -> None:
    """Begin this process anew in Python's UTF-8 mode where the locale is of another encoding (PEP 540).

    Otherwise names of files and texts of ours could not be read there, as with ``LC_ALL`` set to a Latin one.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])


def prepare_outputs() -> None:
    """Let the outputs of this process write any character, and say in one line where they cannot be written."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = Output.over(sys.stdout)
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def silence_broken_outputs() -> None:
    """Send what an output that cannot be written still holds to nowhere: Python would complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, UsageError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _plain(text: str) -> str:
    """Replace unprintable characters, since names in files may contain control sequences."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
