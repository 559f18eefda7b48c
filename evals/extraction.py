"""Which options a reply names as its answer: by letter or by an option's own words, in English and Chinese.

Nothing is guessed: a reply that states no answer gives None, never a default letter. How a reply is read:

1. Thoughts are cut off; LaTeX boxes, JSON fields and ``<answer>`` tags are rewritten as "Answer: …"; width, script and markup are made one.
2. *Statements* are looked for: what follows a cue ("the answer is", "I choose", "答案是", "故选", "so"), what has a verdict ("C is correct",
   "C项正确"), and a reply or its last line that is an answer by itself ("C", "C. Aspirin"). A letter counts only where a label can stand: "CT",
   "B cells", "E. coli", "B超", "vitamin C" and "A patient" have none.
3. One that is denied ("is not B", "B is wrong"), asked ("is it B?") or supposed ("if …, it would be B") is none.
4. The statements are weighed in order. A "final answer" outweighs a plain one, a plain one a mere "it might be". Of two that differ with equal
   weight the later counts if the reply corrects itself between them ("wait", "actually", "不对"); else the reply contradicts itself and gives None.
5. A letter beside another option's words, a letter that no option has, "B or C", or several letters where one is asked for give None.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpora.curate.units import simplified, units

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPOKEN_UP_TO = 4000  # characters at the reply's end that are read: a final answer stands there, or at the start
_I = re.IGNORECASE

# Where a thought ends, and where one begins: DeepSeek-R1 and Qwen3, others with other tags, Magistral, Kimi, MedGemma, gpt-oss, HuatuoGPT-o1.
_THOUGHT_ENDS = re.compile(
    r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|◁/think▷|<unused95>"
    r"|<\|channel\|>final<\|message\|>|^\#\# Final Response[ \t]*$",
    re.MULTILINE,
)
_THOUGHT_BEGINS = re.compile(
    r"<(?:think|thinking|thought|reasoning|seed:think)>|\[THINK\]|◁think▷|<unused94>"
    r"|<\|channel\|>analysis<\|message\|>|^\#\# Thinking[ \t]*$",
    re.MULTILINE,
)


def after_thinking(text: str) -> str | None:
    """The reply without its thoughts; None when it ends in the middle of them.

    A chat format may itself open the thought, so that a closing mark is enough.
    """
    last = None
    for last in _THOUGHT_ENDS.finditer(text):  # noqa: B007 (the last one is wanted)
        pass
    rest = text[last.end() :] if last else text
    return None if _THOUGHT_BEGINS.search(rest) else re.sub(r"<\|(?:return|end)\|>", "", rest).strip()


def strip_thinking(text: str) -> str:
    """The reply without its thoughts; empty when it ends in the middle of them."""
    return after_thinking(text) or ""


# --- One form -------------------------------------------------------------------------------------------------------------------------

_WRAPPED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mbox|rm|bf)\s?\{([^{}]{0,300})\}")
_BOXED = re.compile(r"\\(?:boxed|fbox)\s?\{([^{}]{0,300})\}")
_TAGGED = re.compile(r"<(answer|final_answer|choice)>([^<]{0,300})</\1>", _I)
_FIELD = re.compile(
    r"[\"'](?:(?:final|correct)?[_ ]?(?:answers?|choice|option)(?:[_ ]?(?:letter|choice|option))?|selected(?:[_ ]?option)?|(?:正确|最终)?答案)[\"']"
    r"\s?:\s?(?:[\"']([^\"'\n]{1,300})[\"']|\[([^\]\n]{1,300})\])",
    _I,
)
_MARKUP = re.compile(
    r"</?(?:b|i|strong|em|u|p|br)\s?/?>|(?<![A-Za-z0-9])\*+|\*+(?![A-Za-z0-9])|(?<!\w)_+|_+(?!\w)|[`$#【】「」『』]|\\[()\[\]]",
    _I,
)


def _one_form(text: str) -> str:
    text = simplified(unicodedata.normalize("NFKC", text)).replace("’", "'").replace("‘", "'")
    text = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    text = unicodedata.normalize("NFC", text)
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    text = _BOXED.sub(r"\nAnswer: \1\n", text)
    text = _TAGGED.sub(r"\nAnswer: \2\n", text)
    text = _FIELD.sub(lambda found: "\nAnswer: " + re.sub("[\"']", "", found[1] or found[2]) + "\n", text)
    return _MARKUP.sub("", text).strip()


# --- A label, or an option's words, at a place -----------------------------------------------------------------------------------------

_OPENING = re.compile(
    r"[\s:\"'“(\[{<]{0,6}(?:(?:the\s)?(?:option|choice|letter|answer)s?(?![a-z])|选项)?[\s:\"'“(\[{<]{0,6}", _I
)
_APART = r"[)\]]?(?:\s?(?:[,;、&+和与及]|以及)\s?|\s?,?\s?and\s|\s)(?:(?:and|also)\s)?(?:option\s)?[(\[]?"
_LETTER = re.compile(r"([A-Z]|[a-j])(?![A-Za-z0-9]|'[A-Za-z])")
_NEXT_LETTER = re.compile(rf"{_APART}(?:([A-Z])|([a-j]))(?![A-Za-z0-9]|'[A-Za-z]|\.\s?[a-z])")  # not that of "E. coli"
_GLUED = re.compile(
    r"[A-J]{2,10}(?=[\s)\]}\"”>]{0,3}(?:$|[.,;:!?\n(。，；、！？]|选项|项|是|为|因|两|三|四|五|都|均|全|正确|对)|\s(?:because|since|are|is)\b)"
    r"|[a-j]{2,10}(?=[\s.)\]}\"]*(?:\n|$))"
)
_GOES_ON = (
    r"(?:because|since|as|which|due|given|based|for|with|by|is|are|was|so|thus|but|and|not|rather|instead|although|though|while|only|"
    r"hence|if|or|explanation|reason|reasoning|rationale|justification|note|i|it|this|that|the|correct|right)\b"
)
_AFTER_LABEL = re.compile(
    rf"[)\]}}\"'”>]{{0,3}}\s{{0,3}}(?:$|[.,;:!?)\]}}\n\"'”(\[/=。，；：！？、—–…|]|-\s|-+>|→|{_GOES_ON}|(?<=\s)[㐀-鿿]|"
    r"(?:选项|项|是|为|因|由|两|三|四|五|都|均|全|吗|呢|吧|正确|对|错|不|而|但|或|有误|符合|最|故|所以))",
    _I,
)
_NOT_ABBREVIATED = re.compile(rf"\.(?:\s?$|\s?\n|\s*[^a-z\s]|\s+(?i:{_GOES_ON}))")
_CLOSING = re.compile(r"[\s)\]}.:、,;\"'”-]{0,6}")
_AFTER_WORDS = re.compile(
    r"[\s\"'”}\])]{0,4}(?:$|\.(?!\d)|[,;:!?\n(。，；、！？—–]|-\s|(?:because|since|as|which|due to|given|is (?:the )?(?:correct|right|best))\b|因为|由于|吗)",
    _I,
)
_JOINT = re.compile(r"\s?(?:[,;、&/\n]|和|与|及|或)\s?(?:(?:and|or)\s)?|\s(?:and|or|&)\s", _I)
_ALL = re.compile(
    r"all (?:of )?(?:the (?:above|options)|these|them)|(?:以上|上述)(?:选项)?(?:都|均|全)(?:是|对|正确|选)|全选", _I
)
_OR = re.compile(
    r"(?:[)\].:,]\s?[^\s,.;]{1,30}(?:\s[^\s,.;]{1,30}){0,3})?[\s)\]\"]{0,4}(?:,\s?)?(?:or\b|或|还是|/)[\s(\[\"]{0,4}(?:maybe\s|perhaps\s|possibly\s|even\s)?(?:option\s|选项)?[A-Ja-j](?![A-Za-z])",
    _I,
)
_ASKED = re.compile(r"[\s)\]}\"']{0,4}(?:[?？]|吗|呢)")


@functools.lru_cache(maxsize=4096)
def _phrase(option: str) -> re.Pattern[str] | None:
    words = units(option)
    if not words:
        return None
    run = r"[\W_]{0,4}".join("'?".join(map(re.escape, word)) if word.isascii() else re.escape(word) for word in words)
    negative = r"-" if re.match(r"\s*-\s*\d", option) else ""
    return re.compile(rf"[\s\"'“(\[]{{0,4}}(?:(?:an?|the)\s)?{negative}{run}(?![a-z0-9%])", _I)


@dataclass(frozen=True)
class _Named:
    """Options named at a place of the text; ``places`` is None where they contradict each other or do not exist."""

    places: frozenset[int] | None
    end: int


class _Reader:
    """A reply and the options that it chooses from."""

    def __init__(self, text: str, options: Sequence[str], several: bool) -> None:
        self.text = text
        self.options = options
        self.several = several

    def words(self, start: int) -> _Named | None:
        """The option whose words stand at ``start``, the longest; no words but another option's may follow in the clause."""
        best: _Named | None = None
        for place, option in enumerate(self.options):
            phrase = _phrase(option)
            match = phrase.match(self.text, start) if phrase else None
            if match and (best is None or match.end() > best.end) and self._ended(match.end()):
                best = _Named(frozenset({place}), match.end())
        return best

    def _ended(self, end: int) -> bool:
        if _AFTER_WORDS.match(self.text, end):
            return True
        joint = _JOINT.match(self.text, end)
        return joint is not None and any(
            phrase.match(self.text, joint.end()) for phrase in map(_phrase, self.options) if phrase
        )

    def label(self, start: int) -> _Named | None:
        """The label or labels that stand at ``start``."""
        text = self.text
        found = _LETTER.match(text, start)
        if found:
            named, end = [found[1]], found.end()
            small = named[0].islower()
            # "(B) B cells" is one label with its words.
            while not self.words(_CLOSING.match(text, end).end()):  # type: ignore[union-attr]
                more = _NEXT_LETTER.match(text, end)
                if more is None or small != bool(more[2]):
                    break
                named.append(more[1] or more[2])
                end = more.end()
        else:
            glued = _GLUED.match(text, start)
            if not glued:
                return None
            named, end = list(glued[0]), glued.end()
            if len(set(named)) < len(named) or (glued[0].islower() and named != sorted(named)):
                return None
            if any(_LETTERS.index(letter.upper()) >= len(self.options) for letter in named):
                return None  # "CABG" among five options is a word
        places = frozenset(_LETTERS.index(letter.upper()) for letter in named)
        beside = self.words(_CLOSING.match(text, end).end()) if end < len(text) else None  # type: ignore[union-attr]
        if beside is not None and len(named) == 1 and "\n" not in text[end : beside.end].strip(" )].:\n")[:1]:
            close = "\n" not in text[end : _CLOSING.match(text, end).end()]  # type: ignore[union-attr]
            if close:
                return _Named(places if places == beside.places else None, beside.end)
        if not _AFTER_LABEL.match(text, end):
            own = _phrase(self.options[min(places)]) if max(places) < len(self.options) else None
            if own is None or not own.match(text, end):
                return None
        elif text[end : end + 1] == "." and text[end + 1 : end + 2] != "." and not _NOT_ABBREVIATED.match(text, end):
            return None  # "E. coli"
        if max(places) >= len(self.options):
            return _Named(None, end)
        return _Named(places, end)

    def named(self, start: int) -> _Named | None:
        """What a cue that ends at ``start`` is followed by: an option's words, or labels."""
        begin = _OPENING.match(self.text, start).end()  # type: ignore[union-attr]
        by_words = self.words(start) or self.words(begin)
        by_label = self.label(begin)
        if by_label is not None and by_label.places is not None and (self.several or len(by_label.places) == 1):
            # "A fracture of the hip" is no label, since words follow; "A. Aspirin" is one with its words.
            if by_words is None or by_words.end <= by_label.end:
                return by_label
        if by_words is not None:
            return self._joined(by_words)
        return self.everything(begin) or by_label

    def everything(self, start: int) -> _Named | None:
        """All options, where several may be right and "all of the above" is none of them."""
        found = _ALL.match(self.text, start) if self.several else None
        return _Named(frozenset(range(len(self.options))), found.end()) if found else None

    def worded(self, start: int) -> _Named | None:
        """The option whose words stand at ``start``, or the options where several may be right."""
        first = self.words(start)
        return self._joined(first) if first else None

    def _joined(self, first: _Named) -> _Named:
        """``first`` with the options whose words are joined to it; a contradiction where one alone is asked for, or a choice is left."""
        places, end = first.places or frozenset(), first.end
        open_choice = False
        while joint := _JOINT.match(self.text, end):
            more = self.words(joint.end())
            if more is None:
                break
            open_choice |= joint[0].strip() in ("or", "或", "/")
            places, end = places | (more.places or frozenset()), more.end
        return _Named(places if not open_choice and (self.several or len(places) == 1) else None, end)


