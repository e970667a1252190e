"""One run over everything an image may come from, by the real command line and a real worker."""

import csv
import json
import zipfile
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.processes import run_atelier
from tests.web_host import answer, serving


def picture(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_sources_of_every_kind_end_as_renditions_or_with_a_code(tmp_path: Path) -> None:
    tries: list[str] = []

    def busy(handler: BaseHTTPRequestHandler) -> None:
        tries.append(handler.path)
        again = len(tries) > 1
        handler.wfile.write(answer(200, body=picture("blue")) if again else answer(503, "Retry-After: 1"))

    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("shoes/red.png", picture("red"))
        archive.writestr("../up.png", picture("red"))
    with serving() as host:
        host.answers |= {"/busy.png": busy, "/mug.png": answer(200, body=picture("green")), "/gone.png": answer(404)}
        images = [host.url(path, "127.0.0.1") for path in ("/busy.png", "/mug.png", "/gone.png")]
        images += ["http://10.1.2.3/a.png", "http://0x7f.1/a.png", "s3://shop/a.png"]
        feed = [{"sku": f"s{number}", "image": image} for number, image in enumerate(images)]
        (tmp_path / "feed.json").write_text(json.dumps({"products": feed}))
        inputs = [str(tmp_path / name) for name in ("feed.json", "shop.zip")]
        out = tmp_path / "out"
        settings = {"ATELIER_SOURCE_NETWORKS": "127.0.0.0/8", "ATELIER_SWEEP_SECONDS": "0.5"}
        arguments = ("run", *inputs, "-m", "shop", "-s", "udnie", "-o", str(out), "--json")
        done = run_atelier(tmp_path / "home", *arguments, **settings)
    assert done.returncode == 4, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["total"], figures["succeeded"], figures["failed"]) == (8, 3, 5)
    assert len(tries) == 2
    with (out / "results.csv").open() as file:
        made = {row["sku"]: row["output"] for row in csv.DictReader(file) if row["state"] == "succeeded"}
    assert made == {"s0": "s0-1-udnie.jpg", "s1": "s1-1-udnie.jpg", "shoes/red": "shoes-red-1-udnie.jpg"}
    with (out / "errors.csv").open() as file:
        failed = {row["sku"]: row["code"] for row in csv.DictReader(file)}
    assert failed == {
        "s2": "image_not_found",
        "s3": "source_not_allowed",
        "s4": "bad_source",
        "s5": "source_not_allowed",
        "../up": "archive_path",
    }
    assert {file.suffix for file in tmp_path.parent.glob("up.*")} == set()
