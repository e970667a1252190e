"""The ``atelier`` command. Each package registers its own commands through an entry-point group."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from shared.errors import AtelierError, exit_code
from shared.terminal import EXIT_INTERRUPTED, EXIT_USAGE, note


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


if __name__ == "__main__":
    main()
