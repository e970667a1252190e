"""Parts of uploads that go to the store itself, where merchants reach it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from shared.context import Session
from shared.store import StoreOptions, open_store
from shared.uploads.actions import sweep_uploads
from shared.uploads.parts import DIRECT_PART_BYTES
from tests.api_clients import client_of
from tests.uploading import begin, picture, zipped


@pytest.fixture
def on_s3(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The session with a store on S3 that has a public address."""
    monkeypatch.setenv("NO_PROXY", "*")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    options = StoreOptions(
        endpoint_url=url, public_endpoint_url=url, access_key_id="key", secret_access_key=SecretStr("secret")
    )
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="shop")
    client.close()
    settings = session.settings.model_copy(update={"s3_public_endpoint_url": url})
    yield replace(session, settings=settings, store=open_store("s3://shop/atelier", options))
    server.stop()


def test_parts_go_to_the_store_and_are_resumed(on_s3: Session) -> None:
    data = zipped({"red.png": picture(), "noise.bin": bytes(DIRECT_PART_BYTES)})
    with client_of(on_s3, "shop") as shop:
        upload = begin(shop, "shop.zip", data)
        assert [part["size"] for part in upload["parts"]] == [DIRECT_PART_BYTES, len(data) - DIRECT_PART_BYTES]
        at = 0
        for _ in upload["parts"]:
            # Addresses are renewed by asking again, which also tells what is there already.
            now = shop.get(f"/v1/uploads/{upload['id']}").json()["parts"]
            part = next(one for one in now if not one["received"])
            assert part["url"].startswith(on_s3.settings.s3_public_endpoint_url)
            body = data[at : at + part["size"]]
            with urlopen(Request(part["url"], body, {"Content-Type": ""}, method="PUT")) as answer:
                assert answer.status == 200
            at += part["size"]
        done = shop.post(f"/v1/uploads/{upload['id']}/complete")
        assert (done.status_code, done.json()["kind"]) == (200, "archive")
        made = shop.post("/v1/batches", json={"styles": ["udnie"], "uploads": [upload["id"]]})
        assert (made.status_code, made.json()["total"]) == (201, 1)
        assert shop.delete(f"/v1/uploads/{upload['id']}").status_code == 204
    assert list(on_s3.store.list("uploads/")) == []
    assert sweep_uploads(on_s3.engine, on_s3.store) == 0


def test_what_was_replaced_after_it_was_checked_is_not_used(on_s3: Session) -> None:
    with client_of(on_s3, "shop") as shop:
        upload = begin(shop, "feed.csv", data := b"sku,image\n1,https://shop.example/1.jpg\n")
        url = upload["parts"][0]["url"]
        urlopen(Request(url, data, {"Content-Type": ""}, method="PUT")).close()
        assert shop.post(f"/v1/uploads/{upload['id']}/complete").json()["kind"] == "manifest"
        urlopen(Request(url, data.replace(b"1.jpg", b"2.jpg"), {"Content-Type": ""}, method="PUT")).close()
        refused = shop.post("/v1/batches", json={"styles": ["udnie"], "uploads": [upload["id"]]})
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_damaged")
