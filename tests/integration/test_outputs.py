"""What a command does with outputs that cannot be written, and with names that no encoding has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.context import Session

COMMAND = [sys.executable, "-m", "producer.commands.main"]
FULL = Path("/dev/full")


def environment(session: Session, **more: str) -> dict[str, str]:
    settings = session.settings
    assert settings.database_url
    assert settings.broker_url
    return (
        {"PATH": os.environ["PATH"], "ATELIER_HOME": str(settings.home)}
        | {"ATELIER_DATABASE_URL": settings.database_url.get_secret_value()}
        | {"ATELIER_BROKER_URL": settings.broker_url.get_secret_value()}
        | more
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["styles", "list"], ["styles", "list", "--json"], ["--help"]], ids=" ".join)
def test_a_full_disk_under_the_output_is_told_in_one_line(session: Session, arguments: list[str]) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(session),
            timeout=300,
        )
    assert done.returncode == 2
    assert done.stderr == "atelier: the output cannot be written: No space left on device\n"


def test_names_that_are_not_text_are_accepted_in_a_locale_that_is_not_utf8(session: Session, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xe9"
    os.mkdir(folder)
    with open(folder + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"no picture")
    done = subprocess.run(
        [*COMMAND, "submit", folder, "--style", "udnie", "--json"],
        capture_output=True,
        text=True,
        env=environment(session, LC_ALL="C", PYTHONUTF8="0"),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert '"total": 1' in done.stdout
