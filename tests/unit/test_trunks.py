"""Which trunks a worker keeps, and who waits for one that it lacks."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch

from shared.errors import StoreUnavailable
from tests.waiting import LIMIT_SECONDS
from workers.model.checkpoint import trunk_to_bytes
from workers.model.generator import Architecture, Generator
from workers.runtime.loaded_trunks import Trunks

CPU = torch.device("cpu")
TINY = trunk_to_bytes(Generator(Architecture(width=4, blocks=1)))
TINY_BYTES = sum(4 * tensor.numel() for tensor in Generator(Architecture(width=4, blocks=1)).state_dict().values())


def test_the_last_used_are_kept_as_far_as_memory_allows() -> None:
    fetched: list[str] = []

    def fetch(sha256: str) -> bytes:
        fetched.append(sha256)
        return TINY

    trunks = Trunks(CPU, fetch, kept_bytes=2 * TINY_BYTES)
    for one in "abac":
        _ = trunks[one]
    assert trunks.kept == ["a", "c"]
    _ = trunks["b"]
    assert fetched == ["a", "b", "c", "b"]
    assert trunks.kept == ["c", "b"]


def test_one_that_is_larger_than_all_the_memory_is_kept_alone() -> None:
    trunks = Trunks(CPU, lambda _: TINY, kept_bytes=1)
    assert trunks["a"] is trunks["a"]
    _ = trunks["b"]
    assert trunks.kept == ["b"]


def test_while_one_fetches_others_paint_with_what_is_here_and_nobody_fetches_twice() -> None:
    asked, arrived, fetched = Event(), Event(), list[str]()

    def fetch(sha256: str) -> bytes:
        fetched.append(sha256)
        if sha256 == "slow":
            asked.set()
            arrived.wait(LIMIT_SECONDS)
        return TINY

    trunks = Trunks(CPU, fetch)
    here = trunks["here"]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(trunks.__getitem__, "slow") for _ in range(2)]
        assert asked.wait(LIMIT_SECONDS)
        assert trunks["here"] is here
        arrived.set()
        first, second = (one.result(LIMIT_SECONDS) for one in waiting)
    assert first is second
    assert fetched == ["here", "slow"]


def test_one_that_could_not_be_fetched_is_tried_again() -> None:
    tries = iter([StoreUnavailable("down"), None])

    def fetch(_: str) -> bytes:
        if error := next(tries):
            raise error
        return TINY

    trunks = Trunks(CPU, fetch)
    with pytest.raises(StoreUnavailable):
        _ = trunks["a"]
    assert trunks.kept == []
    assert trunks["a"] is not None
