"""The ``atelier`` command. Each package registers its own commands through an entry-point group."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from shared.errors import AtelierError, exit_code

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

STYLES_HELP = "The styles that merchants may use, and new ones."
"""Of the group ``styles``, whose commands come from two packages; so do those of ``models``."""

MODELS_HELP = "Model versions: compare, promote, roll back."

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def make_app() -> typer.Typer:
    """Build the command from whichever packages are installed here."""
    app = typer.Typer(
        name="atelier",
        help="Atelier restyles product photographs at catalogue scale.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for entry in sorted(entry_points(group="atelier.commands"), key=lambda one: one.name):
        try:
            register: Callable[[typer.Typer], None] = entry.load()
        except ModuleNotFoundError as error:
            if not _belongs_elsewhere(error):
                raise
            continue
        register(app)
    return app


def group(app: typer.Typer, name: str, about: str) -> typer.Typer:
    """Return a group of commands, made at first sight: several packages may add to one."""
    for known in app.registered_groups:
        if known.name == name and known.typer_instance is not None:
            return known.typer_instance
    made = typer.Typer(help=about, no_args_is_help=True)
    app.add_typer(made, name=name)
    return made


def _belongs_elsewhere(error: ModuleNotFoundError) -> bool:
    """Whether a package's commands are missing because it is not installed here, as in the producer's image."""
    return (error.name or "").split(".")[0] in {
        "producer",
        "workers",
        "torch",
        "torchvision",
        "numpy",
        "safetensors",
    }


def main() -> NoReturn:
    """Run the command; an error of ours is one line on standard error and an exit code.

    Whatever else comes up is a bug, which shows its traceback and exits 1.
    """
    try:
        code = make_app()(standalone_mode=False)
    except AtelierError as error:
        code = _complain(str(error), exit_code(error))
    except TyperException as error:
        code = _complain(error.format_message(), EXIT_USAGE)
    except ModuleNotFoundError as error:
        if not _belongs_elsewhere(error):
            raise
        code = _complain(
            f"this command needs packages of the workers ({error.name}): install atelier[workers]", EXIT_USAGE
        )
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = EXIT_INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    note(f"atelier: {' '.join(message.split())}")
    return code


def print_json(document: object) -> None:
    """Print a document on standard output, in ASCII: paths may hold what no encoding of a terminal has."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def print_line(text: str) -> None:
    """Print a line of data on standard output."""
    sys.stdout.write(_plain(text) + "\n")


def note(text: str) -> None:
    """Print a line for people on standard error."""
    sys.stderr.write(_plain(text) + "\n")


def _plain(text: str) -> str:
    """Names out of files may hold anything, also what a terminal obeys or an encoding lacks."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


if __name__ == "__main__":
    main()
