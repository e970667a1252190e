"""The model versions on the page: the champion, whoever may follow, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from html import escape
from typing import Any

from producer.pages.admin.elements import REASON, SHARES, action, badge, moment, more, share, table
from producer.pages.admin.view import View
from shared.models.promotion.history import Promotion
from shared.models.promotion.verdict_notes import notes
from shared.models.promotion.verdicts import VerdictFigures

Version = Mapping[str, Any]

HOW_MUCH = (
    '<label>Of the new batches <select name="canary_share"><option value="">all: make it the champion</option>'
    f"{SHARES}</select></label>"
)
WITHOUT = (
    '<label class="check"><input type="checkbox" name="without_own_styles" value="true"> although merchants\' own '
    "styles have no rows for it</label>"
)


def models(view: View) -> str:
    """Show what is used, the champion first, and what may be; keep the retired and the history at hand."""
    used = sorted(view.models, key=lambda one: (one["state"] != "champion", one["canary_share"] is None))
    retired = [(f"Version {one.id}", _facts(asdict(one))) for one in view.retired]
    return (
        "".join(map(_card, used))
        + (more("Retired", table("Retired versions", ("version", "made"), retired)) if retired else "")
        + (more("History", _history(view.history)) if view.history else "")
    )


def _card(one: Version) -> str:
    kept = [_canary(one["canary"])] if one["canary"] else []
    if one["verdicts"]:
        newest, *older = one["verdicts"]
        kept.append(_verdict(newest))
        if older:
            kept.append(more(f"Earlier verdicts <small>{len(older)}</small>", "".join(map(_line, older))))
    elif one["state"] == "candidate":
        kept.append(f'<p class="soft">No verdict yet: <code>atelier models compare {one["id"]}</code> gives one.</p>')
    state = f"canary {100 * one['canary_share']:g} %" if one["canary_share"] else one["state"]
    return (
        f'<article class="card" id="model-{one["id"]}"><header><h3>Version {one["id"]}</h3>{badge(state)}'
        f'<p class="soft">{_facts(one)}</p></header>\n{"".join(kept)}<div class="acts">{_acts(one)}</div></article>\n'
    )


def _facts(one: Version) -> str:
    own = f" and {one['own_styles']} of merchants" if one["own_styles"] else ""
    running = f" · {one['running_batches']} batches run on it" if one["running_batches"] else ""
    trunk = f"<code>{escape(one['trunk_sha256'][:12])}</code>"
    return f"{moment(one['created_at'])} · {trunk} · {one['public_styles']} styles{own}{running}"


def _acts(one: Version) -> str:
    at = f"/admin/models/{one['id']}"
    if one["state"] == "champion":
        champion = f'<input type="hidden" name="champion" value="{one["id"]}">'
        return action("/admin/models/rollback", "Roll back", champion + REASON, grave=True)
    ends = action(f"{at}/promote", "End the canary", '<input type="hidden" name="canary_share" value="0">' + REASON)
    return (
        action(f"{at}/promote", "Promote", REASON + HOW_MUCH + WITHOUT)
        + (ends if one["canary_share"] else "")
        + action(f"{at}/retire", "Retire", REASON, grave=True)
    )


def _verdict(one: Mapping[str, Any]) -> str:
    found = one["figures"]
    styles = sorted(found["styles"], key=lambda style: -_regression(style))
    rows = [(escape(style["style"]), share(style["change"]), _white(style), _word(style)) for style in styles]
    columns = ("style", "combined", "white lost", "")
    told = [f'<p class="soft"><bdi>{escape(line)}</bdi></p>' for line in notes(VerdictFigures.from_json(found))]
    marked = [_regression(style) > 0 for style in styles]
    return (
        f'<section class="verdict"><div>{_line(one)}'
        + table(f"Verdict {one['id']} by style", columns, rows, marked=marked)
        + "".join(told)
        + f"</div>{_sheet(one)}</section>\n"
    )


def _line(one: Mapping[str, Any]) -> str:
    found = one["figures"]
    error = "no error known" if found["error"] is None else f"± {100 * found['error']:.1f} %"
    return (
        f"<p>Beside version {one['champion_id']}: <b>{share(found['change'])}</b> {error} on {found['photos']} photos; "
        f'less is better <span class="soft">({moment(one["made_at"])}, {escape(one["made_by"])})</span></p>'
    )


def _sheet(one: Mapping[str, Any]) -> str:
    if not one["sheet_key"]:
        return ""
    at = f"/admin/verdicts/{one['id']}/sheet"
    alt = f"Contact sheet of verdict {one['id']}: each style by the champion (1) and by the candidate (2)"
    return f'<a class="sheet" href="{at}"><img src="{at}" alt="{alt}" loading="lazy" decoding="async"></a>'


def _regression(style: Mapping[str, Any]) -> float:
    """How much worse a style is; what is not finite could not be worse."""
    found = style["regression"]
    return float("inf") if found is None else float(found)


def _white(style: Mapping[str, Any]) -> str:
    return "–" if style["white_lost"] is None else share(style["white_lost"])


def _word(style: Mapping[str, Any]) -> str:
    """Say in which way a style is worse."""
    if _regression(style) <= 0:
        return ""
    return "worse" if style["change"] is None or style["change"] > 0 else "loses white"


def _canary(canary: Mapping[str, Any]) -> str:
    begun = f"<p>{100 * canary['share']:g} % of the new batches since {moment(canary['started_at'])}.</p>"
    found = canary["figures"] or {}
    rows = [
        (escape(name), f"{one['canary']:.4g}", f"{one['champion']:.4g}", f"{one['p']:.2g}",
         "worse" if one["worse"] else "")
        for name, one in found.items()
    ]  # fmt: skip
    columns = ("figure", "canary", "champion", "p", "")
    return begun + (table("The canary beside the champion", columns, rows) if rows else "")


def _history(entries: Iterable[Promotion]) -> str:
    rows = [
        (
            moment(one.at),
            f"Version {one.version_id}",
            escape(one.kind),
            escape(one.who),
            f"<bdi>{escape(one.reason)}</bdi>",
        )
        for one in entries
    ]
    return table("History", ("when", "which", "what", "who", "why"), rows)
