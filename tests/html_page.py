"""A page as its reader has it: the text, the forms, and which tags there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"input", "meta", "img", "br", "link", "path", "circle", "polyline"}
UNSEEN = {"script", "style", "title"}


@dataclass
class Form:
    """Where it goes, what it sends if nobody changes anything, and which fields must be filled in."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)


class HtmlPage(HTMLParser):
    """Read a page. Raises AssertionError on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.forms: list[Form] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self._select = ""
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """What is to be read."""
        return " ".join(" ".join(self._words).split())

    def form(self, action: str) -> Form:
        (found,) = [form for form in self.forms if form.action == action]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "form":
            self.forms.append(Form(given["action"] or ""))
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
        if tag == "option":
            self.forms[-1].values.setdefault(self._select, given["value"] or "")
        if tag == "input" and given.get("type") != "checkbox":
            self.forms[-1].values[name] = given.get("value") or ""
            self.forms[-1].required += [name] if "required" in given else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self._open)

    def handle_data(self, data: str) -> None:
        if not UNSEEN & set(self._open):
            self._words.append(data)
