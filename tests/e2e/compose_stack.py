"""docker-compose.yml without Docker: its servers on loopback, its images as folders, its services as processes."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.server import ThreadedMotoServer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared.embedded import postgres, redis
from shared.embedded.home import Home
from shared.embedded.server import Account
from tests.ports import free_port
from tests.waiting import LIMIT_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
PUBLIC = {"S3_BUCKET", "COMPOSE_PROFILES"}  # of .env: no secrets


def fill_in_example() -> dict[str, str]:
    """What somebody writes into .env: every empty line of the example gets a value."""
    names = re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    values = {name: secrets.token_hex(16) for name in names}
    return values | {"S3_BUCKET": f"bucket-{secrets.token_hex(4)}", "COMPOSE_PROFILES": "cpu"}


def read_compose(values: dict[str, str]) -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    document: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: values[found[1]], text))
    return document


def build_image(dockerfile: Path, folder: Path) -> Path:
    """Do what a Dockerfile does; return a folder with the project, not editable, and its dependencies.

    The dependencies are links to those installed here, but only to what the project's metadata ask for.
    """
    text = dockerfile.read_text()
    source, site = folder / "src", folder / "site"
    source.mkdir(parents=True)
    (source / "README.md").touch()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in line.split():
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(source)],
        check=True,
        env=os.environ | {"PIP_ROOT_USER_ACTION": "ignore"},
    )
    shutil.rmtree(source)
    spec = re.search(r'pip install --constraint constraints.txt "\.(?:\[(\w+)\])?"', text)
    assert spec
    (project,) = distributions(name="atelier", path=[str(site)])
    for name in closure(project, {spec[1]} if spec[1] else set()):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__", "bin") and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution(name).locate_file(top))).resolve())
    return site


def closure(project: Distribution, extras: set[str]) -> set[str]:
    """Names of the distributions that the project with these extras needs."""
    found: set[tuple[str, frozenset[str]]] = set()
    todo = list(needs(project, frozenset(extras)))
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs(distribution(one[0]), one[1])
    return {name for name, _ in found}


def needs(dist: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what a distribution with these extras names, with the extras it wants of that."""
    for text in dist.requires or ():
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield canonicalize_name(needed.name), frozenset(needed.extras)


class TcpPostgres(postgres.Postgres):
    """Postgres as the compose file's image sets it up: passwords over TCP, and the file's own SQL."""

    def __init__(self, home: Home, password: str, sql: str) -> None:
        super().__init__(home, home.services, Account.choose())
        self.port, self.password, self.sql = free_port(), password, sql

    def create(self, data: Path, lock: int) -> None:
        given = self.home.services / "password"
        given.write_text(self.password)
        program = postgres.program("initdb")
        access = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={given}")
        self.run([program, "-D", str(data), *access, "--encoding=UTF8", "--no-sync", "--no-instructions"], lock)
        self.run([postgres.program("postgres"), "--single", "-D", str(data), "postgres"], lock, input_text=self.sql)

    def command(self) -> list[str]:
        over_tcp = ("listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=")
        return [*super().command(), *(part for one in over_tcp for part in ("-c", one))]


@contextmanager
def redis_server(command: list[str], folder: Path) -> Iterator[int]:
    """Redis with exactly the flags of the compose file, here on a port and in a folder of its own."""
    assert command[0] == "valkey-server"
    port = free_port()
    here = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([redis.program(), *command[1:], *here], stdout=log)
    try:
        wait_until(lambda: "Ready to accept" in (folder / "log").read_text(), "Redis")
        yield port
    finally:
        process.terminate()
        process.wait()


