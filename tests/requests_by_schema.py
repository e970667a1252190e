"""Requests that an OpenAPI document allows, and many that it nearly does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Known = Mapping[str, Sequence[Any]]
"""Values that lead further than chance would, by the names of fields and parameters."""

Parameter = str | int | float | bool | None
"""What clients take in a query; all that is drawn here is text."""

ODD = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "..",
    "../..",
    "'",
    "\\",
    "-1",
    "9" * 40,
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\r\n",
    "x" * 2000,
]
TEXT = st.text(max_size=20) | st.sampled_from(ODD)
NUMBERS = st.sampled_from([0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 0.5, 1e308, float("inf"), float("nan")])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Request:
    """What to send."""

    method: str
    url: str
    params: list[tuple[str, Parameter]]
    headers: dict[str, str]
    content: bytes


@st.composite
def requests(draw: st.DrawFn, document: Schema, known: Known) -> Request:
    """Draw a request to any operation: each value is what its schema says, or in one case of six anything."""
    path = draw(st.sampled_from(sorted(document["paths"])))
    method = draw(st.sampled_from(sorted(document["paths"][path])))
    operation = document["paths"][path][method]
    params: list[tuple[str, Parameter]] = []
    headers: dict[str, str] = {}
    url = path
    for one in operation.get("parameters", []):
        if not (one["required"] or draw(st.booleans())):
            continue
        text = _text(draw(_nearly(one["schema"], document, known, one["name"])))
        match one["in"]:
            case "path":
                url = url.replace("{" + one["name"] + "}", quote(text, safe="", errors="replace") or "-")
            case "query":
                params.append((one["name"], text.encode(errors="replace").decode()))
            case "header":
                headers[one["name"]] = "".join(c for c in text if " " <= c <= "~")
    kind, content = "text/plain", b""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        value = draw(_nearly(body["schema"], document, known, ""))
        content = json.dumps(value).encode() if kind == "application/json" else _form(value)
    if draw(st.integers(0, 9)) == 0:
        content = draw(st.binary(max_size=40))
    boundary = "; boundary=x" if kind.startswith("multipart") else ""
    return Request(method.upper(), url, params, headers | {"Content-Type": kind + boundary}, content)


def _nearly(schema: Schema, document: Schema, known: Known, name: str) -> st.SearchStrategy[Any]:
    right = _valid(schema, document, known, name)
    return st.integers(0, 5).flatmap(lambda n: ANYTHING if n == 0 else right)


def _valid(schema: Schema, document: Schema, known: Known, name: str) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _valid(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document, known, name)
    if name in known:
        return st.sampled_from(known[name])
    if "anyOf" in schema:
        return st.one_of(*(_valid(one, document, known, name) for one in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema, document, known)


def _of_type(schema: Schema, document: Schema, known: Known) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "object":
            needed = set(schema.get("required", []))
            fields = {name: _nearly(one, document, known, name) for name, one in schema.get("properties", {}).items()}
            return st.fixed_dictionaries(
                {name: one for name, one in fields.items() if name in needed},
                optional={name: one for name, one in fields.items() if name not in needed},
            )
        case "array":
            return st.lists(_nearly(schema.get("items", {}), document, known, ""), max_size=3)
        case "integer":
            return st.integers(schema.get("minimum", -(2**70)), schema.get("maximum", 2**70))
        case "number":
            return st.floats() | NUMBERS
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "string":
            return TEXT
    return ANYTHING


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _form(value: object) -> bytes:
    """Write a form; what is called manifest is a file."""
    lines = []
    for name, one in value.items() if isinstance(value, dict) else [("styles", value)]:
        for single in one if isinstance(one, list) else [one]:
            file = '; filename="feed.csv"' if name == "manifest" else ""
            lines += ["--x", f'Content-Disposition: form-data; name="{name}"{file}', "", _text(single)]
    return "\r\n".join([*lines, "--x--", ""]).encode(errors="surrogatepass")
