"""Another host, as a network namespace: it reaches this one by a cable that a test can pull out."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import pytest

NAMESPACES = Path("/var/run/netns")
CLONE_NEWNET = 0x40000000  # sched.h


@dataclass(frozen=True)
class OtherHost:
    """``address`` is that of this host, as the other one sees it."""

    name: str
    cable: str
    address: str

    def cut(self) -> None:
        """Pull the cable out: packets go nowhere, and nobody is told."""
        ip("link", "set", self.cable, "down")

    def restore(self) -> None:
        """Put the cable back."""
        ip("link", "set", self.cable, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def other_host() -> Iterator[OtherHost]:
    """Make a host until the end of the block; skip the test where none can be made."""
    number = SystemRandom().randrange(256)
    name = f"atelier-{os.getpid()}-{number}"
    ours, theirs = f"at{number}a{os.getpid() % 10_000}", f"at{number}b{os.getpid() % 10_000}"
    host = OtherHost(name, ours, f"10.213.{number}.1")
    with ExitStack() as stack:
        try:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)  # with its end of the cable, and so with ours
            ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        except (subprocess.CalledProcessError, FileNotFoundError):
            pytest.skip("another host takes the right to make network namespaces")
        ip("address", "add", f"{host.address}/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("-n", name, "address", "add", f"10.213.{number}.2/30", "dev", theirs)
        ip("-n", name, "link", "set", theirs, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield host


def move_to(name: str) -> None:
    """Move this process to another host, before it has threads or sockets."""
    with (NAMESPACES / name).open() as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
