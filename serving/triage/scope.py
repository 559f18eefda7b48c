"""Which words of a text are denied, past, supposed or taught, so that a sign among them is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serving.triage.text import Text, is_chinese

# How far a "no" reaches, in words: a list of denied signs in a clinical note is long.
REACH = 14.0
CHINESE_REACH = 6.0
_WHOLE_LISTS = frozenset({("否", "认"), ("无",), ("未", "见"), ("未", "出", "现")})
_SUBJECTS = frozenset(["i", "im", "ive", "he", "hes", "she", "shes", "they", "theyre", "we"])
_OPINION = frozenset(["think", "believe", "that", "if", "feel", "say", "says", "said", "know", "means", "mean", "when"])
_SUDDEN = frozenset({"suddenly", "突然"})
TEXT_WIDE = ("_exam", "_fiction")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Scopes:
    """For each token the starts of the denials that reach it, and whether it is past, or supposed or taught."""

    denied: list[tuple[int, ...]]
    past: list[bool]
    supposed: list[bool]
    elsewhere: bool


def _inside(span: Span, others: Iterable[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end and (start, end) != span for start, end in others)


def _denials(text: Text, cues: dict[str, list[Span]], covering: list[Span]) -> list[tuple[int, ...]]:
    denied: list[list[int]] = [[] for _ in text.tokens]
    ends = {start for start, _ in cues.get("_but", [])}
    restarts = {start for start, _ in cues.get("_restart", [])}
    cover_at: dict[int, list[Span]] = {}
    for span in [*cues.get("_no_denial", []), *covering]:
        for token in range(*span):
            cover_at.setdefault(token, []).append(span)
    for start, end in cues.get("_no", []):
        if _inside((start, end), cover_at.get(start, [])):
            continue
        chinese = is_chinese(text.tokens[start])
        whole = tuple(text.tokens[start:end]) in _WHOLE_LISTS
        for token in range(end, len(text)):
            word = text.tokens[token]
            if text.sentences[token] != text.sentences[start] or word == ";":
                break
            if text.positions[token] - text.positions[end - 1] > (CHINESE_REACH if chinese and not whole else REACH):
                break
            if token in ends and token > end:
                break
            # "doesn't get better I'm going to": a new subject begins a new statement, unless it is what one does not think.
            if word in _SUBJECTS and token > end and text.tokens[token - 1] not in _OPINION and not chinese:
                break
            if word == ":" and chinese and not whole:  # 这不是急症：… denies what stands before the colon
                break
            if word == "," and (
                (chinese and not whole)
                or (token + 1 in restarts)
                or (token + 1 < len(text) and text.tokens[token + 1] in "-")
            ):
                break
            denied[token].append(start)
    for start, _ in cues.get("_no_after", []):
        for token in range(start - 1, -1, -1):
            if text.clauses[token] != text.clauses[start]:
                break
            denied[token].append(start)
    return [tuple(starts) for starts in denied]


def _sentences_with(text: Text, spans: Iterable[Span]) -> set[int]:
    return {text.sentences[start] for start, _ in spans}


def scopes(text: Text, cues: dict[str, list[Span]], covering: list[Span]) -> Scopes:
    """Reads the scopes of a text.

    Args:
        text: The tokens.
        cues: Where each concept of ``lexicon/0_scope.yaml`` stands.
        covering: Wordings of signs of several words: a "not" inside one ("not breathing") denies nothing.
    """
    now, strong = _sentences_with(text, cues.get("_now", [])), _sentences_with(text, cues.get("_now_strong", []))
    past = [False] * len(text)
    supposed = [False] * len(text)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for token, sentence in enumerate(text.sentences):
        first.setdefault(sentence, token)
        last[sentence] = token
    today: dict[int, list[int]] = {}
    for start, _ in sorted([*cues.get("_now", []), *cues.get("_present", [])]):
        today.setdefault(text.sentences[start], []).append(start)
    past_sentences: set[int] = set()
    for start, end in cues.get("_past", []):
        sentence = text.sentences[start]
        past_sentences.add(sentence)
        # Back over its clause, or the whole sentence where nothing in it is of today; on until something is.
        begin, stop = first[sentence], last[sentence] + 1
        if sentence in today:
            begin = max(begin, next(t for t in range(start + 1) if text.clauses[t] == text.clauses[start]))
            stop = next((token for token in today[sentence] if token >= end), stop)
        past[begin:stop] = [True] * (stop - begin)
    present = _sentences_with(text, cues.get("_present", [])) | now
    verbs = _sentences_with(text, cues.get("_pastverb", []))
    for sentence in sorted(first):
        if sentence - 1 in past_sentences and sentence in verbs and sentence not in present | strong:
            past_sentences.add(sentence)
            for token in range(first[sentence], last[sentence] + 1):
                past[token] = True
    # "As if someone sat on my chest" compares and supposes nothing.
    suppositions = [span for span in cues.get("_if", []) if text.tokens[span[0] - 1 : span[0]] != ["as"]]
    # "If he ever suddenly collapsed": the suddenness is supposed with the rest.
    begun: dict[int, int] = {}
    for start, _ in suppositions:
        begun[text.clauses[start]] = min(start, begun.get(text.clauses[start], start))
    real = [
        (start, end)
        for start, end in cues.get("_now_strong", [])
        if "".join(text.tokens[start:end]) not in _SUDDEN or start < begun.get(text.clauses[start], len(text))
    ]
    for found, urgent in (
        (cues.get("_teach", []), strong),
        (cues.get("_prevent", []), strong),
        (suppositions, _sentences_with(text, real)),
    ):
        for sentence in _sentences_with(text, found) - urgent:
            for token in range(first[sentence], last[sentence] + 1):
                supposed[token] = True
    someone = _sentences_with(text, cues.get("_someone", []))
    for sentence in _sentences_with(text, cues.get("_teach_weak", [])) - strong - someone:
        supposed[first[sentence] : last[sentence] + 1] = [True] * (last[sentence] + 1 - first[sentence])
    if cues.get("_story_weak") and not cues.get("_relative") and not cues.get("_now_strong"):
        for sentence in range(text.sentences[-1] + 1):
            supposed[first[sentence] : last[sentence] + 1] = [True] * (last[sentence] + 1 - first[sentence])
    pet = bool(cues.get("_pet")) and not cues.get("_pet_not")
    elsewhere = pet or (any(cues.get(name) for name in TEXT_WIDE) and not cues.get("_help"))
    return Scopes(_denials(text, cues, covering), past, supposed, elsewhere)
