"""A conversation as a file: Markdown to read, JSON for programs."""

from __future__ import annotations

import json

from serving.ui.history import Talk, Turn
from serving.ui.reasons import detail
from serving.ui.texts import Language, words


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _turn(turn: Turn, language: Language) -> list[str]:
    lines = [f"## {words('you', language)} ({turn.asked})", _quoted(turn.question)]
    if turn.emergency is not None:
        source = " ".join(part for part in (turn.emergency.source, turn.emergency.url) if part)
        lines.append(f"**{words('emergency', language)}**: {turn.emergency.first}")
        lines.append(f"({words('source', language)}: {source})")
    lines += [f"### {words('osler', language)}", turn.answer.strip() or "—"]
    if turn.ended == "stopped":
        lines.append(f"*{words('stopped', language)}*")
    elif turn.fault is not None:
        told = "".join(part for part, _ in detail(turn.fault, language))
        lines.append(f"*{words(turn.fault.kind, language)}* {told}".rstrip())
    for tool in turn.tools:
        shown = {"arguments": tool.arguments, "result": tool.result}
        lines.append(words("tools", language, names=f"`{tool.name}`"))
        lines.append(f"```json\n{json.dumps(shown, ensure_ascii=False, indent=1)}\n```")
    cited = [one for one in turn.citations if one.cited] or turn.citations
    if cited:
        heading = "passages" if cited[0].cited else "passages_found"
        lines.append(f"{words(heading, language)}:")
    for one in cited:
        place = ", ".join(
            [one.file, *([f'"{one.heading}"'] if one.heading else [])]
            + ([words("page", language, number=one.page)] if one.page is not None else [])
            + ([words("line", language, number=one.line)] if one.page is None and one.line is not None else [])
        )
        lines.append(f"[{one.number}] {place}\n{_quoted(one.text)}")
        lines += [f"({words('source', language)}: {source})" for source in one.sources]
    return lines


def to_markdown(talk: Talk, language: Language, model: str) -> str:
    """The conversation in Markdown, with what it is at the top."""
    head = [f"# {talk.title or words('untitled', language)}", words("not_a_doctor", language)]
    head.append(words("model", language, name=model))
    return "\n\n".join([*head, *(line for turn in talk.turns for line in _turn(turn, language))]) + "\n"


def to_json(talk: Talk, model: str) -> str:
    """The conversation in JSON, every field of it."""
    return json.dumps({"model": model, **talk.model_dump(mode="json")}, ensure_ascii=False, indent=1) + "\n"
