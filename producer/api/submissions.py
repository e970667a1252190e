"""Turn a request for a batch into an order."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self
from uuid import UUID

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from producer.api.access import Caller
from producer.manifest import Manifest, open_manifest
from producer.manifest.extensions import is_image_name
from producer.manifest.platforms import PLATFORM_NAMES
from producer.manifest.uploaded import open_named, open_uploads
from producer.submit import Order
from producer.uploaded_files import ids_named, named_uploads, opened_uploads, put_picture
from shared.background import CHOICES
from shared.errors import ManifestError
from shared.look import Look, parse_looks
from shared.presets import MOST_PRESETS
from shared.protection import Protect
from shared.queue.queues import QueueName

ROWS = 10_000
"""Images of a batch sent as JSON. A larger batch is sent as a file, which is read as a stream."""

READ_BYTES = 2**20


class BatchOptions(BaseModel):
    """Looks and formats of a batch."""

    styles: list[str] = Field(
        min_length=1, max_length=64, description="Styles, or mixes such as great-wave:0.3,udnie:0.7."
    )
    strength: float | str = Field(
        1.0,
        description="Strength of the style, from 0 (the photo) to 1; product and scene apart as in 0.4/1.0.",
    )
    texture_scale: float = Field(1.0, description="Size of the strokes relative to the picture.")
    white: str = Field("keep", description="White backgrounds of product shots: keep or paint.")
    protect: str = Field(
        Protect.AUTO,
        max_length=64,
        description="What of the product is kept: colour, product, soft or none, and +lettering with each. auto: "
        "paintings keep colour+lettering, other styles nothing.",
    )
    background: str = Field("keep", max_length=128, description=f"What stands behind the product: {CHOICES}.")
    format: Literal["jpeg", "png", "webp"] = "jpeg"
    presets: list[str] = Field(
        [], max_length=MOST_PRESETS, description="Presets, as GET /v1/presets lists them; without any, the format."
    )
    preview: bool = Field(False, description="Style a few images ahead of all other work.")
    proof: bool = Field(False, description="Style a sample of 24 skus first, and wait for approval.")

    @property
    def looks(self) -> tuple[Look, ...]:
        """Return the looks. Raises InvalidInput."""
        return parse_looks(
            self.styles, str(self.strength), self.texture_scale, self.white, self.protect, self.background
        )


class ManifestOptions(BatchOptions):
    """Looks and formats of a batch that is sent as a file."""

    platform: Literal[PLATFORM_NAMES] | None = Field(  # type: ignore[valid-type]  # names that only the code knows
        None, description="Shop system whose export the file is, instead of the one that its columns suggest."
    )


class Image(BaseModel):
    """One image of a batch."""

    model_config = ConfigDict(extra="forbid")

    sku: str = Field(max_length=1000)
    image: str = Field(
        max_length=4096,
        description="An https:// URL, an s3:// URL that the merchant may name, or upload:ID of an uploaded picture.",
    )
    style: str | None = Field(None, max_length=1000, description="Style of this image, instead of the batch's.")
    strength: float | str | None = Field(None, description="Of this image, instead of the batch's.")
    protect: str | None = Field(None, max_length=64, description="Of this image, instead of the batch's.")
    background: str | None = Field(None, max_length=128, description="Of this image, instead of the batch's.")


class NewBatch(ManifestOptions):
    """Batch with its images, or of uploads: pictures, ZIP archives, or a feed with its pictures."""

    model_config = ConfigDict(extra="forbid")

    images: list[Image] = Field([], max_length=ROWS)
    uploads: list[UUID] = Field([], max_length=ROWS, description="Complete uploads, instead of images.")

    @property
    def used_uploads(self) -> list[UUID]:
        """Return the uploads that the batch is made of. Raises UsageError."""
        return [*self.uploads, *ids_named(image.image for image in self.images).values()]

    @model_validator(mode="after")
    def _has_one_input(self) -> Self:
        if bool(self.images) == bool(self.uploads):
            raise ValueError("give either images or uploads")
        return self


@contextmanager
def order_of_file(caller: Caller, options: ManifestOptions, file: UploadFile, key: str | None) -> Iterator[Order]:
    """Write an uploaded manifest or archive to a disk, under its own name, while its order is submitted."""
    name = _file_name(file)
    if is_image_name(name):
        raise ManifestError(f"{name} is a picture: send pictures in a ZIP archive", code="unknown_kind")
    with tempfile.TemporaryDirectory(prefix="atelier-upload-") as folder:
        path = Path(folder) / name
        digest = hashlib.sha256()
        with path.open("wb") as out:
            while data := file.file.read(READ_BYTES):
                digest.update(data)
                out.write(data)
        manifest = open_manifest([str(path)], allow_local=False, platform=options.platform)
        identity = " ".join((name, digest.hexdigest(), *filter(None, (options.platform,))))
        yield _order(caller, options, manifest, identity, key)


@contextmanager
def order_of_new(caller: Caller, new: NewBatch, key: str | None) -> Iterator[Order]:
    """Open the order of a request in JSON. Leave the context when it is submitted."""
    if not new.uploads:
        with order_of_images(caller, new, key) as order:
            yield order
        return
    with order_of_uploads(caller, new, new.uploads, key) as order:
        yield order


@contextmanager
def order_of_uploads(
    caller: Caller,
    options: ManifestOptions,
    ids: Sequence[UUID],
    key: str | None,
    corrections: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[Order]:
    """Open the order of a batch of complete uploads, see ``open_uploads``."""
    with opened_uploads(caller.session, caller.actor, ids, options.platform, corrections) as found:
        yield _order(caller, options, found.manifest, found.identity, key, found.pixels)


@contextmanager
def order_of_picture(caller: Caller, options: BatchOptions, file: UploadFile) -> Iterator[Order]:
    """Put a picture that came with the request among the merchant's sources, and open its order."""
    session = caller.session
    with tempfile.NamedTemporaryFile(prefix="atelier-picture-") as out:
        shutil.copyfileobj(file.file, out, READ_BYTES)
        out.flush()
        picture = put_picture(session, caller.merchant_id, _file_name(file), Path(out.name))
    manifest = open_uploads([], [picture])
    yield _order(caller, options, manifest, picture.source, None, {picture.source: picture.pixels})