# --- Statements -------------------------------------------------------------------------------------------------------------------------

_WEAK, _PLAIN, _FINAL = range(3)
_GAP = r"(?:,\s?(?:therefore|then|thus|hence|I think|I believe|in my opinion|in short),)?[^.;!?\n。；！？,，:：]{0,60}?"
_SURE = r"(?:\s?(?:most likely|likely|probably|definitely|clearly|certainly|therefore|thus|hence|indeed|then|simply|now|actually|obviously|surely|best|still|,)\b,?){0,3}"
_IS = rf"(?:\b(?:is|are|was|will be|would be|should be|must be|has to be)\b|'s\b){_SURE}\s?:?|\s?(?:[:=：]|-+>|→)|\s?(?:应该是|应当是|应是|应为|就是|也就是|便是|还是|[是为选])[:：]?"
_NOUN = r"\b(?:answers?|(?:correct|best|right|final|chosen|my)\s(?:option|choice|response|selection)s?|(?:most likely |likely |final |correct )?diagnosis)\b(?!\s(?:choices|options)\b)|答案|(?:正确|最佳)的?(?:选项|选择|项)|诊断"
# Each cue ends where the answer begins.
_CUES: list[tuple[int, re.Pattern[str]]] = [
    (_PLAIN, re.compile(rf"(?:{_NOUN})(?:\s\([a-z ]{{1,20}}\))?{_GAP}(?:{_IS})", _I)),
    (_PLAIN, re.compile(rf"(?:{_NOUN})\s?(?:choice|option)?(?=[\s(\[]{{0,3}}[A-J]{{1,10}}(?![A-Za-z]))", _I)),
    (
        _PLAIN,
        re.compile(
            r"\b(?:choose|chose|choosing|pick|picked|select|selected|go(?:ing)? with|went with|opt(?:ing|ed)? for|guess(?: is| would be)?|vote for|settle on|"
            r"stick with|lean(?:ing)? towards?|I(?:'d| would) (?:say|answer)|I(?:'ll| will) (?:say|answer))\s?:?",
            _I,
        ),
    ),
    (_PLAIN, re.compile(r"(?<![挑筛入备可单多])选(?!项)(?:择|定|取)?(?:答案|选项)?[:：为是]?")),
    (
        _PLAIN,
        re.compile(r"(?:而是|而应(?:该)?(?:选|是)|应该是|应当是|应为|改(?:选|为)|剩下(?:的)?(?:只有)?(?:是)?)[:：]?"),
    ),
    (
        _PLAIN,
        re.compile(
            r"(?:\b(?:wait|actually|sorry|oops|correction|I mean|I meant|rather|instead|(?<!anything )(?<!nothing )but)\b|\bno(?=[,.]))[\s,.:;!—–-]{0,4}(?:actually[, ]{0,2})?(?:(?:it's|it is|it should be|that's|make that)\s)?",
            _I,
        ),
    ),
    (
        _PLAIN,
        re.compile(
            r"\b(?:so|therefore|thus|hence|consequently)\b,?\s?(?:(?:it's|it is|it must be|that's)\s)?(?:only\s)?|(?:所以|因此|故|综上)[,，]?(?:是|为|只有)?",
            _I,
        ),
    ),
    (_PLAIN, re.compile(r"\b(?:leaving|leaves|left with)\s(?:us\s|me\s)?(?:with\s)?(?:only\s|just\s)?", _I)),
    (
        _WEAK,
        re.compile(
            rf"(?:\b(?:it|this|that)(?:'s|\sis|\swas)|\b(?:must|has to|should|ought to|have to) be|\bI (?:think|believe|suspect)){_SURE}\s(?:it's\s|it is\s)?",
            _I,
        ),
    ),
    (
        _WEAK,
        re.compile(
            r"\b(?:might|could|may|can) (?:also )?be\s|\b(?:perhaps|probably|possibly|likely)\s|(?:可能是|也许是|大概是|我认为是|我觉得是)",
            _I,
        ),
    ),
]
_FINALLY = re.compile(r"\bfinal\b|最终|最后答案", _I)
_HEDGED = re.compile(
    r"\b(?:might|could|may|initially|seems?|appears?|tempting|at first|first thought|first instinct)\b|可能|似乎|起初|最初|一开始",
    _I,
)

