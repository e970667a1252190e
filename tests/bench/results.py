"""Where benches leave what they measured, and on what machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch


def machine() -> str:
    """Name the machine in a line."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores, {platform.machine()}{gpu}, torch {torch.__version__}"


def results_folder() -> Path:
    """Return the folder of results, made if need be."""
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    return results


def write_results(name: str, found: dict[str, Any]) -> None:
    """Print figures, and write them to ``tests/bench/results/NAME.json``."""
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (results_folder() / f"{name}.json").write_text(text)
    sys.stdout.write(text)