@contextmanager
def order_of_images(caller: Caller, new: NewBatch, key: str | None) -> Iterator[Order]:
    """Write images that came as JSON as a manifest, so that all submissions are alike."""
    lines = [json.dumps(image.model_dump(exclude_none=True)) for image in new.images]
    with tempfile.TemporaryDirectory(prefix="atelier-upload-") as folder:
        path = Path(folder) / "images.jsonl"
        path.write_text("\n".join(lines) + "\n")
        pictures = named_uploads(caller.session, caller.actor, [image.image for image in new.images])
        manifest = open_named(path, {text: picture.source for text, picture in pictures.items()})
        identity = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        pixels = {picture.source: picture.pixels for picture in pictures.values()}
        yield _order(caller, new, manifest, identity, key, pixels)


def _file_name(file: UploadFile) -> str:
    name = Path(file.filename or "").name
    if not name.strip(".") or not name.isprintable() or len(name.encode()) > 200:
        raise ManifestError(
            "the file needs a name with an extension, which says what kind of file it is", code="bad_name"
        )
    return name


def _order(
    caller: Caller,
    options: BatchOptions,
    manifest: Manifest,
    identity: str,
    key: str | None,
    pixels: Mapping[str, int] = MappingProxyType({}),
) -> Order:
    return Order(
        merchant=caller.merchant,
        manifest=manifest,
        looks=options.looks,
        presets=tuple(options.presets) or (options.format,),
        queue=QueueName.PREVIEW if options.preview else QueueName.BULK,
        actor=caller.actor,
        identity=identity,
        idempotency_key=key,
        proof=options.proof,
        pixels=pixels,
    )