_BEFORE_VERDICT = r"(?:^|[.,;:!?\n(。，；：！？、]\s?|\b(?i:option|options|choice|choices|answer|letter|that|only|so|therefore|thus|hence|but|while|whereas|think|believe|since|because|then|and|both|say)\s\(?|选项|只有|所以|因此|故|以|为|知|[\s(](?<=[㐀-鿿，。]\s))"
_RIGHT = (
    r"(?:(?:is|are|seems?|looks?|was|would be|must be|has to be|=|:|-|–|—)\s?)(?:all\s|both\s|also\s|indeed\s|clearly\s|definitely\s|therefore\s|thus\s|the\s|most\s|more\s|single\s|only\s|a\s){0,4}"
    r"(?:correct|right|best|true|appropriate|accurate|suitable|likely|probable|answers?|closest)\b"
    r"|[✓✔✅☑]|(?:选项|项)?(?:说法|描述)?(?:均|都|才|也|显然|完全|更|最)?(?:是|为)?(?:最|唯一)?(?:正确|对(?!于|照|比|应|症|称)|合适|恰当|符合题意|最佳)"
)
_VERDICT = re.compile(
    rf"{_BEFORE_VERDICT}(?P<label>[A-J](?:{_APART}[A-J]){{0,8}}|[A-J]{{2,6}}|\([a-j]\))[)\]]?\s?(?:[.:、]\s?[^\n.;。；]{{0,80}}?[\s—–:-]{{1,3}}(?=(?:correct|right|true|[✓✔✅☑]|正确)))?(?:(?i:{_RIGHT})|(?<=\s)(?:correct|right|true)\b|正确)",
    re.MULTILINE,
)

