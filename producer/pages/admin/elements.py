"""The elements that the page is made of: moments, tables, and the forms that change things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

REASON = '<label>Reason <input name="reason" required maxlength="1000" autocomplete="off"></label>'

SHARES = "".join(
    f'<option value="{value}">{percent} %, as a canary</option>'
    for percent, value in ((1, "0.01"), (5, "0.05"), (10, "0.1"), (25, "0.25"), (50, "0.5"))
)
"""Shares of the new batches that a candidate may get, to choose from."""


def moment(at: datetime) -> str:
    """Write a moment in UTC, as all on the page are."""
    utc = at.astimezone(UTC)
    return f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{utc:%Y-%m-%d %H:%M}</time>'


def span(seconds: float) -> str:
    """Write how long something lasts."""
    minutes = seconds / 60
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def share(value: float | None) -> str:
    """Write a change as a share; what is not finite was not to be measured."""
    if value is None:
        return "not finite"
    percent = round(100 * value, 1)
    return f"{percent:+.1f} %".replace("-", "−") if percent else "0.0 %"


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """Show numbers with their labels."""
    return "<dl>" + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in pairs) + "</dl>"


def badge(word: str, kind: str = "") -> str:
    """Show a state."""
    return f'<span class="badge {kind or escape(word.split()[0])}">{escape(word)}</span>'


def table(label: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, marked: Sequence[bool] = ()) -> str:
    """Show rows of ready HTML, the first cell as the row's heading; what is ``marked`` stands out.

    On a narrow screen it scrolls by itself, with the keyboard, too.
    """
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = []
    for number, (first, *rest) in enumerate(rows):
        kind = ' class="bad"' if number < len(marked) and marked[number] else ""
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        body.append(f'<tr{kind}><th scope="row">{first}</th>{cells}</tr>\n')
    return (
        f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{''.join(body)}</tbody></table></div>\n"
    )


def action(path: str, label: str, fields: str = "", *, grave: bool = False) -> str:
    """Offer to change something. It takes two steps, so that nothing happens by a slip of the hand."""
    kind = ' class="grave"' if grave else ""
    return (
        f'<details class="act"><summary>{label}…</summary>'
        f'<form method="post" action="{escape(path)}">{fields}<button{kind}>{label}</button></form></details>\n'
    )


def more(summary: str, content: str) -> str:
    """Keep something out of sight until somebody wants it."""
    return f'<details class="more"><summary>{summary}</summary>{content}</details>\n'
