"""Redis and Postgres over TLS: a server must be who it says.

With Debian's servers, if they are installed: the embedded ones are built without TLS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from shared.broker import Broker
from shared.database import make_engine, transaction
from shared.errors import BrokerUnavailable, DatabaseUnavailable
from tests.certificates import certificate
from tests.ports import free_port
from tests.waiting import wait_until

REDIS = Path("/usr/bin/redis-server")
POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))

USER = "postgres" if os.getuid() == 0 else None
"""Whom the servers run as: Postgres refuses to be root."""

needs_redis = pytest.mark.skipif(not REDIS.exists(), reason=f"no {REDIS}: apt-get install redis-server")
needs_postgres = pytest.mark.skipif(
    not (POSTGRES / "postgres").exists(), reason="no /usr/lib/postgresql: apt-get install postgresql"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' user can reach, with the certificate and key of localhost in one file."""
    with TemporaryDirectory(prefix="atelier-tls-") as name:
        file = certificate(Path(name), "localhost")
        file.chmod(0o600)
        certificate(Path(name), "elsewhere")
        if USER:
            for path in (Path(name), file):
                shutil.chown(path, USER, USER)
        yield Path(name)


@contextmanager
def running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    """Run a server until the end of the block, which begins when the server's log says that it is ready.

    An open port says less: Postgres refuses who comes before it has started up.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, user=USER, stdout=output, stderr=output)
    try:
        wait_until(lambda: ready in log.read_text() or process.poll() is not None, f"{ready!r} in the server's log")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait()


@needs_redis
def test_redis_is_reached_over_tls_and_only_if_its_certificate_is_its_own(folder: Path) -> None:
    port, pem = free_port(), str(folder / "localhost.pem")
    files = ("--tls-cert-file", pem, "--tls-key-file", pem, "--tls-ca-cert-file", pem, "--tls-auth-clients", "no")
    command = [str(REDIS), "--port", "0", "--tls-port", str(port), *files, "--requirepass", "pass", "--save", ""]

    @contextmanager
    def broker(host: str, query: str) -> Iterator[Broker]:
        broker = Broker(f"rediss://:pass@{host}:{port}/0{query}")
        with broker.app:
            yield broker

    with running(command, folder / "log", "Ready to accept connections"):
        with broker("localhost", f"?ssl_ca_certs={pem}") as found:
            found.publish([(1, "bulk")])
            assert found.waiting() == 1
        for host, trusted in (
            ("localhost", ""),  # trusts what this machine does, which is not this server
            ("localhost", f"?ssl_ca_certs={folder / 'elsewhere.pem'}"),
            ("127.0.0.1", f"?ssl_ca_certs={pem}"),
        ):
            with (
                broker(host, trusted) as found,
                pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
            ):
                found.ping()
        with broker("127.0.0.1", "?ssl_cert_reqs=none") as found:  # whoever says so
            found.ping()


@needs_postgres
def test_postgres_is_reached_over_tls_and_only_if_its_certificate_is_its_own(folder: Path) -> None:
    port, pem, data = free_port(), str(folder / "localhost.pem"), str(folder / "data")
    initdb = [str(POSTGRES / "initdb"), "-D", data, "-U", "atelier", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, user=USER, check=True, stdout=subprocess.DEVNULL)
    only_tls = Path(data, "pg_hba.conf")
    only_tls.write_text("hostssl all all 127.0.0.1/32 trust\n")
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": pem,
        "ssl_key_file": pem,
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

    def encrypted(host: str, query: str) -> object:
        engine = make_engine(f"postgresql+psycopg://atelier@{host}:{port}/postgres?{query}")
        try:
            with transaction(engine) as connection:
                return connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar_one()
        finally:
            engine.dispose()

    with running([str(POSTGRES / "postgres"), "-D", data, *flags], folder / "log", "ready to accept connections"):
        assert encrypted("localhost", f"sslmode=verify-full&sslrootcert={pem}") is True
        for host, query, why in (
            ("localhost", f"sslmode=verify-full&sslrootcert={folder / 'elsewhere.pem'}", "certificate verify failed"),
            ("127.0.0.1", f"sslmode=verify-full&sslrootcert={pem}", "does not match host name"),
            ("localhost", "sslmode=disable", "no encryption"),
        ):
            with pytest.raises(DatabaseUnavailable, match=why):
                encrypted(host, query)
