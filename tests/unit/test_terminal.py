"""Lines for people: what a file's own words may do to a terminal."""

import pytest

from shared.cli import note, print_line


def test_names_out_of_files_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    note("no column image; its columns are: \x1b[2Jé\udcff\x07🦊")
    print_line("a\nb\x9b31m")
    shown = capsys.readouterr()
    mark = "\N{REPLACEMENT CHARACTER}"
    assert shown.err == f"no column image; its columns are: {mark}[2Jé{mark}{mark}🦊\n"
    assert shown.out == f"a{mark}b{mark}31m\n"
