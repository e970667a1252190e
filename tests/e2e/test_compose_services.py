"""Every service of docker-compose.yml that is Atelier's: its command, its environment, its image's files."""

from __future__ import annotations

import hashlib
import io
import json
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from tests.e2e.compose_stack import Stack, fill_in_example
from tests.ports import free_port
from tests.waiting import LIMIT_SECONDS, wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with ExitStack() as exits:
        yield Stack(tmp_path_factory.mktemp("stack"), fill_in_example(), exits)


@pytest.fixture(scope="module")
def migrated(stack: Stack) -> Stack:
    """The stack after `migrate`, which two machines happened to start at the same time."""
    command = stack.services["migrate"]["command"]
    for process in [stack.process("migrate", command, {}) for _ in range(2)]:
        done = stack.finish(process)
        assert done.returncode == 0, done.stderr
    return stack


@pytest.fixture(scope="module")
def working(migrated: Stack) -> Iterator[Stack]:
    """The stack as `--profile cpu` starts it."""
    for service in ("beat", "worker-cpu"):
        assert migrated.healthy(service) == 6
        migrated.start(service)
    try:
        migrated.await_health("worker-cpu")
        yield migrated
    finally:
        migrated.stop_all()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.radial_gradient("L").convert("RGB").rotate(30 * number).resize((96, 64 + number)).save(
            folder / f"mug-{number}.png"
        )
    return folder


