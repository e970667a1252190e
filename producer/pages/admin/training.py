"""The training runs on the page: how far they are, their curves, and a new one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from producer.pages.admin.chart import charts
from producer.pages.admin.elements import REASON, SHARES, action, badge, moment, more, table
from producer.pages.admin.view import View
from shared.models.promotion.rules import NEVER
from shared.models.training.runs import MOST_PHOTOS, MOST_STEPS, RunSpec, TrainingRun, Trigger

FIELDS = (
    f"{REASON}"
    '<label>What is trained <select name="train"><option value="decoder">decoder</option><option value="all">all'
    '</option><option value="style">style: rows only, in effect at once</option></select></label>'
    '<label>Styles, with commas <input name="styles" maxlength="1000" placeholder="all public ones" '
    'autocomplete="off"></label>'
    f'<label>Steps <input name="steps" type="number" min="1" max="{MOST_STEPS}" value="{RunSpec.steps}"></label>'
    f'<label>Most photos <input name="photos" type="number" min="1" max="{MOST_PHOTOS}" '
    f'value="{RunSpec.photos}"></label>'
    f'<label>Rule that promotes it <input name="rule" maxlength="100" value="{NEVER}" list="rules" '
    f'autocomplete="off"></label><datalist id="rules"><option value="{NEVER}"></option>'
    '<option value="if-better"></option><option value="if-no-style-regresses-by 5%"></option></datalist>'
    '<label>By rule <select name="canary_share"><option value="0">it becomes the champion at once</option>'
    f"{SHARES}</select></label>"
)


def training(view: View) -> str:
    """Show the runs under way in full, the first in line first, those that are over in short, and offer another."""
    over = [run for run in view.runs if run.over]
    shown = "".join(map(_live, view.under_way)) or '<p class="soft">No run is under way.</p>'
    again = action("/admin/runs", "Retrain", f'<input type="hidden" name="key" value="{view.token}">{FIELDS}')
    return shown + (_over(over) if over else "") + f'<div class="acts">{again}</div>' + _schedules(view)


def _live(run: TrainingRun) -> str:
    at = f"/admin/runs/{run.id}/cancel"
    return (
        f'<article class="card" id="run-{run.id}"><header><h3><bdi>{escape(run.reason)}</bdi></h3>'
        f'<p class="soft">{_facts(run)}</p></header>\n'
        f'{progress(run)}<div class="acts">{action(at, "Cancel the run", grave=True)}</div></article>\n'
    )


def progress(run: TrainingRun) -> str:
    """Show how far a run is: a part that is looked at again."""
    return (
        f'<div data-live id="live-{run.id}">{badge(run.state)} '
        f'<progress max="{run.steps}" value="{run.step}" aria-label="steps"></progress> '
        f"step {run.step:,} of {run.steps:,}\n{charts(run.curve, run.steps)}{_message(run)}</div>"
    )


def _over(runs: Sequence[TrainingRun]) -> str:
    return f'<ul class="rows">{"".join(map(_row, runs))}</ul>\n'


def _row(run: TrainingRun) -> str:
    became = f' · <a href="#model-{run.candidate_id}">version {run.candidate_id}</a>' if run.candidate_id else ""
    curves = more("Curves", charts(run.curve, run.steps)) if run.curve else ""
    return (
        f"<li><p><bdi>{escape(run.reason)}</bdi> {badge(run.state)}</p>"
        f'<p class="soft">{_facts(run)} · step {run.step:,} of {run.steps:,}{became}</p>{_message(run)}{curves}</li>\n'
    )


def _facts(run: TrainingRun) -> str:
    styles = f"{len(run.styles)} styles" if len(run.styles) > 3 else escape(", ".join(run.styles))
    whence = escape(run.who if run.trigger == Trigger.ADMIN else run.trigger)
    promoted = "" if run.rule == NEVER else f" · {_promoted(run.rule, run.canary_share)}"
    return f"{moment(run.created_at)} · {whence} · {escape(run.depth)} of {styles}{promoted}"


def _promoted(rule: str, canary_share: float | None) -> str:
    first = f" with a canary of {100 * canary_share:g} %" if canary_share else ""
    return f"promoted <bdi>{escape(rule)}</bdi>{first}"


def _message(run: TrainingRun) -> str:
    if not run.message:
        return ""
    code = f"<code>{escape(run.code)}</code> " if run.code else ""
    return f'<p class="soft">{code}<bdi>{escape(run.message)}</bdi></p>'


def _schedules(view: View) -> str:
    rows = []
    for one in view.training:
        following = one.crontab.following(view.now, 1)
        when = f"<code>{escape(one.crontab.text)}</code> {escape(one.crontab.zone)}"
        wanted = one.wanted
        what = f"{wanted.depth}, {wanted.steps} steps, {_promoted(wanted.rule, wanted.canary)}"
        rows.append((escape(one.trigger), when, moment(following[0]), what))
    if not rows:
        return '<p class="soft">No run begins by itself.</p>'
    return table("When runs begin by themselves", ("trigger", "when", "next, UTC", "what"), rows)
