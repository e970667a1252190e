"""Lines for people: what a file's own words may do to a terminal."""

import json
import os
from pathlib import Path

import pytest

from producer.commands import services as commands
from shared import embedded
from shared.embedded import Running, Services
from shared.terminal import Output, note, print_json, print_line


def test_names_out_of_files_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    note("no image column; its columns are: \x1b[2Jé\udcff\x07🦊")
    print_line("a\nb\x9b31m")
    shown = capsys.readouterr()
    mark = "\N{REPLACEMENT CHARACTER}"
    assert shown.err == f"no image column; its columns are: {mark}[2Jé{mark}{mark}🦊\n"
    assert shown.out == f"a{mark}b{mark}31m\n"


def test_json_holds_any_name_and_is_printed_by_any_encoding(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"out": "é 🦊 caf\udce9"})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert json.loads(shown) == {"out": "é 🦊 caf\udce9"}


def test_what_has_several_lines_is_shown_on_several_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services("postgresql://here", "redis+socket:///there")
    monkeypatch.setattr(embedded, "start", lambda home: services)
    monkeypatch.setattr(embedded, "running", lambda home: Running(services, {"postgres": 1, "redis": 2}, True))
    commands.start()
    commands.status()
    assert capsys.readouterr().out.splitlines() == [
        "ATELIER_DATABASE_URL=postgresql://here",
        "ATELIER_BROKER_URL=redis+socket:///there",
        "postgres 1",
        "redis 2",
    ]


def test_the_stream_beneath_an_output_stays_usable(tmp_path: Path) -> None:
    """Celery writes to the process's first standard output when it is told to stop, and must not fail there."""
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        output = Output.over(stream)
        output.write("é\n")
        output.flush()
        os.write(stream.fileno(), b"stopping\n")
        assert (tmp_path / "out").read_text() == "\\xe9\nstopping\n"