# What undoes a statement: before it in its clause, or behind it.
_DENIED = re.compile(
    r"\b(?:not|neither|nor|never|cannot|unlikely|if|whether|why|incorrect|wrong|rather than|instead of|rule out|ruled out|exclude|eliminate|anything but|unless|"
    r"(?:is|are|do|does|did|was|would|could|should|can|wo|has|had)n't|don't|can't)\b|[不非没勿莫]|(?<![特分鉴级类区性个])别|是否|如果|假如|排除|错误|若",
    _I,
)
_NO_DENIAL = re.compile(
    r"\bif (?:I (?:had|have|were|must)|forced)\b|\bnot only\b|\bnot (?:surprisingly|hard to see)\b|不难|不仅|不但|不用说|毫不犹豫|非常|除非",
    _I,
)
_CLAUSE = re.compile(
    r"[.;!?,\n。；！？，:：]|\b(?:so|therefore|thus|hence|but|because|since|however|instead)\b|而是|所以|因此|故", _I
)
_UNDONE = re.compile(
    r"[)\]\"'\s]{0,4}(?:选项|项)?\s?(?:(?:is|are|was|would be|seems?|can be|could be|looks?|may be|might be)\s)?(?:also\s|clearly\s|definitely\s|likely\s|probably\s|the\s|a\s|an\s|less\s|是|为|也|可|都|均|明显|显然){0,3}"
    r"(?:not\b|n't|isn't|wrong|incorrect|false|excluded|ruled out|eliminated|unlikely|less likely|tempting|distractor|cannot|can't|out\b|不|错|非|有误|排除|被排除)",
    _I,
)
_SUPPOSED = re.compile(
    r"^\s*(?:if|had|were|unless|如果|假如|若|倘若)(?! (?:I|forced))[^.!?\n]{0,200}\bwould\b|^\s*(?:如果|假如|若|倘若)",
    _I,
)
_SENTENCE = re.compile(r"[.!?\n。！？](?=\s|$)|[\n。！？]")
_CORRECTS = re.compile(
    r"\b(?:wait|actually|sorry|oops|correction|correcting|corrected|I mean|I meant|on second thoughts?|on reflection|reconsider\w*|re-?think\w*|re-?read\w*|re-?examin\w*|re-?evaluat\w*|mistake\w*|misread|"
    r"mistaken|was wrong|is wrong|incorrect|however|rather|instead|hmm|let me (?:re|check|think)\w*|but|scratch that|changed? my|no)\b"
    r"|不对|等等|等一下|更正|纠正|改为|改选|重新|抱歉|其实|说错|写错|而是|但是|然而|不过|修正|仔细",
    _I,
)


