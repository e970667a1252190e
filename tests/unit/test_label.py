"""The digital source type of renditions, and what other programs read of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from workers.images.decode import Limits, decode
from workers.images.encode import encode
from workers.images.label import ALTERED, COMPOSITE, GENERATED, source_type
from workers.images.metadata.credits import Credits
from workers.images.metadata.source_type import VOCABULARY

CAPTURE = f"{VOCABULARY}digitalCapture"
PIXELS = np.full((40, 30, 3), 99, np.uint8)


@pytest.mark.parametrize(
    ("before", "painted", "altered", "after"),
    [
        ("", True, True, COMPOSITE),
        (CAPTURE, True, True, COMPOSITE),
        ("", False, True, ALTERED),
        (CAPTURE, False, True, ALTERED),
        (CAPTURE, False, False, CAPTURE),
        ("", False, False, ""),
        (GENERATED, True, True, GENERATED),
        (GENERATED, False, False, GENERATED),
        (COMPOSITE, False, True, COMPOSITE),
    ],
)
def test_label_follows_what_was_done(before: str, painted: bool, altered: bool, after: str) -> None:
    assert source_type(before, painted=painted, altered=altered) == after


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("term", [COMPOSITE, ALTERED, ""])
def test_label_is_read_back(format: str, term: str) -> None:
    data = encode(PIXELS, None, format, digital_source_type=term).data
    assert decode(data, Limits()).digital_source_type == term


@pytest.mark.parametrize("address", ["trainedAlgorithmicMedia", "http://evil.example/digitalCapture", "javascript:x"])
def test_what_is_no_term_of_the_vocabulary_is_not_taken_over(address: str) -> None:
    assert decode(encode(PIXELS, None, "jpeg", digital_source_type=address).data, Limits()).digital_source_type == ""


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
def test_exiftool_reads_label_and_credits(format: str, tmp_path: Path) -> None:
    credits = Credits(("Ana Müller", "Bo"), "© Faro & Co", "Pool")
    file = tmp_path / f"rendition.{format}"
    file.write_bytes(encode(PIXELS, None, format, credits=credits, digital_source_type=ALTERED).data)
    printed = subprocess.run(["exiftool", "-json", "-n", str(file)], capture_output=True, check=True).stdout
    (read,) = json.loads(printed)
    assert read["DigitalSourceType"] == ALTERED
    assert (read["Creator"], read["Rights"], read["Credit"]) == (["Ana Müller", "Bo"], "© Faro & Co", "Pool")
    assert not [name for name in read if name.startswith("GPS")]
