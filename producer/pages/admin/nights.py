"""The calendar of the nights on the page, and rests."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from producer.pages.admin.elements import action, badge, moment, table
from producer.pages.admin.view import View
from shared.catalog.nights import Night
from shared.catalog.schedules import Pause, Schedule


def nights(view: View) -> str:
    """Show whether all rest, and when each merchant's nights are and what became of the last."""
    resting = {pause.merchant: pause for pause in view.pauses}
    rows = [_row(one, view, resting) for one in view.schedules]
    columns = ("merchant", "when", "next, UTC", "last night, UTC", "")
    calendar = table("Calendar", columns, rows) if rows else '<p class="soft">No night begins by itself.</p>'
    return _everybody(resting.get(None)) + calendar


def _everybody(pause: Pause | None) -> str:
    if pause is None:
        return f'<div class="acts">{action("/admin/pause", "Pause all nights", grave=True)}</div>'
    since = f"<p>{badge('paused')} All nights rest since {moment(pause.made_at)}, by {escape(pause.made_by)}.</p>"
    return f'{since}<div class="acts">{action("/admin/resume", "Resume all nights")}</div>'


def _row(one: Schedule, view: View, resting: dict[str | None, Pause]) -> tuple[str, ...]:
    crontab, at = one.timing.crontab, f"/admin/merchants/{quote(one.merchant, safe='')}"
    until = f" to {one.timing.ends_at:%H:%M}" if one.timing.ends_at else ""
    rests = one.merchant in resting
    following = "<br>".join(moment(slot) for slot in crontab.following(view.now, 2))
    last = view.last.get(one.merchant_id)
    return (
        escape(one.merchant),
        f"<code>{escape(crontab.text)}</code>{until} {escape(crontab.zone)}",
        badge("paused") if one.paused else following,
        _last(last) if last else "–",
        action(f"{at}/resume", "Resume") if rests else action(f"{at}/pause", "Pause"),
    )


def _last(night: Night) -> str:
    plan = night.plan or {}
    images = f" · {plan.get('images', 0):,} of {plan['stale']:,} stale" if "stale" in plan else ""
    proof = "" if night.proof == "none" else f" · proof {escape(night.proof)}"
    return f"{moment(night.slot)} {badge(night.state)}{images}{proof}"