@dataclass(frozen=True)
class _Statement:
    start: int
    named: int  # where its labels or words begin
    end: int
    places: frozenset[int] | None
    weight: int
    verdict: bool = False


def _stands(text: str, start: int, named_start: int, named_end: int) -> bool:
    """Whether a statement that begins at ``start``, and its label at ``named_start``, is neither denied, asked nor supposed."""
    if _ASKED.match(text, named_end) or _UNDONE.match(text, named_end):
        return False
    before = text[max(0, start - 80) : named_start]
    sentence = _SENTENCE.split(text[max(0, start - 240) : start])[-1]
    if _SUPPOSED.match(sentence + text[start:named_end]):
        return False
    return not _DENIED.search(_NO_DENIAL.sub("", _CLAUSE.split(before)[-1]))


def _after_cues(reader: _Reader) -> Iterator[_Statement]:
    text = reader.text
    for weight, cue in _CUES:
        for match in cue.finditer(text):
            said = match[0]
            named = reader.named(match.end())
            if named is None or not _stands(text, match.start(), match.end(), named.end):
                continue
            places = None if _OR.match(text, named.end) else named.places
            clause = _CLAUSE.split(text[max(0, match.start() - 40) : match.start()])[-1] + said
            heavy = _FINAL if weight == _PLAIN and _FINALLY.search(clause) else weight
            yield _Statement(
                match.start(),
                match.end(),
                named.end,
                places,
                _WEAK if _HEDGED.search(clause) and heavy == _PLAIN else heavy,
            )


