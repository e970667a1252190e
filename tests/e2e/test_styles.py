"""The commands of styles, as a merchant's admin types them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.processes import run_atelier
from tests.random_vgg import write_random_vgg


def test_a_style_is_added_looked_at_and_handed_on(tmp_path: Path) -> None:
    home, photos, rng = tmp_path / "home", tmp_path / "photos", np.random.default_rng(1)
    vgg = write_random_vgg(tmp_path / "vgg.safetensors")
    photos.mkdir()
    for number in range(15):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((96, 72)).save(photos / f"{number}.png")
    image = photos / "3.png"
    assert run_atelier(home, "services", "start").returncode == 0
    try:
        add = ["styles", "add", str(photos / "7.png"), "--name", "quilt", "--title", "Quilt", "--steps", "2"]
        add += ["--photos", str(photos), "--vgg", str(vgg), "--json"]
        done = run_atelier(home, *add)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["name"] == "quilt"
        file = tmp_path / "quilt.safetensors"
        assert run_atelier(home, "styles", "export", "quilt", "--out", str(file)).returncode == 0
        assert file.stat().st_size < 8192
        done = run_atelier(home, "styles", "import", str(file), "--name", "quilt-2", "--merchant", "shop", "--json")
        assert done.returncode == 0, done.stderr
        listed = {
            merchant: {one["name"]: one for one in json.loads(found.stdout)}
            for merchant in ("shop", "other")
            if (found := run_atelier(home, "styles", "list", "--merchant", merchant, "--json"))
        }
        assert listed["shop"].keys() - listed["other"].keys() == {"quilt-2"}
        assert listed["other"]["quilt"]["title"] == "Quilt"
        out = tmp_path / "painted.png"
        done = run_atelier(home, "styles", "preview", "quilt-2", str(image), "--merchant", "shop", "--out", str(out))
        assert done.returncode == 0, done.stderr
        with Image.open(out) as painted:
            assert painted.size == (96, 72)
    finally:
        run_atelier(home, "services", "stop")
