"""Sources a worker cannot reach, with no key for any bucket."""

from pathlib import Path

import pytest

from shared.errors import SourceRefused
from shared.store import StoreOptions
from workers.fetch.buckets import Buckets


@pytest.fixture
def buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    """Buckets of a worker that has no key for any bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return Buckets(StoreOptions(), 1000)


def test_bucket_that_is_shut_refuses_the_image_and_not_its_neighbours(buckets: Buckets) -> None:
    """Any other error would give back the whole chunk, for ever."""
    with pytest.raises(SourceRefused) as caught:
        buckets.get("s3://not-ours/a.jpg")
    assert caught.value.code == "source_denied"


@pytest.mark.parametrize("source", ["s3://", "s3://B_AD/x", "s3://shop/../x"])
def test_source_that_cannot_be_fetched_is_refused(buckets: Buckets, source: str) -> None:
    with pytest.raises(SourceRefused):
        buckets.get(source)