def _verdicts(reader: _Reader) -> Iterator[_Statement]:
    text = reader.text
    for match in _VERDICT.finditer(text):
        label = match["label"]
        letters = re.findall(r"[A-Ja-j]", re.sub(r"\band\b|\boption\b|also", "", label))
        places = frozenset(_LETTERS.index(letter.upper()) for letter in letters)
        before = _CLAUSE.split(text[max(0, match.start("label") - 60) : match.start("label")])[-1]
        if _DENIED.search(before) or _ASKED.match(text, match.end()) or _OR.match(text, match.end("label")):
            continue
        if re.search(r"(?:\bor|或)\s?$", before):
            continue
        yield _Statement(
            match.start("label"),
            match.start("label"),
            match.end(),
            places if max(places) < len(reader.options) else None,
            _PLAIN,
            verdict=True,
        )


_LABELS = re.compile(r"(?:^|(?<=[\s(]))\(?([A-J])(?:[):、]|\.(?!\s?[a-z.]|\s*$))(?![A-Za-z0-9_])", re.MULTILINE)
_BARE_HEAD = re.compile(r"[\s>•\-(\[\"'“]{0,4}(?:(?:option|choice|answer)\s|选项\s?)?[:：]?[\s(\[]{0,2}", _I)


def _bare(reader: _Reader) -> Iterator[_Statement]:
    """The reply's first line, and its last, where they are an answer by themselves."""
    text = reader.text
    labels = set(_LABELS.findall(text))
    last = text.rfind("\n") + 1
    for start in sorted({0, last}):
        head = _BARE_HEAD.match(text, start).end()  # type: ignore[union-attr]
        by_label = reader.label(head)
        small = text[head : head + 1].islower()
        if by_label is not None and small and not re.match(r"[).\]\"]{0,2}\s*(?:$|\n)|\)\s", text[by_label.end :]):
            by_label = None
        if by_label is not None and re.match(
            r"[)\]]?[ \t]+(?:is|are|was|and(?! not)|or|not|with|by|for|the|this|that|it|i|as|so|but|if)\b|(?:选项|项)(?!\s*(?:$|[。.,，;；\n]))",
            text[by_label.end :],
            _I,
        ):
            by_label = None  # a sentence about it
        if by_label is not None:
            named = {_LETTERS[place] for place in by_label.places or ()}
            if labels <= named or (by_label.places is None and len(labels) <= 1):
                places = None if _OR.match(text, by_label.end) else by_label.places
                if _stands(text, start, head, by_label.end):
                    yield _Statement(start, start, by_label.end, places, _PLAIN)
                continue
        named_words = reader.worded(start) or reader.everything(start)
        if named_words is not None and not labels and _stands(text, start, start, named_words.end):
            yield _Statement(start, start, named_words.end, named_words.places, _WEAK)


