"""Import a feed: make a catalogue equal to it.

All work is done by sets: the feed is copied into a temporary table and compared there, so that a million rows with
few changes write few rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, text

from shared.database import Lock, lock
from shared.errors import Conflict
from shared.merchants.merchants import require_kept

SHRINKS_BELOW = 0.5
"""A feed that would leave less than this share of a catalogue is probably broken."""

SMALL = 20
"""Number of images below which a catalogue may shrink freely."""


class FeedRow(NamedTuple):
    """Row of a feed. ``position`` None: in the order of its sku's rows. ``content`` None: the row is invalid.

    ``by_address``: nothing but the address says what the content is.
    """

    number: int
    sku: str
    position: int | None
    image: str
    source: str
    output: str
    category: str
    collection: str
    pixels: int
    content: str | None
    by_address: bool = False


@dataclass(frozen=True)
class Imported:
    """Result of an import. ``bad`` and ``doubled`` rows were left out; the products of bad ones did not change.

    ``unknown`` of the bad rows name no sku. If there is one, nothing was removed. ``readdressed`` images have an
    address that is new only after its ``?``: their hosts are asked whether the picture is, too.
    """

    rows: int
    added: int
    changed: int
    moved: int
    removed: int
    bad: int
    doubled: int
    unknown: int = 0
    readdressed: int = 0


_COLUMNS = ", ".join(FeedRow._fields)
_PLACE = "i.merchant_id = :merchant AND i.sku = n.sku AND i.position = n.position"


def import_feed(
    connection: Connection, merchant: int, rows: Iterable[FeedRow], *, partial: bool = False, shrink: bool = False
) -> Imported:
    """Make a merchant's catalogue equal to a feed. Call it once per transaction, which also reads the rows.

    With ``partial`` images that the feed does not name stay; otherwise they are removed, if each bad row names its
    product. Raises Conflict if that would leave less than half of a catalogue, unless ``shrink``. An exception of the
    rows changes nothing.
    """
    _load(connection, rows)
    # Lock only now, since reading the rows may take minutes. It excludes plans and other imports of the merchant.
    lock(connection, Lock.CATALOG, merchant)
    values = {"merchant": merchant}
    counts = connection.execute(
        text("""
        SELECT (SELECT count(*) FROM feed) AS rows, (SELECT count(*) FROM feed WHERE content IS NULL) AS bad,
               (SELECT count(*) FROM feed WHERE content IS NULL AND sku = '') AS unknown,
               (SELECT count(*) FROM feed) - (SELECT count(*) FROM incoming) AS doubled
        """)
    ).one()
    _keep_seen(connection, values)
    readdressed = _ask_first(connection, values)
    removed = 0 if partial or counts.unknown else _remove_others(connection, values, shrink)
    _find_moved(connection, values)
    changed = _update(connection, values)
    added = _insert(connection, values)
    moved = _take_along(connection, values)
    require_kept(connection, merchant)
    return Imported(
        counts.rows, added, changed, moved, removed, counts.bad, counts.doubled, counts.unknown, readdressed
    )


def _load(connection: Connection, rows: Iterable[FeedRow]) -> None:
    """Copy a feed into the temporary table ``incoming``, each (sku, position) once: the first valid row."""
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE feed (number int, sku text, position int, image text, source text, output text,
            category text, collection text, pixels bigint, content uuid, by_address bool) ON COMMIT DROP
        """)
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY feed ({_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS
        SELECT DISTINCT ON (sku, position) *, CAST(NULL AS uuid) AS feed_content, false AS readdressed
        FROM (SELECT number, sku, image, source, output, category, collection, pixels, content, by_address,
                     coalesce(position, row_number() OVER (PARTITION BY sku ORDER BY number)) AS position
              FROM feed) numbered
        ORDER BY sku, position, content IS NULL, number
        """)
    )
    connection.execute(text("ANALYZE incoming"))


def _keep_seen(connection: Connection, values: dict[str, int]) -> None:
    """Keep the content that a source check has found, as long as the feed repeats its earlier value."""
    connection.execute(
        text("""
        UPDATE incoming n SET content = seen.content, feed_content = n.content
        FROM (SELECT DISTINCT ON (source, feed_content) source, feed_content, content FROM catalog_images
              WHERE merchant_id = :merchant AND feed_content IS NOT NULL
              ORDER BY source, feed_content, changed_at DESC) seen
        WHERE n.source = seen.source AND n.content = seen.feed_content
        """),
        values,
    )


def _ask_first(connection: Connection, values: dict[str, int]) -> int:
    """Keep the content of images whose address is new only after its ``?``, and that are styled; return how many.

    Shops put versions and signatures there, which change while the picture stays. The next source check compares the
    bytes with those that were styled, if these are known. An image that a night has in hand will be styled.
    """
    return connection.execute(
        text(f"""
        UPDATE incoming n SET content = i.content, feed_content = n.content, readdressed = true
        FROM catalog_images i
        WHERE {_PLACE} AND n.by_address AND n.feed_content IS NULL AND n.content <> i.content AND n.source <> i.source
          AND n.source ILIKE 'http%' AND split_part(n.source, '?', 1) = split_part(i.source, '?', 1)
          AND (i.styled_content = i.content AND i.styled_source IS NOT NULL OR (i.id, i.content) IN (
              SELECT w.image_id, w.content FROM nights g JOIN night_images w ON w.batch_id = g.batch_id
              WHERE g.settled_at IS NULL AND g.merchant_id = :merchant))
        """),
        values,
    ).rowcount


def _remove_others(connection: Connection, values: dict[str, int], shrink: bool) -> int:
    """Mark images that the feed does not name as removed; return how many.

    A product with a bad row keeps all its images, since the row may have named any of them.
    """
    removed = connection.execute(
        text(f"""
        UPDATE catalog_images i SET removed_at = clock_timestamp()
        WHERE i.merchant_id = :merchant AND i.removed_at IS NULL
          AND NOT EXISTS (SELECT FROM incoming n WHERE {_PLACE})
          AND NOT EXISTS (SELECT FROM feed f WHERE f.sku = i.sku AND f.content IS NULL)
        """),
        values,
    ).rowcount
    count = connection.execute(
        text("SELECT count(*) FROM catalog_images WHERE merchant_id = :merchant AND removed_at IS NULL"), values
    )
    stay = int(count.scalar_one())
    if not shrink and stay + removed >= SMALL and stay < SHRINKS_BELOW * (stay + removed):
        raise Conflict(
            f"the feed names only {stay} of the catalogue's {stay + removed} images, nothing was changed: check that "
            "it is complete; add --partial if it is a part, --shrink if the others are really gone",
            code="catalog_shrinks",
        )
    return removed


def _find_moved(connection: Connection, values: dict[str, int]) -> None:
    """Find images whose new content was already styled at another place, so that it is not styled again.

    Donors are looked up once per content, since a thousand products may share a placeholder.
    """
    connection.execute(
        text(f"""
        CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
        WITH needy AS (
            SELECT n.sku, n.position, n.content FROM incoming n LEFT JOIN catalog_images i ON {_PLACE}
            WHERE n.content IS NOT NULL AND i.styled_content IS DISTINCT FROM n.content
        ), donors AS (
            SELECT DISTINCT ON (i.styled_content) i.styled_content, i.styled_look, i.styled_model, i.styled_source,
                   p.rendition_id
            FROM catalog_images i LEFT JOIN publications p ON p.id = i.publication_id
            WHERE i.merchant_id = :merchant AND i.styled_content IN (SELECT content FROM needy)
            ORDER BY i.styled_content, i.publication_id DESC NULLS LAST
        )
        SELECT needy.sku, needy.position, donors.*
        FROM needy JOIN donors ON donors.styled_content = needy.content
        """),
        values,
    )


def _update(connection: Connection, values: dict[str, int]) -> int:
    """Write the differences; return how many images have other content, or are back."""
    count = connection.execute(
        text(f"""
        WITH written AS (
            UPDATE catalog_images i SET image = n.image, source = n.source, output = n.output, category = n.category,
                collection = n.collection, pixels = n.pixels, content = n.content, feed_content = n.feed_content,
                removed_at = NULL, gone_at = CASE WHEN i.source = n.source THEN i.gone_at END,
                readdressed_at = CASE WHEN n.readdressed THEN coalesce(i.readdressed_at, clock_timestamp())
                                      WHEN i.source = n.source THEN i.readdressed_at END,
                check_at = CASE WHEN i.source = n.source THEN i.check_at
                                ELSE least(i.check_at, clock_timestamp()) END,
                changed_at = CASE WHEN i.content <> n.content OR i.removed_at IS NOT NULL
                                  THEN clock_timestamp() ELSE i.changed_at END
            FROM incoming n
            WHERE {_PLACE} AND n.content IS NOT NULL AND (
                i.content <> n.content OR i.feed_content IS DISTINCT FROM n.feed_content OR i.removed_at IS NOT NULL
                OR i.source <> n.source OR i.image <> n.image OR i.output <> n.output OR i.category <> n.category
                OR i.collection <> n.collection)
            RETURNING old.content <> new.content OR old.removed_at IS NOT NULL AS other
        )
        SELECT count(*) FILTER (WHERE other) FROM written
        """),
        values,
    )
    return int(count.scalar_one())


def _insert(connection: Connection, values: dict[str, int]) -> int:
    return connection.execute(
        text(f"""
        INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, category, collection, pixels,
                                    content, feed_content)
        SELECT :merchant, sku, position, image, source, output, category, collection, pixels, content, feed_content
        FROM incoming n WHERE content IS NOT NULL AND NOT EXISTS (SELECT FROM catalog_images i WHERE {_PLACE})
        ORDER BY number
        """),
        values,
    ).rowcount


def _take_along(connection: Connection, values: dict[str, int]) -> int:
    """Let moved images keep their renditions, and show them; return how many."""
    return connection.execute(
        text(f"""
        WITH shown AS (
            INSERT INTO publications (merchant_id, image_id, rendition_id, before_id, action, made_by, is_first)
            SELECT :merchant, i.id, n.rendition_id, i.publication_id, 'move', 'import', i.publication_id IS NULL
            FROM moved n JOIN catalog_images i ON {_PLACE} WHERE n.rendition_id IS NOT NULL
            RETURNING id, image_id
        )
        UPDATE catalog_images i SET styled_content = n.styled_content, styled_look = n.styled_look,
            styled_model = n.styled_model, styled_source = n.styled_source,
            publication_id = coalesce((SELECT id FROM shown WHERE image_id = i.id), i.publication_id)
        FROM moved n WHERE {_PLACE}
        """),
        values,
    ).rowcount
