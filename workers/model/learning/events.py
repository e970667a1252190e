"""TensorBoard event files of a training run, where the package that writes them is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FLUSH_SECONDS = 10
"""How soon a validation shows in TensorBoard."""

ABSENT = "no TensorBoard files: `pip install tensorboardX` for them; curves.png and log.jsonl are written anyway"


@contextmanager
def open_events(
    folder: Path, step: int, tell: Callable[[str], None]
) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield what writes one validation, a line of ``log.jsonl``, to event files in ``folder``.

    A run that goes on from ``step`` replaces what it had written after. Without the package nothing is
    written, which ``tell`` hears once.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        tell(ABSENT)
        yield lambda entry: None
        return
    writer = SummaryWriter(str(folder), purge_step=step + 1, flush_secs=FLUSH_SECONDS)

    def write(entry: Mapping[str, float]) -> None:
        for name, value in entry.items():
            if name != "step":
                writer.add_scalar(name, value, int(entry["step"]))

    try:
        yield write
    finally:
        writer.close()  # waits for its thread, which would drop the last figures
