"""The files that a batch's presets give: their keys, names and extensions, and which of them a feed names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.errors import UsageError
from shared.presets import EXTENSIONS, FORMAT_EXTENSIONS, Preset


def label_of(key: str) -> str:
    """Return the label in a rendition's key: ``jpeg`` of ``jpeg``, ``shopify`` of ``shopify@1f…``."""
    return key.partition("@")[0]


def rendition_presets(presets: Collection[str], rules: Mapping[str, Preset]) -> tuple[str, ...]:
    """Return what stands for each file of the named presets in the keys of renditions."""
    keys: list[str] = []
    for name in presets:
        keys += [name] if name in EXTENSIONS else [file.key for file in rules[name].files]
    return tuple(keys)


def output_files(presets: Collection[str], rules: Mapping[str, Preset]) -> list[tuple[str, str]]:
    """Return label and file extension of each file that a rendition becomes."""
    files: list[tuple[str, str]] = []
    for name in presets:
        if name in rules:
            files += [(file.label, FORMAT_EXTENSIONS[file.format]) for file in rules[name].files]
        else:
            files.append((name, EXTENSIONS[name]))
    return files


def feed_labels(presets: Collection[str], rules: Mapping[str, Preset], wanted: str | None = None) -> tuple[str, ...]:
    """Return the labels of the files that a feed names, best first: those of one preset, by default the first.

    Of several sizes the largest, of several formats JPEG. A picture that this preset does not take has the file of the
    preset that its rules name instead. Raises UsageError if the batch does not have the wanted preset.
    """
    name = next(iter(presets)) if wanted is None else wanted
    if name not in presets:
        raise UsageError(f"the batch was not made for preset {name!r}: choose among {', '.join(presets)}")
    labels: list[str] = []
    followed: set[str] = set()
    while name in presets and name not in followed:
        if name not in rules:
            return (*labels, name)
        followed.add(name)
        files = sorted(rules[name].files, key=lambda file: (file.format == "jpeg", file.size.width))
        labels.append(files[-1].label)
        name = rules[name].otherwise or ""
    return tuple(labels)


def output_name(output: str, label: str, extension: str, presets: Collection[str]) -> str:
    """Return the path of a rendition in a merchant's folder.

    Where a batch has plain formats only, it is the output's own. Else each preset has a folder, as in
    ``web/960w/mug.avif``.
    """
    if all(preset in EXTENSIONS for preset in presets):
        return output + extension
    name, *parts = label.split(".")
    return "/".join((name, *(part for part in parts if part not in FORMAT_EXTENSIONS), output + extension))
