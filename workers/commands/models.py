"""Commands ``models import`` and ``models compare``, which need the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shared.context import open_session
from shared.errors import UsageError
from shared.logs import configure_logs
from shared.merchants.actors import operator
from shared.models.promotion.promotions import promote_by_rule
from shared.models.promotion.rules import PromotionPolicy, Rule
from shared.models.promotion.verdict_notes import notes
from shared.models.promotion.verdicts import StoredVerdict
from shared.settings import load_settings
from shared.terminal import MODELS_HELP, JsonOption, group, note, print_json, print_line
from workers.tools.evaluation_table import aligned


def register(app: typer.Typer) -> None:
    """Register the commands."""
    models = group(app, "models", MODELS_HELP)
    models.command("import")(models_import)
    models.command("compare")(models_compare)


def models_import(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Checkpoint of a training, for example RUN/checkpoint.")
    ],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Reason, for the audit log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Import a trained checkpoint as a candidate, after verifying it. It is not promoted."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.tools.checkpoint_import import import_checkpoint  # imported here, since torch loads slowly

        imported = import_checkpoint(session.engine, session.store, operator(), folder, reason)
    if as_json:
        print_json(
            {
                "version": imported.version.id,
                "state": imported.version.state,
                "trunk_sha256": imported.version.trunk_sha256,
            }
            | {"new": imported.is_new, "styles": imported.styles}
        )
        return
    known = "" if imported.is_new else ", already installed; its files have been restored"
    print_line(
        f"model version {imported.version.id}, {imported.version.state}, with {len(imported.styles)} styles{known}"
    )


def models_compare(
    candidate: Annotated[int, typer.Argument(help="Number of the candidate.")],
    champion: Annotated[
        int | None, typer.Argument(help="Number of the version to compare with; the champion by default.")
    ] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="Folder of photos, split as in training; repeat for several.")
    ] = None,
    styles: Annotated[Path | None, typer.Option(help="Folder of style images.")] = None,
    vgg: Annotated[str | None, typer.Option(help="VGG-19 features, a file or URL; ATELIER_VGG by default.")] = None,
    style: Annotated[list[str] | None, typer.Option(help="Compare only this style; repeat for several.")] = None,
    px: Annotated[int, typer.Option(min=64, help="Long side of the photos.")] = 384,
    sheet: Annotated[Path | None, typer.Option(help="Also write the contact sheet to this .png file.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Promote by this rule: if-better, or 'if-no-style-regresses-by 5%'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a candidate with the champion on the frozen panel, style by style, and store the verdict."""
    if not photos or styles is None:
        raise UsageError("give folders of photos and style images: --photos DIR --styles DIR")
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    policy = PromotionPolicy(Rule.parse(rule), operator().name) if rule else None
    with open_session(settings, lasting=False) as session:
        from workers.tools.verdict_files import (  # imported here, since torch loads slowly
            VerdictFiles,
            compare_on_files,
        )

        files = VerdictFiles(photos, styles, vgg, style or (), px)
        stored = compare_on_files(session, candidate, champion, files, note)
        if sheet is not None and stored.sheet_key is not None:
            _write(sheet, session.store.get(stored.sheet_key))
        decision = promote_by_rule(session.engine, session.store, stored, policy) if policy else None
    if as_json:
        print_json(
            {"verdict": stored.id, "candidate": stored.candidate_id, "champion": stored.champion_id}
            | {"sheet": stored.sheet_key, "decision": decision.__dict__ if decision else None}
            | stored.figures.as_json()
        )
        return
    for line in verdict_table(stored):
        print_line(line)
    if decision is not None:
        print_line(f"{'promoted' if decision.promote else 'not promoted'}: {decision.reason}")


def verdict_table(stored: StoredVerdict) -> list[str]:
    """Return a verdict as lines: one per style, the worst regression first, then the total."""
    verdict, measured = stored.verdict, stored.figures.details.measured or {}
    lines = [["style", "candidate ↓", "champion ↓", "change", "white lost", ""]]
    for style in sorted(verdict.styles, key=lambda style: -style.regression):
        both = measured[style.style]
        lines.append(
            [
                style.style,
                *(_shown(which["combined"], ".2f") for which in (both.candidate, both.champion)),
                *(_shown(style.change, "+.1%"), _shown(style.white_lost, "+.1%")),
                "worse" if style.regression > 0 else "",
            ]
        )
    table = aligned(lines)
    table.append(f"all: {verdict.change:+.1%} ± {verdict.error:.1%} on {verdict.photos} photos")
    return table + notes(stored.figures)


def _shown(figure: Any, spec: str) -> str:
    return "–" if figure is None else format(figure, spec)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write to --sheet {path}: {error.strerror}") from error
