import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

TRAINER = Path(__file__).parent / "one_of_the_trainers.py"


def learnt(out: Path, processes: int) -> list[dict[str, torch.Tensor]]:
    """Train with so many processes; return what each of them learnt."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", str(TRAINER), str(out)]
    root = TRAINER.parents[2]
    done = subprocess.run([sys.executable, *launch], capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    return [load_file(out / str(rank) / "learnt.safetensors") for rank in range(processes)]


def test_two_processes_learn_the_same_from_different_crops_and_only_one_writes(tmp_path: Path) -> None:
    first, second = learnt(tmp_path / "two", 2)
    paused = [load_file(tmp_path / "two" / rank / "paused.safetensors")["clock"][0] for rank in "01"]
    assert paused == [1, 1]  # together, though only one wanted to
    shared = [key for key in first if key.startswith(("trunk.", "rows", "average.", "optimiser.", "style_weights"))]
    assert len(shared) > 20
    for key in shared:
        assert torch.equal(first[key], second[key]), key
    assert not torch.equal(first["rng"], second["rng"])
    (alone,) = learnt(tmp_path / "one", 1)
    assert not torch.equal(alone["rows"], first["rows"])
    assert (tmp_path / "two" / "0" / "checkpoint").exists()
    assert not (tmp_path / "two" / "1" / "checkpoint").exists()
