"""The real command over a real S3 server: what goes in, comes out, and what a misspelt bucket is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.processes import run_atelier
from tests.seaweed import Seaweed, seaweed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Seaweed]:
    with seaweed(tmp_path / "seaweed", buckets="photos") as found:
        yield found


def settings(server: Seaweed, bucket: str) -> dict[str, str]:
    return {
        "ATELIER_STORE_URL": f"s3://{bucket}/atelier",
        "ATELIER_S3_ENDPOINT_URL": server.url,
        "ATELIER_S3_ACCESS_KEY_ID": server.access_key_id,
        "ATELIER_S3_SECRET_ACCESS_KEY": server.secret_access_key,
        "ATELIER_S3_ADDRESSING_STYLE": "path",
    }


@pytest.mark.long
def test_a_run_keeps_its_objects_on_the_server_and_a_missing_bucket_is_one_line(
    server: Seaweed, tmp_path: Path
) -> None:
    Image.radial_gradient("L").convert("RGB").resize((96, 64)).save(tmp_path / "mug.png")
    out, arguments = tmp_path / "out", ("run", str(tmp_path / "mug.png"), "-s", "udnie", "--json", "-o")
    done = run_atelier(tmp_path / "home", *arguments, str(out), **settings(server, "photos"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["succeeded"] == 1
    with Image.open(out / "mug.jpg") as rendition:
        assert rendition.size == (96, 64)
    refused = run_atelier(tmp_path / "home", *arguments, str(tmp_path / "none"), **settings(server, "misspelt"))
    assert refused.returncode == 6, refused.stderr
    assert "no such bucket" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