def objects(stack: Stack, prefix: str) -> dict[str, bytes]:
    bucket = stack.values["S3_BUCKET"]
    found = stack.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {one["Key"]: stack.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def test_each_image_holds_only_what_it_needs(stack: Stack) -> None:
    producer = {path.name for path in stack.images["producer/Dockerfile"].iterdir()}
    workers = {path.name for path in stack.images["workers/Dockerfile"].iterdir()}
    assert not producer & {"torch", "torchvision", "numpy", "safetensors", "workers", "pytest"}
    assert {"torch", "workers", "shared", "migrations"} <= workers
    assert "pytest" not in workers
    assert " train " not in stack.run("cli", "--help").stdout
    assert " submit " in stack.run("cli", "--help").stdout


def test_migrate_installs_the_built_in_model_in_the_bucket(migrated: Stack) -> None:
    models = objects(migrated, "models/")
    assert [hashlib.sha256(data).hexdigest() in key for key, data in models.items()] == [True]
    assert "great-wave" in migrated.run("cli", "styles", "list").stdout


def test_a_folder_goes_in_and_its_renditions_come_out_of_the_bucket(working: Stack, photos: Path) -> None:
    done = working.run("cli", "submit", str(photos), "--style", "great-wave", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    batch = json.loads(done.stdout)
    assert (batch["state"], batch["succeeded"], batch["failed"]) == ("finished", 3, 0)
    stored = objects(working, "renditions/")
    out = photos.parent / "out"
    assert working.run("cli", "download", batch["batch"], "--out", str(out)).returncode == 0
    for number in range(3):
        data = (out / f"mug-{number}.jpg").read_bytes()
        assert data in stored.values()
        with Image.open(io.BytesIO(data)) as rendition:
            assert rendition.size == (96, 64 + number)
            assert len(set(rendition.tobytes())) > 20


def test_a_prefix_of_a_merchants_bucket_goes_in_and_missing_objects_fail_alone(working: Stack, photos: Path) -> None:
    working.s3.create_bucket(Bucket="shop")
    for path in photos.iterdir():
        working.s3.upload_file(str(path), "shop", f"spring/shoes/{path.name}")
    done = working.run("cli", "submit", "s3://shop/spring", "--style", "udnie", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    batch = json.loads(done.stdout)
    assert batch["succeeded"] == 3
    out = photos.parent / "out"
    assert working.run("cli", "download", batch["batch"], "--out", str(out)).returncode == 0
    assert sorted(path.name for path in (out / "shoes").iterdir()) == ["mug-0.jpg", "mug-1.jpg", "mug-2.jpg"]
    rows = photos.parent / "rows.csv"
    rows.write_text("sku,image\n1,s3://shop/spring/shoes/mug-0.png\n2,s3://shop/gone.png\n3,s3://nobodys/gone.png\n")
    mixed = working.run("cli", "submit", str(rows), "--style", "udnie", "--wait", "--json")
    assert mixed.returncode == 4, mixed.stderr
    assert json.loads(mixed.stdout)["succeeded"] == 1


def test_the_api_takes_an_archive_in_and_gives_out_its_renditions(working: Stack, photos: Path) -> None:
    made = working.run("cli", "keys", "create", "--merchant", "webshop", "--name", "tests")
    assert made.returncode == 0, made.stderr
    port = free_port()
    process = working.process("api", [*working.services["api"]["command"], "--port", str(port)], {})
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for photo in photos.iterdir():
            file.write(photo, photo.name)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=LIMIT_SECONDS) as shop:
        wait_until(lambda: answers(shop, "/readyz"), "the API's answer")
        done = shop.post(
            "/v1/batches/manifest", files={"manifest": ("p.zip", archive.getvalue())}, data={"styles": "pastel"}
        )
        assert done.status_code == 201, done.text
        at = done.headers["location"]
        wait_until(lambda: shop.get(at).json()["state"] == "finished", "the end of the batch")
        jobs = shop.get(f"{at}/jobs").json()["jobs"]
        assert [(one["state"], one["code"]) for one in jobs] == [("succeeded", None)] * 3
        picture = shop.get(jobs[0]["renditions"]["jpeg"])  # itself: nobody outside reaches the stack's own S3 server
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(picture.content)).size == (jobs[0]["width"], jobs[0]["height"])
        assert shop.get("/v1/batches", headers={"Authorization": "Bearer wrong"}).status_code == 401
    process.terminate()
    assert working.finish(process).returncode == 0


def answers(client: httpx2.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx2.TransportError:
        return False


def test_worker_and_beat_tell_prometheus_what_they_do(working: Stack, photos: Path) -> None:
    working.run("cli", "submit", str(photos), "--style", "pastel", "--wait")
    told = {}
    for service in ("worker-cpu", "beat"):
        for path in ("livez", "readyz", "metrics"):
            with urllib.request.urlopen(
                f"http://127.0.0.1:{working.monitor(service)}/{path}", timeout=LIMIT_SECONDS
            ) as answer:
                told[service, path] = answer.read().decode()
    assert re.search(
        r'^atelier_images_total\{code="",outcome="made"\} [1-9]', told["worker-cpu", "metrics"], re.MULTILINE
    )
    assert re.search(r"^atelier_device_busy_seconds_total [0-9.]*[1-9]", told["worker-cpu", "metrics"], re.MULTILINE)
    assert "atelier_workers 1.0" in told["beat", "metrics"]
    assert 'atelier_service_up{service="postgres"} 1.0' in told["beat", "metrics"]


def test_health_checks_pass_while_a_service_works_and_fail_when_it_has_stopped(working: Stack) -> None:
    working.await_health("beat")
    assert working.stop("beat") == 0
    assert working.stop("worker-cpu") == 0
    ill = working.run("worker-cpu", "health", "worker")
    assert ill.returncode == 6
    assert ill.stderr.startswith("atelier: no worker of ")


def test_the_trainer_refuses_missing_data_in_one_line(stack: Stack) -> None:
    done = stack.run("trainer", ATELIER_DEVICE="cpu")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "/data" in done.stderr


def test_the_command_line_without_torch_says_who_styles_instead(migrated: Stack, photos: Path) -> None:
    done = migrated.run("cli", "run", str(photos), "--style", "udnie", "--out", str(photos.parent / "out"))
    assert done.returncode == 2
    assert "submit --wait" in done.stderr


@pytest.mark.parametrize(
    ("service", "command", "variable", "address"),
    [
        ("migrate", ("db", "upgrade"), "ATELIER_DATABASE_URL", "postgresql://atelier:SECRET@127.0.0.1:9/atelier"),
        ("migrate", ("db", "upgrade"), "ATELIER_DATABASE_URL", None),
        ("cli", ("submit", "PHOTOS", "--style", "udnie"), "ATELIER_S3_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("worker-cpu", ("worker",), "ATELIER_BROKER_URL", "redis://:SECRET@127.0.0.1:9/0"),
        ("beat", ("beat",), "ATELIER_BROKER_URL", None),
    ],
)
def test_a_server_that_does_not_answer_or_refuses_us_is_one_line_and_exit_code_6(
    migrated: Stack, photos: Path, service: str, command: tuple[str, ...], variable: str, address: str | None
) -> None:
    refused = migrated.environment(service)[variable]
    for name in ("DATABASE_PASSWORD", "REDIS_PASSWORD"):
        refused = refused.replace(migrated.values[name], "SECRET")
    arguments = [str(photos) if part == "PHOTOS" else part for part in command]
    done = migrated.run(service, *arguments, **{variable: address or refused})
    assert done.returncode == 6, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("atelier: ")
    assert "SECRET" not in done.stderr
