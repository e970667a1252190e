import pytest

from shared.errors import UsageError
from shared.look import Look, parse_mix
from shared.settings import Settings

ROWS = {"udnie": "a" * 64, "pastel": "b" * 64}


def test_a_mix_is_normalised_and_does_not_depend_on_its_order() -> None:
    assert parse_mix("udnie:3,pastel:1") == parse_mix(" pastel:1, udnie:3 ") == (("pastel", 0.25), ("udnie", 0.75))
    assert parse_mix("udnie") == (("udnie", 1.0),)


@pytest.mark.parametrize("text", ["", ",", "udnie:x", "udnie:0", "udnie:-1", "udnie:nan", "udnie:inf"])
def test_a_mix_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mix(text)


@pytest.mark.parametrize(
    "field", [{"strength": 1.1}, {"strength": -0.1}, {"texture_scale": 5}, {"white": "grey"}, {"mix": ()}]
)
def test_a_look_outside_its_range_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Look(**{"mix": parse_mix("udnie")} | field)  # type: ignore[arg-type]


def test_a_look_comes_back_from_json_as_it_was() -> None:
    look = Look(parse_mix("udnie:0.3,pastel:0.7"), strength=0.5, texture_scale=2, white="paint")
    assert Look.from_json(look.to_json()) == look


def test_all_that_decides_the_pixels_decides_the_digest() -> None:
    look, making = Look(parse_mix("udnie:1,pastel:1")), Settings().making
    digests = {
        look.digest(ROWS, making),
        look.digest(ROWS | {"udnie": "c" * 64}, making),
        look.digest(ROWS, making | {"working_px": 512}),
        look.digest(ROWS, making | {"jpeg_quality": 80}),
        Look(look.mix, strength=0.5).digest(ROWS, making),
        Look(look.mix, white="paint").digest(ROWS, making),
    }
    assert len(digests) == 6
    assert look.digest(ROWS | {"other": "d" * 64}, making) == look.digest(ROWS, making)
