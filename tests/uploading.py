"""Send files in parts through the API, as a merchant's program does."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from PIL import Image
from starlette.testclient import TestClient


def picture(colour: str = "red", px: int = 32) -> bytes:
    """Return a PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (px, px), colour).save(out, "PNG")
    return out.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def begin(client: TestClient, name: str, data: bytes, *, hashed: bool = True) -> Any:
    """Begin an upload; return the answer's body."""
    digest = {"sha256": hashlib.sha256(data).hexdigest()} if hashed else {}
    begun = client.post("/v1/uploads", json={"name": name, "size": len(data), **digest})
    assert begun.status_code == 201, begun.text
    return begun.json()


def send(client: TestClient, upload: Any, data: bytes) -> None:
    """Send the parts that are not there yet."""
    at = 0
    for part in upload["parts"]:
        if not part["received"]:
            sent = client.put(part["url"], content=data[at : at + part["size"]])
            assert sent.status_code == 204, sent.text
        at += part["size"]


def uploaded(client: TestClient, name: str, data: bytes) -> str:
    """Upload a whole file; return its id."""
    upload = begin(client, name, data)
    send(client, upload, data)
    done = client.post(f"/v1/uploads/{upload['id']}/complete")
    assert done.status_code == 200, done.text
    return str(done.json()["id"])


def fresh_key() -> dict[str, str]:
    """Return the header of a request that is no other one sent again."""
    return {"Idempotency-Key": uuid4().hex}
