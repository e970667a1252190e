"""URLs of services that cannot be read are refused at once, and no piece of a password is repeated."""

import ssl

import pytest

from shared.broker import Broker
from shared.database import make_engine
from shared.errors import UsageError


@pytest.mark.parametrize(
    "url",
    [
        "valkey://:hunter2@host/0",
        "redis://:hun/ter2@host:6379/0",
        "redis://:hun@ter2@host:port/0",
        "redis://:hunter2@host:port/0",
        "hunter2",
    ],
)
def test_a_broker_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(UsageError, match="ATELIER_BROKER_URL") as refused:
        Broker(url)
    assert "hun" not in str(refused.value)
    assert "ter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:hunter2@host/db",
        "postgresql://a:hun@ter2@host/db",
        "postgresql://a:hunter2@host:port/db",
        "postgresql:/a:hunter2@host/db",
        "hunter2",
    ],
)
def test_a_database_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(UsageError, match="ATELIER_DATABASE_URL") as refused:
        make_engine(url)
    assert "hun" not in str(refused.value)
    assert "ter2" not in str(refused.value)


def test_urls_that_can_be_read() -> None:
    for url in ("redis://:pass@host:6379/0", "rediss://host", "redis+socket:///run/redis.sock"):
        Broker(url).app.close()
    make_engine("postgresql+psycopg://a:p%40ss@host:5432/db").dispose()
    make_engine("postgresql+psycopg://a@/db?host=/run/postgres").dispose()


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("rediss://host", ssl.CERT_REQUIRED),
        ("rediss://host/0?ssl_ca_certs=/ca.pem", ssl.CERT_REQUIRED),
        ("rediss://host/0?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_the_certificate_of_redis_is_checked_unless_the_url_says_otherwise(url: str, checked: ssl.VerifyMode) -> None:
    with Broker(url).app as app, app.connection_for_read() as connection:
        assert connection.ssl["ssl_cert_reqs"] == checked
