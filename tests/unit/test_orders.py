"""Orders: what makes one the same as another."""

from __future__ import annotations

import hashlib
import json

import pytest

from producer.manifest import Manifest
from producer.submit import Order
from shared.look import Look, parse_mix
from shared.protection import Protect

MIX = parse_mix("great-wave")


def order(protect: Protect) -> Order:
    return Order("shop", Manifest([]), (Look(MIX, protect=protect),), identity="photos")


def test_an_order_sent_again_after_the_upgrade_that_brought_protection_is_the_same() -> None:
    look = {"mix": dict(MIX), "strength": 1.0, "texture_scale": 1.0, "white": "keep"}  # as stored before
    before = json.dumps(["photos", [look], ["jpeg"], "bulk"], sort_keys=True)
    assert order(Protect.AUTO).fingerprint == hashlib.sha256(before.encode()).hexdigest()


@pytest.mark.parametrize("chosen", [Protect.NONE, Protect.COLOUR])
def test_a_chosen_protection_makes_another_order(chosen: Protect) -> None:
    assert order(chosen).fingerprint != order(Protect.AUTO).fingerprint