class Stack:
    """The compose file's servers, running, and its services, to be run."""

    def __init__(self, folder: Path, values: dict[str, str], stack: ExitStack) -> None:
        self.folder, self.values = folder, values
        self.started: dict[str, subprocess.Popen[str]] = {}
        self.monitors: dict[str, int] = {}
        self.compose = read_compose(values)
        self.services: dict[str, Any] = self.compose["services"]
        home = Home(folder / "servers")
        home.prepare()
        database = TcpPostgres(home, values["POSTGRES_PASSWORD"], self.compose["configs"]["database"]["content"])
        database.start()
        stack.callback(database.stop)
        (folder / "redis").mkdir()
        redis_port = stack.enter_context(redis_server(self.services["redis"]["command"], folder / "redis"))
        s3 = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        s3.start()
        stack.callback(s3.stop)
        self.s3_url = f"http://127.0.0.1:{s3.get_host_and_port()[1]}"
        self.addresses = {
            "@postgres/": f"@127.0.0.1:{database.port}/",
            "@redis:6379/": f"@127.0.0.1:{redis_port}/",
            "http://s3:8333": self.s3_url,
        }
        self.images = {
            name: build_image(ROOT / name, folder / name) for name in ("producer/Dockerfile", "workers/Dockerfile")
        }
        database.wait_until_ready()
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.s3_url,
            region_name="us-east-1",
            aws_access_key_id=values["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=values["S3_SECRET_ACCESS_KEY"],
        )
        stack.callback(self.s3.close)
        self.s3.create_bucket(Bucket=values["S3_BUCKET"])  # SeaweedFS does it by itself

    def environment(self, service: str) -> dict[str, str]:
        """The environment the compose file gives a service, with addresses of this machine; nothing else."""
        home = self.folder / "homes" / service
        home.mkdir(parents=True, exist_ok=True)
        given = dict(self.services[service]["environment"]) | {"ATELIER_HOME": str(home)}
        for theirs, ours in self.addresses.items():
            given = {name: value.replace(theirs, ours) for name, value in given.items()}
        if "ATELIER_MONITOR_ADDRESS" in given:  # each has a network of its own there
            given["ATELIER_MONITOR_ADDRESS"] = f"127.0.0.1:{self.monitor(service)}"
        site = self.images[self.services[service]["build"]["dockerfile"]]
        return given | {"PATH": os.defpath, "PYTHONPATH": str(site)}

    def monitor(self, service: str) -> int:
        """The port of a service's monitor, as none is published."""
        return self.monitors.setdefault(service, free_port())

    def process(self, service: str, command: list[str], changed: dict[str, str]) -> subprocess.Popen[str]:
        environment = self.environment(service) | changed
        return subprocess.Popen(
            [sys.executable, "-S", f"{environment['PYTHONPATH']}/bin/atelier", *command],
            env=environment,
            cwd=environment["ATELIER_HOME"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for a process; whatever it was, it told no secret."""
        out, err = process.communicate(timeout=LIMIT_SECONDS)
        told = [name for name, value in self.values.items() if name not in PUBLIC and value in out + err]
        assert not told, f"{process.args!r} prints {told}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, service: str, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run a service to its end: its own command, or another in its place."""
        return self.finish(self.process(service, list(command) or self.services[service]["command"], changed))

    def healthy(self, service: str) -> int:
        """Run a service's health check in its environment; return the exit code."""
        check = self.services[service]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "atelier"]
        return self.run(service, *check[2:]).returncode

    def start(self, service: str) -> None:
        """Start a service that stays, with its own command."""
        self.started[service] = self.process(service, self.services[service]["command"], {})

    def stop(self, service: str) -> int:
        """Stop a service as Docker does; return its exit code."""
        process = self.started.pop(service)
        process.send_signal(signal.SIGTERM)
        return self.finish(process).returncode

    def stop_all(self) -> None:
        for service in list(self.started):
            self.stop(service)

    def await_health(self, service: str) -> None:
        """Return when a started service is healthy; fail as soon as it has ended."""
        process = self.started[service]
        wait_until(lambda: self.healthy(service) == 0 or process.poll() is not None, f"the health of {service}")
        assert process.poll() is None, process.communicate()
