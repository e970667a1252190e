"""The modules that a command loads, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RUN = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv = ["atelier", *sys.argv[1:]]
from producer.commands.main import main
main()
"""

PACKAGES = {"shared", "producer", "workers"}


@dataclass(frozen=True)
class Loaded:
    """What a command printed, and what it loaded: modules of the project, and packages of others by their names."""

    printed: str
    own: frozenset[str]
    others: frozenset[str]


def loaded_by(arguments: Sequence[str], environment: Mapping[str, str] = {}) -> Loaded:
    """Run ``atelier`` with some arguments and list what it loaded, but for the standard library."""
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    modules = json.loads(done.stderr.splitlines()[-1])
    known = sys.stdlib_module_names | PACKAGES
    others = {name for one in modules if (name := one.partition(".")[0]) not in known and not name.startswith("_")}
    return Loaded(
        done.stdout,
        frozenset(one for one in modules if one.partition(".")[0] in PACKAGES),
        frozenset(others),
    )
