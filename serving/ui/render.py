"""The HTML of a conversation. Every text in it is escaped here or comes from ``markdown.to_html``."""

from __future__ import annotations

import json
import re
from html import escape

from serving.ui.history import Citation, Emergency, Talk, Turn
from serving.ui.markdown import plain, to_html
from serving.ui.reasons import detail
from serving.ui.texts import TAGS, Language, words

WEB = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;)]")


def _linked(text: str) -> str:
    """A source of ours, with its address to click on."""
    made, at = "", 0
    for hit in WEB.finditer(text):
        address = escape(hit.group())
        made += escape(text[at : hit.start()])
        made += f'<a href="{address}" target="_blank" rel="noopener noreferrer">{address}</a>'
        at = hit.end()
    return made + escape(text[at:])


def _attribution(one: Emergency) -> str:
    if one.url and WEB.fullmatch(one.url):
        return f'<a href="{escape(one.url)}" target="_blank" rel="noopener noreferrer">{escape(one.source)}</a>'
    return escape(one.source)


def banner(talk: Talk, language: Language, turn: Turn | None = None) -> str:
    """What to do first in each emergency that ``talk`` tells of, the latest first; empty where it tells of none."""
    shown = talk.emergencies()
    if turn is not None and turn.emergency is not None:
        shown = [turn.emergency, *(one for one in shown if one.category != turn.emergency.category)]
    if not shown:
        return ""
    parts = [
        f'<div class="o-first" lang="{TAGS[one.language]}"><p>{escape(one.first)}</p>'
        f'<p class="o-source">{words("source", one.language)}: {_attribution(one)}</p></div>'
        for one in shown
    ]
    return (
        f'<div class="o-emergency" role="alert" aria-live="assertive" aria-atomic="true"><h2><span aria-hidden="true" class="o-sign">!</span>{words("emergency", language)}</h2>'
        f'{"".join(parts)}<p class="o-stays">{words("emergency_stays", language)}</p></div>'
    )


def _place(one: Citation, language: Language) -> str:
    parts = [one.heading, one.file] if one.heading else [one.file]
    if one.page is not None:
        parts.append(words("page", language, number=one.page))
    elif one.line is not None:
        parts.append(words("line", language, number=one.line))
    return ", ".join(parts)


def _citations(turn: Turn, key: str, language: Language) -> str:
    cited = [one for one in turn.citations if one.cited]
    shown = cited or turn.citations
    if not shown:
        return ""
    items = "".join(
        f'<li><details id="{key}-p{one.number}" class="o-passage"><summary><span class="o-number">{one.number}</span> '
        f"{escape(_place(one, language))}</summary><blockquote>{plain(one.text)}</blockquote>"
        + "".join(f'<p class="o-source">{words("source", language)}: {_linked(source)}</p>' for source in one.sources)
        + "</details></li>"
        for one in shown
    )
    heading = words("passages" if cited else "passages_found", language)
    return f'<section class="o-citations"><h4>{heading}</h4><ul>{items}</ul></section>'


def _tools(turn: Turn, key: str, language: Language) -> str:
    if not turn.tools:
        return ""
    names = ", ".join(one.name for one in turn.tools)
    items = "".join(
        f"<h5>{escape(one.name)}</h5><p>{words('arguments', language)}</p><pre tabindex='0'>{_json(one.arguments)}</pre>"
        f"<p>{words('result', language)}</p><pre tabindex='0'>{_json(one.result)}</pre>"
        for one in turn.tools
    )
    return f'<details class="o-tools" id="{key}-tools"><summary>{escape(words("tools", language, names=names))}</summary>{items}</details>'


def _json(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return escape(shown)


def fault_html(turn: Turn, language: Language) -> str:
    """Why there is no whole answer, and what to do."""
    if turn.ended == "stopped":
        return f'<p class="o-note">{words("stopped", language)}</p>'
    if turn.fault is None:
        return ""
    remedy = re.sub(r"`([^`]+)`", r"<code>\1</code>", words(turn.fault.kind, language))
    said = f"<strong>{remedy}</strong>"
    told = "".join(
        f'<span lang="{TAGS[tongue]}">{escape(part)}</span>' for part, tongue in detail(turn.fault, language)
    )
    shown = f'<br><span class="o-detail">{told}</span>' if told else ""
    return f'<p class="o-note o-fault">{said} {words("failed_rest", language)}{shown}</p>'


def turn_html(turn: Turn, key: str, language: Language, doing: str = "") -> str:
    """One exchange.

    Args:
        turn: What was asked, and what is answered so far.
        key: Of its ids, one of its own on the page.
        language: Of the labels.
        doing: What is under way, for an answer that is still being written.
    """
    marks = {
        one.number: f'<a class="o-cite" href="#{key}-p{one.number}" aria-label="{words("cite", language, number=one.number)}">'
        f"{one.number}</a>"
        for one in turn.citations
        if one.cited
    }
    waiting = f'<p class="o-doing"><span aria-hidden="true" class="o-dots"></span>{escape(doing)}</p>' if doing else ""
    return (
        f'<article class="o-turn" id="{key}"><div class="o-asked"><h3>{words("you", language)}</h3><p>{plain(turn.question)}</p></div>'
        f'<div class="o-answered"{" aria-busy=" + chr(34) + "true" + chr(34) if doing else ""}><h3>{words("osler", language)}</h3>'
        f'<div class="o-text">{to_html(turn.answer, marks)}</div>{waiting}{fault_html(turn, language)}'
        f"{_tools(turn, key, language)}{_citations(turn, key, language)}</div></article>"
    )


def thread_html(talk: Talk, language: Language) -> str:
    """The whole conversation."""
    if not talk.turns:
        return f'<p class="o-empty">{words("empty", language)}</p>'
    return "".join(turn_html(turn, f"t{talk.id}-{at}", language) for at, turn in enumerate(talk.turns))
