"""The ``atelier`` command: help and completion know each command from its package's index alone.

Each package that is installed names its index through an entry-point group. The module of a command, and what that
imports, is loaded when the command is run or its own help is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from shared.errors import AtelierError, exit_code
from shared.terminal import (
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    CommandEntry,
    note,
    prepare_outputs,
    require_utf8,
    silence_broken_outputs,
)


class LazyGroup(TyperGroup):
    """A group that lists the entries of all indexes and loads a command when it is resolved."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._modules: dict[str, list[str]] = {}
        for entry in installed_commands():
            self._modules.setdefault(entry.name, []).append(entry.module)
            line = TyperCommand(entry.name, help=entry.help, callback=None, rich_help_panel=entry.panel)
            self.commands.setdefault(entry.name, line)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the loaded command that the first argument names, and the arguments after it."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self._load(name, rest), rest

    def _load(self, name: str, following: list[str]) -> Any:
        """Load a command's modules, of a group only as many as it takes to find the subcommand that follows."""
        app = typer.Typer()
        for module in self._modules[name]:
            import_module(module).register(app)
            command = get_group(app).commands[name]
            if isinstance(command, TyperGroup) and following and following[0] in command.commands:
                break
        return command


def installed_commands() -> Iterable[CommandEntry]:
    """Yield the entries of every package that is installed here: the producer's image has no workers."""
    for found in sorted(entry_points(group="atelier.commands"), key=lambda entry: entry.name):
        try:
            yield from found.load()
        except ModuleNotFoundError as error:
            if not _belongs_elsewhere(error):
                raise


def make_app() -> typer.Typer:
    """Build the command from whichever packages are installed here."""
    app = typer.Typer(
        cls=LazyGroup,
        name="atelier",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(help="Atelier restyles product photographs at catalogue scale.")
    def _root() -> None:
        """Make a group of an app that has no command of its own."""

    return app


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
    require_utf8()
    prepare_outputs()
    try:
        code = make_app()(standalone_mode=False)
        sys.stdout.flush()
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
        code = EXIT_INTERRUPTED
    except Exception as error:
        reason = _refused_value(error)
        if reason is None:
            raise
        code = _complain(f"a given value is out of range: {reason}", EXIT_USAGE)
    silence_broken_outputs()
    sys.exit(code if isinstance(code, int) else 0)


def _refused_value(error: Exception) -> str | None:
    """Return why Postgres refused a value, or None for another error. SQLAlchemy is asked only if it is loaded."""
    exceptions = sys.modules.get("sqlalchemy.exc")
    if exceptions is None or not isinstance(error, exceptions.DataError):
        return None
    lines = str(error.orig).splitlines()
    return lines[0] if lines else "it cannot be stored"


def _complain(message: str, code: int) -> int:
    note(f"atelier: {' '.join(message.split())}")
    return code


if __name__ == "__main__":
    main()
