"""What a worker makes of merchants' buckets: their faults end the image, never the chunk."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from test_store_failures import answering, refusal

from shared.errors import AtelierError, NotAllowed, SourceRefused, SourceUnavailable, StoreUnavailable
from shared.store import StoreOptions, open_store
from workers.sources import Sources


def sources(endpoint: str) -> Sources:
    options = StoreOptions(endpoint, access_key_id="key", secret_access_key=SecretStr("secret"), max_attempts=1)
    return Sources(open_store("s3://own", options), options, max_bytes=1000)


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
        sources(endpoint).fetch("s3://shop/mug.jpg")
    assert refused.value.code == code
    assert "shop" in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(refusal(403, "AccessDenied"), NotAllowed), (refusal(404, "NoSuchBucket"), StoreUnavailable)],
)
def test_our_own_bucket_that_refuses_is_no_fault_of_the_image(answer: bytes, expected: type[AtelierError]) -> None:
    with answering(answer) as (endpoint, _), pytest.raises(expected):
        sources(endpoint).fetch("store:sources/1/ab/abc")
