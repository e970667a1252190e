"""Pages: where the renditions of a batch go."""

from producer.pages import folder_of
from shared.look import Look, parse_mix


def test_each_look_of_a_batch_has_a_folder_of_its_own() -> None:
    mixes = ("udnie", "pastel", "udnie:0.6,pastel:0.4", "udnie:0.3,pastel:0.7")
    folders = [folder_of(Look(parse_mix(mix))) for mix in mixes]
    assert folders == ["udnie", "pastel", "pastel-0.4+udnie-0.6", "pastel-0.7+udnie-0.3"]
