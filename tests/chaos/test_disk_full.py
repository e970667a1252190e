"""A disk that is full: under the store, under the output folder, under the embedded servers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from shared import embedded
from tests.chaos.crew import Crew, photos
from tests.chaos.small_disk import fill, small_disk
from tests.processes import start_atelier


def test_a_store_without_room_is_waited_for(crew: Crew) -> None:
    gate = crew.folder / "gate"
    batch = crew.submit(32, marked=(20,))
    objects = crew.folder / "objects"
    shutil.move(objects, crew.folder / "moved")
    with small_disk(objects, "8m"):
        shutil.copytree(crew.folder / "moved", objects, dirs_exist_ok=True)
        pid = crew.start("hold", gate)
        crew.done(batch.id, 4)
        ballast = fill(objects)
        gate.touch()
        crew.wait_until(lambda: "is full" in crew.log(), "the worker's complaint")
        ballast.unlink()
        crew.finished(batch.id)
        assert not crew.gone(pid, 0)
        assert crew.assert_end_state(batch.id) == {"succeeded": 32, "failed": 0, "cancelled": 0}
        crew.kill(pid)


@pytest.mark.long
def test_a_full_output_folder_is_reported_in_a_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with small_disk(tmp_path / "out", "64k") as out:
        command = ["run", str(photos(tmp_path / "photos", 24, side=320)), "-s", "udnie", "-o", str(out), "--json"]
        first = start_atelier(home, *command)
        _, told = first.communicate()
        assert first.returncode == 2
        assert "No space left on device" in told
        assert len(told.strip().splitlines()) == 1
        subprocess.run(["mount", "-o", "remount,size=16m", out], check=True)
        second = start_atelier(home, *command)
        figures = json.loads(second.communicate()[0])
        assert second.returncode == 0
        assert (figures["succeeded"], figures["reused"]) == (24, 24)
        assert len(list(out.glob("*.jpg"))) == 24


@pytest.mark.long
def test_a_home_without_room_is_told_in_a_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", "150m") as home:
        out = tmp_path / "out"
        command = ["run", str(photos(tmp_path / "photos", 24)), "-s", "udnie", "-o", str(out), "--json"]
        embedded.start(home)
        ballast = fill(home)
        first = start_atelier(home, *command)
        _, told = first.communicate()
        assert first.returncode in (2, 6)
        assert len(told.strip().splitlines()) == 1
        ballast.unlink()
        embedded.stop(home)
        second = start_atelier(home, *command)
        figures = json.loads(second.communicate()[0])
        assert second.returncode == 0
        assert figures["succeeded"] == 24
        embedded.stop(home)
