"""Pages: where the renditions of a batch go, and what reading ahead hands on."""

from collections.abc import Iterator

import pytest

from producer.jobs_from_rows import RowPage, folder_of, read_ahead
from shared.errors import ManifestError
from shared.look import Look, parse_mix


def test_each_look_of_a_batch_has_a_folder_of_its_own() -> None:
    mixes = ("udnie", "pastel", "udnie:0.6,pastel:0.4", "udnie:0.3,pastel:0.7")
    folders = [folder_of(Look(parse_mix(mix))) for mix in mixes]
    assert folders == ["udnie", "pastel", "pastel-0.4+udnie-0.6", "pastel-0.7+udnie-0.3"]


def test_reading_ahead_hands_on_the_pages_before_an_error_and_then_the_error() -> None:
    pages = [RowPage(rows=1), RowPage(rows=2)]

    def breaking() -> Iterator[RowPage]:
        yield from pages
        raise ManifestError("torn")

    ahead = read_ahead(breaking())
    assert [next(ahead), next(ahead)] == pages
    with pytest.raises(ManifestError, match="torn"):
        next(ahead)