def _weighed(statements: list[_Statement], text: str, several: bool) -> frozenset[int] | None:
    """What the statements come to, in the order of the reply."""
    current: _Statement | None = None
    for one in sorted(statements, key=lambda one: (one.start, one.end)):
        if current is None or one.places == current.places:
            current = (
                one
                if current is None
                else _Statement(
                    one.start,
                    one.named,
                    max(one.end, current.end),
                    one.places,
                    max(one.weight, current.weight),
                    one.verdict,
                )
            )
            continue
        if one.end <= current.end:  # within the other: "answer is" in "final answer is"
            if one.weight > current.weight:
                current = one
            continue
        corrected = _CORRECTS.search(text, max(0, current.end - 1), max(one.named, current.end - 1))
        if one.weight > current.weight or (corrected and one.weight >= _PLAIN):
            current = one
        elif one.weight == current.weight:
            both = (
                one.places | current.places
                if several and one.verdict and current.verdict and one.places and current.places
                else None
            )
            current = _Statement(one.start, one.named, one.end, both, one.weight, one.verdict)
    return current.places if current else None


def extract_choices(text: str, options: Sequence[str], several: bool = False, language: str = "en") -> list[int] | None:
    """Places of the options that a reply names as its answer, in ascending order.

    Args:
        text: what the model said, its thoughts included.
        options: the options' texts in the order of their letters; 2 to 26.
        several: whether several options may be right; else a reply that names more than one is unparsed.
        language: of the question, "en" or "zh". Replies mix both, so the rules of both are always tried.

    Returns:
        None where the reply states no answer, states one that no option has, or contradicts itself.

    Raises:
        ValueError: no rules were written for the language, or there are more options than letters.
    """
    if language not in ("en", "zh"):
        raise ValueError(f"answers can be read in en and zh, not in {language!r}")
    if not 2 <= len(options) <= len(_LETTERS):
        raise ValueError(f"there must be 2 to {len(_LETTERS)} options, not {len(options)}")
    said = after_thinking(text)
    if not said:
        return None
    said = _one_form(said)
    if len(said) > 2 * _SPOKEN_UP_TO:
        said = said[:_SPOKEN_UP_TO] + "\n" + said[-_SPOKEN_UP_TO:]
    # A base model goes on to questions of its own: what it says to the first one counts.
    own = re.search(r"\S\s*\n\s*(?:Question|Q|问题|题目)\s?\d{0,3}\s?:", said)
    for part in (said[: own.start() + 1], said) if own else (said,):
        found = _read(part, options, several)
        if found is not None:
            return sorted(found)
    return None


def _read(text: str, options: Sequence[str], several: bool) -> frozenset[int] | None:
    reader = _Reader(text, options, several)
    statements = [*_after_cues(reader), *_verdicts(reader), *_bare(reader)]
    found = _weighed(statements, text, several)
    return found if found and (several or len(found) == 1) else None
