"""Feeds whose renditions lie in a bucket: published under stable names, or signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from producer.output.feed_export import FeedOptions, Outputs, export_feed
from shared.context import Session
from shared.database import transaction
from shared.queue import batches
from tests.integration.test_feed_places import FEED, style, submitted


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


def test_published_renditions_have_signed_addresses_that_give_them(
    session: Session, tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    s3 = {"s3_endpoint_url": endpoint, "s3_access_key_id": "key", "s3_secret_access_key": SecretStr("secret")}
    session = replace(session, settings=session.settings.model_copy(update=s3))
    bucket = f"shop-{uuid4().hex}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=bucket)
    client.close()
    name = submitted(session, tmp_path / "feed.csv")
    (picture,) = style(session, name, 2)
    with transaction(session.engine) as connection:
        batch = batches.get_batch(connection, UUID(name))

    outputs = Outputs(tmp_path / "new.csv", publish=f"s3://{bucket}/ink")
    done = export_feed(session, batch, FeedOptions(presigned_hours=2), outputs)
    assert done.published is not None
    assert (done.replaced, done.published.copied) == (1, 1)
    before, _, after = FEED.partition("https://h.example/c.jpg")
    made = (tmp_path / "new.csv").read_text()
    assert made.startswith(before)
    assert made.endswith(after)
    address = made.removeprefix(before).removesuffix(after)
    assert f"/{bucket}/ink/B-1-starry-night.jpg?" in address
    with urlopen(address) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (picture, "image/jpeg")
    public = replace(outputs, feed=tmp_path / "public.csv")
    export_feed(session, batch, FeedOptions(), public)
    assert address.partition("?")[0] in public.feed.read_text()
    again = export_feed(session, batch, FeedOptions(presigned_hours=2), replace(outputs, feed=tmp_path / "again.csv"))
    assert again.published == replace(done.published, copied=0, unchanged=1)
