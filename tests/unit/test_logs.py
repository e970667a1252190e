"""What reaches the terminal besides our own lines."""

import io
import subprocess
import sys

from PIL import Image

READ_QUIETLY = """
import io, sys, PIL.Image
from shared.logs import configure_logs

configure_logs("warning")
for data in sys.stdin.buffer.read().split(b"NEXT"):
    try:
        PIL.Image.open(io.BytesIO(data)).load()
    except Exception:
        print("refused")
"""


def test_image_libraries_tell_the_terminal_nothing_of_bad_files() -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "TIFF", compression="tiff_adobe_deflate")
    whole = buffer.getvalue()
    pixels_spoilt = whole[:100] + bytes(300) + whole[400:]  # libtiff prints
    directory = int.from_bytes(whole[4:8], "little")
    too_many_samples = bytearray(whole)  # Pillow logs
    samples_at = whole.index(b"\x15\x01\x03\x00", directory)
    too_many_samples[samples_at + 8 : samples_at + 10] = b"\xff\xff"
    broken = [whole[:-60], pixels_spoilt, bytes(too_many_samples)]
    done = subprocess.run(
        [sys.executable, "-c", READ_QUIETLY], input=b"NEXT".join(broken), capture_output=True, check=True
    )
    assert done.stdout.split() == [b"refused"] * 3
    assert done.stderr == b""
