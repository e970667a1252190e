"""How true a rendition is to its product: silhouette, halo, lettering; and gates on these figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from shared.errors import UsageError
from shared.quality.gate import LIMITS, Gate, GateRule, Quality
from shared.strength import Strength
from workers.styling.measure import Pixels, measure
from workers.styling.product import Product

SIDE = 160
MIDDLE = slice(50, 110)


def scene() -> tuple[Pixels, Product]:
    """A dark product on a grey ground, with a product mask."""
    photo = np.full((SIDE, SIDE, 3), 160, np.uint8)
    photo[MIDDLE, MIDDLE] = (60, 70, 110)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[MIDDLE, MIDDLE] = 255
    return photo, Product(mask, None, 0.9)


def measured(photo: Pixels, rendition: Pixels, product: Product) -> Quality:
    return measure(photo, rendition, np.full((SIDE, SIDE), 255, np.uint8), Strength(1.0), product)


def test_the_photo_itself_loses_nothing() -> None:
    photo, product = scene()
    quality = measured(photo, photo, product)
    assert (quality.delta_e_p95, quality.silhouette, quality.halo, quality.mask) == (0, 0, 0, 0.9)


def test_a_product_that_merges_with_its_scene_has_lost_its_silhouette() -> None:
    photo, product = scene()
    left = photo.copy()
    left[:, : SIDE // 2] = 100
    quality = measured(photo, left, product)
    assert quality.silhouette == pytest.approx(0.5, abs=0.1)
    assert measured(photo, np.full_like(photo, 100), product).silhouette == 1.0


def test_a_rim_of_another_colour_is_a_halo() -> None:
    photo, product = scene()
    glowing = photo.copy()
    rim = ndimage.binary_dilation(product.mask > 0, iterations=4) & (product.mask == 0)
    glowing[rim] = (240, 230, 140)
    repainted = np.where(product.mask[..., np.newaxis] > 0, photo, np.uint8(90)).astype(np.uint8)
    with_halo, without = (measured(photo, one, product).halo for one in (glowing, repainted))
    assert with_halo is not None
    assert without is not None
    assert with_halo > 15 > 3 > without


def test_a_product_that_fills_the_picture_has_no_outline() -> None:
    photo, product = scene()
    everywhere = dataclasses.replace(product, mask=np.full((SIDE, SIDE), 255, np.uint8))
    quality = measured(photo, 255 - photo, everywhere)
    assert quality.silhouette is quality.halo is None


def test_lettering_that_is_blurred_agrees_less() -> None:
    photo, product = scene()
    photo[60:100:4, MIDDLE] = 220
    lettered = dataclasses.replace(product, lettering=product.mask)
    blurred = ndimage.gaussian_filter(photo, (3, 3, 0))
    kept, lost = (measured(photo, one, lettered).lettering for one in (photo, blurred))
    assert kept == pytest.approx(1.0, abs=0.01)
    assert lost is not None
    assert lost < 0.8
    assert measured(photo, photo, product).lettering is None


@pytest.mark.parametrize("name", LIMITS)
def test_a_gate_can_name_each_figure(name: str) -> None:
    limit = LIMITS[name]
    fine, bad = (0.1, 0.9) if limit.is_upper else (0.9, 0.1)
    gate = Gate(**{name: 0.5})  # type: ignore[arg-type]
    perfect = Quality(0.0, 0.0, 1.0, 1.0)
    assert gate.passes(dataclasses.replace(perfect, **{limit.figure: fine}))
    assert not gate.passes(dataclasses.replace(perfect, **{limit.figure: bad}))
    assert Gate.from_json(gate.to_json()) == gate


def test_a_figure_that_is_missing_is_within_every_limit() -> None:
    assert Gate(lettering=1.0, halo=0.0, silhouette=0.0, edges=1.0).passes(Quality(0.0, 0.0, 1.0, 1.0))


def test_a_gate_stored_before_means_and_makes_the_same() -> None:
    stored = {"content": 0.5, "delta_e": None, "white": None, "rule": "blend"}
    assert Gate.from_json(stored).making == {"gate": stored}


def test_the_confidence_in_a_mask_cannot_be_blended_away() -> None:
    with pytest.raises(UsageError, match="--rule hold"):
        Gate(mask=0.5, rule=GateRule.BLEND)
