"""The commands ``models`` that need the generator: import and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shared.context import open_session
from shared.errors import UsageError
from shared.logs import configure_logs
from shared.merchants import audit
from shared.models.promotion.promotions import promote_by_rule
from shared.models.promotion.rules import PromotionPolicy, Rule
from shared.models.promotion.verdict_notes import notes
from shared.models.promotion.verdicts import StoredVerdict
from shared.settings import load_settings
from shared.terminal import MODELS_HELP, JsonOption, group, note, print_json, print_line
from workers.tools.evaluation_table import aligned


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = group(app, "models", MODELS_HELP)
    models.command("import")(models_import)
    models.command("compare")(models_compare)


def models_import(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint, as in RUN/checkpoint of a training.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the audit log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Take in the checkpoint of a training as a candidate, verified and tried. Nothing is promoted by that."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    with open_session(settings, lasting=False) as session:
        from workers.tools.checkpoint_import import import_checkpoint  # here, so that other commands do not load torch

        done = import_checkpoint(session.engine, session.store, folder, reason)
    if as_json:
        print_json(
            {"version": done.version.id, "state": done.version.state, "trunk_sha256": done.version.trunk_sha256}
            | {"new": done.is_new, "styles": done.styles}
        )
        return
    known = "" if done.is_new else ", which was known: its files are whole again"
    print_line(f"model version {done.version.id}, {done.version.state}, with {len(done.styles)} styles{known}")


def models_compare(
    candidate: Annotated[int, typer.Argument(help="Number of the candidate.")],
    champion: Annotated[int | None, typer.Argument(help="Number of another version; by default the champion.")] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="Folder with photos, split as in training; repeat for several.")
    ] = None,
    styles: Annotated[Path | None, typer.Option(help="Folder with the style images.")] = None,
    vgg: Annotated[str | None, typer.Option(help="VGG-19 features, file or URL; ATELIER_VGG by default.")] = None,
    style: Annotated[list[str] | None, typer.Option(help="Measure only this style; repeat for several.")] = None,
    px: Annotated[int, typer.Option(min=64, help="Long side of the photos.")] = 384,
    sheet: Annotated[Path | None, typer.Option(help="Write the contact sheet to this file, too: .png.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Promote if this allows it: if-better, or 'if-no-style-regresses-by 5%'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a candidate beside the champion on the frozen panel, style by style, and keep the verdict."""
    if not photos or styles is None:
        raise UsageError("name the photos and the style images to measure with: --photos DIR --styles DIR")
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    mandate = PromotionPolicy(Rule.parse(rule), audit.operator()) if rule else None
    with open_session(settings, lasting=False) as session:
        from workers.tools.verdict_files import VerdictFiles, compare_on_files  # here: it loads torch

        files = VerdictFiles(photos, styles, vgg, style or (), px)
        stored = compare_on_files(session, candidate, champion, files, note)
        if sheet is not None and stored.sheet_key is not None:
            _write(sheet, session.store.get(stored.sheet_key))
        decision = promote_by_rule(session.engine, session.store, stored, mandate) if mandate else None
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
    """Return a verdict as lines: a style each, the worst regression first, then what is over all."""
    verdict, measured = stored.verdict, stored.figures.details.measured or {}
    lines = [["style", "candidate ↓", "champion ↓", "change", "white lost", ""]]
    for one in sorted(verdict.styles, key=lambda one: -one.regression):
        both = measured[one.style]
        lines.append(
            [
                one.style,
                *(_shown(which["combined"], ".2f") for which in (both.candidate, both.champion)),
                *(_shown(one.change, "+.1%"), _shown(one.white_lost, "+.1%")),
                "worse" if one.regression > 0 else "",
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
