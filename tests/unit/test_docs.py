"""The README and the pages in docs/ name only what exists, and leave out no setting, command, route or code."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.main import get_command

from docs.generate import CODES, TABLES, error_codes, page_with_table
from producer.api.app import make_app as make_api
from producer.commands.main import make_app
from shared.context import Session
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "producer", "workers")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.name: page.read_text() for page in PAGES}
DOCUMENTED = "\n".join(TEXTS.values())

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_api_explains_the_codes_of_the_page() -> None:
    assert json.loads(CODES.read_text()) == error_codes(), "run `make docs`"
    assert not [meaning for meaning in error_codes().values() if "`" in meaning or "](" in meaning]


@pytest.mark.parametrize("page", TABLES)
def test_generated_tables_are_current(page: str) -> None:
    assert TEXTS[page] == page_with_table(page), "run `make docs`"


def test_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 150


def test_every_setting_is_documented_and_every_variable_named_is_a_setting() -> None:
    settings = {f"ATELIER_{name.upper()}" for name in Settings.model_fields}
    assert settings == set(re.findall(r"ATELIER_[A-Z0-9_]+", DOCUMENTED))


def test_every_command_is_documented_and_every_command_named_exists() -> None:
    named = {command for line in code_lines(DOCUMENTED) for command in commands_in(line)}
    assert set(all_commands(root(), "atelier")) - named == set()


def test_every_route_is_documented_and_every_route_named_exists() -> None:
    session = SimpleNamespace(settings=Settings())
    paths = make_api(cast(Session, session)).openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^`?]*)`", TEXTS["http-api.md"]))
    assert named - {("GET", "/admin"), ("GET", "/openapi.json")} == routes


def test_every_error_code_is_documented_and_every_code_named_exists() -> None:
    codes = {code for path in sources() for code in codes_in(ast.parse(path.read_text()))}
    named = set(re.findall(r"^\| [· ]*`([a-z_]+)` \|", TEXTS["errors.md"], re.MULTILINE))
    assert codes - named == set()
    code_base = "\n".join(path.read_text() for path in sources())
    assert {code for code in named if not re.search(rf"['\"]{code}['\"]", code_base)} == set()


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@each_page
def test_files_and_functions_named_exist(page: Path) -> None:
    pattern = r"`((?:shared|producer|workers|migrations|tests|samples|docs)/[\w./-]*)(?::(\w+))?`"
    for path, function in re.findall(pattern, page.read_text()):
        assert (ROOT / path).exists(), path
        if function:
            assert re.search(rf"^(?:def|class) {function}\b", (ROOT / path).read_text(), re.MULTILINE), function


def test_every_folder_of_code_is_in_the_architecture() -> None:
    tree = TEXTS["architecture.md"]
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    missing = [folder for folder in folders if not re.search(rf"^ *{folder.name}/", tree, re.MULTILINE)]
    assert missing == []


@each_page
def test_modules_and_make_targets_named_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code_lines(page.read_text()):
        for target in re.findall(r"^make ([a-z]+)", line):
            assert target in targets, line
        for module in re.findall(r"python -m ((?:tests|producer|docs)\.[\w.]+)", line):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), line


def code_lines(text: str) -> Iterator[str]:
    """Yield what stands in code blocks, line by line, and in code spans."""
    prose = []
    for number, part in enumerate(text.split("```")):
        if number % 2:
            yield from part.splitlines()
        else:
            prose.append(part)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", " ".join(prose)))


def commands_in(line: str) -> Iterator[str]:
    """Yield the path of each ``atelier`` command in a line; its words and options must exist."""
    for text in re.findall(r"(?:^|[$|;&] *)(?:atelier|docker compose run .* cli) (.*)", f"{line} "):
        command, path = root(), ["atelier"]
        for word in shlex.split(re.split(r"[|;&]", text)[0], comments=True):
            if word.startswith("-"):
                options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
                assert word.partition("=")[0] in options | {"--help", "-h"}, line
            elif subcommands(command):
                assert word in subcommands(command), line
                command = subcommands(command)[word]
                path.append(word)
        yield " ".join(path)


@cache
def root() -> Any:
    return get_command(make_app())


@cache
def subcommands(command: Any) -> dict[str, Any]:
    """Return a group's commands by name, as they are when they are run; none of a command that is no group."""
    return {name: command.resolve_command(None, [name])[1] for name in getattr(command, "commands", ())}


def all_commands(command: Any, path: str) -> Iterator[str]:
    if not subcommands(command):
        yield path
    for name, child in subcommands(command).items():
        yield from all_commands(child, f"{path} {name}")


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Yield every error code that is written in a module: of a class, of one error, or of a failed job."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                for line in node.body:
                    match line:
                        case ast.Assign(targets=[ast.Name(id="code")], value=value):
                            yield from words_of(value)
            case ast.Call(func=ast.Name(id="Failed"), args=[_, value, *_]):
                yield from words_of(value)
            case ast.Call(func=ast.Name(id="_problem" | "problem"), args=[_, _, value, *_]):
                yield from words_of(value)
            case ast.keyword(arg="code", value=value):
                yield from words_of(value)


def words_of(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(word)):
            yield word
        case ast.IfExp(body=body, orelse=other):
            yield from words_of(body)
            yield from words_of(other)
