"""What a worker makes of merchants' buckets: their faults end the image, never the chunk."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from shared.context import Session
from shared.database import transaction
from shared.errors import AtelierError, NotAllowed, SourceRefused, SourceUnavailable, StoreUnavailable
from shared.merchants.merchants import LOCAL_MERCHANT, allow_source, merchant_id, withdraw_source
from shared.store import StoreOptions, open_store
from tests.raw_server import answering, refusal
from workers.fetch.address_guard import Reach
from workers.fetch.buckets import Buckets
from workers.fetch.client import Web
from workers.fetch.sources import Sources


def options(endpoint: str) -> StoreOptions:
    return StoreOptions(endpoint, access_key_id="key", secret_access_key=SecretStr("secret"), max_attempts=1)


@pytest.mark.parametrize(
    ("answer", "expected", "code"),
    [
        (refusal(403, "AccessDenied"), SourceRefused, "source_denied"),
        (refusal(404, "NoSuchBucket"), SourceRefused, "no_such_bucket"),
        (refusal(404, "NoSuchKey"), SourceRefused, "missing_object"),
        (refusal(503, "SlowDown"), SourceUnavailable, "source_unavailable"),
    ],
)
def test_a_merchants_bucket_that_refuses_ends_the_image(answer: bytes, expected: type[AtelierError], code: str) -> None:
    with answering(answer) as (endpoint, _), pytest.raises(expected) as refused:
        Buckets(options(endpoint), max_bytes=1000).get("s3://shop/mug.jpg")
    assert refused.value.code == code
    assert "shop" in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(refusal(403, "AccessDenied"), NotAllowed), (refusal(404, "NoSuchBucket"), StoreUnavailable)],
)
def test_our_own_bucket_that_refuses_is_no_fault_of_the_image(
    session: Session, answer: bytes, expected: type[AtelierError]
) -> None:
    with answering(answer) as (endpoint, _):
        own = open_store("s3://own", options(endpoint))
        sources = Sources(session.engine, own, 1000, Buckets(options(endpoint), 1000), Web(Reach(), 1000))
        with pytest.raises(expected):
            sources.fetch(1, "store:sources/1/ab/abc")


def test_bucket_is_read_only_below_what_its_merchant_was_allowed(session: Session) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nphoto") as (endpoint, requests):
        buckets = Buckets(options(endpoint), max_bytes=1000)
        sources = Sources(session.engine, session.store, 1000, buckets, Web(Reach(), 1000))
        with transaction(session.engine) as connection:
            mine, other, local = (merchant_id(connection, name) for name in ("mine", "other", LOCAL_MERCHANT))
            allow_source(connection, mine, "s3://shop/photos")
        assert sources.fetch(mine, "s3://shop/photos/a.jpg") == b"photo"
        assert sources.fetch(local, "s3://any/a.jpg") == b"photo"
        asked = len(requests)
        with transaction(session.engine) as connection:
            withdraw_source(connection, local, "s3://")
        shut = [(mine, "s3://shop/a.jpg"), (mine, "s3://shop/photos-old/a.jpg"), (mine, "s3://shop-2/photos/a.jpg")]
        for merchant, source in [*shut, (other, "s3://shop/photos/a.jpg"), (local, "s3://any/a.jpg")]:
            with pytest.raises(SourceRefused) as refused:
                sources.fetch(merchant, source)
            assert refused.value.code == "source_not_allowed"
        assert len(requests) == asked
