"""Each field and parameter of the API, one after the other, with values that a client's bug or a stranger sends."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import pytest

from producer.api.app import make_app
from shared.context import Session
from tests.api_clients import admin_of, client_of

Schema = dict[str, Any]
Place = tuple[str | int, ...]

DIGITS = "9" * 5000
"""More digits than Python converts."""

ODD_VALUES: tuple[Any, ...] = (
    "\ud800",  # half a character
    "a\udfffb",
    "\0",
    "",
    "x" * 70_000,
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    2**64,
    0.5,
    float("nan"),
    float("inf"),
    [],
    [[]],
    {},
    {"\ud800": "\ud800"},
    ["\ud800"],
    ["\0"],
    [None],
    {"a": {"b": "\0"}},
)
ODD_JSON = [
    *map(json.dumps, ODD_VALUES),
    DIGITS,
    f"-{DIGITS}",
    "1e400",
    "1e-400",
    f"[{DIGITS}]",
    "[" * 2000 + "]" * 2000,
    '{"a":' * 2000 + "1" + "}" * 2000,
]
ODD_TEXT = ["", "\0", "\ud800", "x" * 3000, "-1", "0", str(2**31), str(2**63), DIGITS, "1e400", "nan", "..", "%", "a/b"]

SAMPLES = {"image": "https://shop.example/a.jpg", "styles": ["udnie"], "look": "udnie", "crontab": "0 1 * * *"}


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)], ids=["some", "all"])
def test_no_value_of_any_field_is_answered_with_an_internal_error(session: Session, step: int) -> None:
    document = make_app(session).openapi()
    failed: list[str] = []
    with client_of(session, "shop") as shop, admin_of(session) as admin:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                client = admin if path.startswith("/v1/admin/") else shop
                for what, url, params, body in islice(odd_requests(document, path, operation), 0, None, step):
                    answer = client.request(
                        method, url, params=params, content=body, headers={"Content-Type": "application/json"}
                    )
                    if answer.status_code >= 500:
                        failed.append(f"{method} {path}: {what}: {answer.status_code}")
    assert not failed


def odd_requests(document: Schema, path: str, operation: Schema) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Yield requests to an operation that are usual but for one value: (what is odd, URL, query, body)."""
    inside = [one for one in operation.get("parameters", []) if one["in"] == "path"]
    query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    sample = usual(document, content["schema"]) if content else None
    body = json.dumps(sample).encode() if content else b""
    url = filled(path, {one["name"]: str(usual(document, one["schema"])) for one in inside})
    for one in inside:
        for text in ODD_TEXT:
            names = {other["name"]: str(usual(document, other["schema"])) for other in inside}
            yield f"{one['name']} {text[:20]!r}", filled(path, names | {one["name"]: text}), {}, body
    for one in query:
        for text in ODD_TEXT:
            odd = text.encode(errors="replace").decode()
            yield f"{one['name']} {text[:20]!r}", url, {one["name"]: odd}, body
    if content:
        for place in places(sample):
            for text in ODD_JSON:
                yield f"{place} {text[:20]}", url, {}, with_odd(sample, place, text)


def filled(path: str, names: dict[str, str]) -> str:
    for name, text in names.items():
        path = path.replace("{" + name + "}", quote(text, safe="", errors="surrogatepass") or "-")
    return path


def usual(document: Schema, schema: Schema, name: str = "") -> Any:
    """Return a value that a schema allows, with all fields."""
    if "$ref" in schema:
        return usual(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
    if name in SAMPLES and schema.get("type") != "object":
        return SAMPLES[name]
    if "anyOf" in schema:
        return usual(document, schema["anyOf"][0], name)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {key: usual(document, one, key) for key, one in schema.get("properties", {}).items()}
        case "array":
            return [usual(document, schema.get("items", {}), "")]
        case "integer":
            return max(1, schema.get("minimum", 1))
        case "number":
            return 0.5
        case "boolean":
            return False
    return "udnie" if "style" in name else "jpeg" if name == "" else "shop"


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield where a document's values are, the whole of it included."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*place, key))


def with_odd(value: Any, place: Place, text: str) -> bytes:
    """Return a document as JSON with other text in one place."""
    if not place:
        return text.encode()
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = "@here@"
    return json.dumps(changed).replace('"@here@"', text).encode()
