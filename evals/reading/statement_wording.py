"""How a reply says which option is right, in English and Chinese, and what undoes what it says.

All patterns are for text in one form: half width, simplified characters, no markup.
"""

from __future__ import annotations

import re

from evals.reading.label_wording import APART

_ANY_CASE = re.IGNORECASE

WEAK, PLAIN, FINAL = range(3)
_GAP = r"(?:,\s?(?:therefore|then|thus|hence|I think|I believe|in my opinion|in short),)?[^.;!?\n。；！？,，:：]{0,60}?"
_SURE = (
    r"(?:\s?(?:most likely|likely|probably|definitely|clearly|certainly|therefore|thus|hence|indeed|then|simply|now|actually|obviously|"
    r"surely|best|still|I (?:think|believe)|,)(?:\b|(?<=,)),?){0,3}\s?(?:\.\.\.|…)?"
)
_IS = (
    rf"(?:\b(?:is|are|was|will be|would be|should be|must be|has to be)\b|'s\b){_SURE}\s?:?|\s?(?:[:=：]|-+>|→|\?(?=\s))|\s?[-–—](?=\s)"
    r"|\s?(?:应该是|应当是|应是|应为|就是|也就是|便是|还是|[是为选有]|包括)[:：]?"
)
_NOUN = (
    r"\b(?:answers?|ans\.?|(?:correct|right)\s(?:options|choices)|"
    r"(?:correct|best|right|final|chosen|my|most [a-z]{4,12}|the)\s(?:option|choice|response|selection|letter|pick|one)|"
    r"(?:correct|best|right|most appropriate)(?:\s[a-z-]{2,14}){0,5}(?=\s(?:is|are|would be|should be)\b)|"
    r"(?:correct|final|solution|result|choice|conclusion|pick|(?:selected |preferred )?option)(?=\s?:)|solution|conclusion|"
    r"(?:most likely |likely |final |correct )?diagnosis)(?![a-z])(?!\s(?:choices|options)\b)"
    r"|答案(?:选项)?|(?:正确|最佳|合适|恰当|最可能|符合(?:题意)?)的?[㐀-鿿]{0,4}?(?=是|为|有|包括|[:：])|诊断|结论|^答"
)
# Each cue ends where the answer begins.
CUES: list[tuple[int, re.Pattern[str]]] = [
    (PLAIN, re.compile(rf"(?:{_NOUN})[\])]?(?:\s\([a-z ]{{1,20}}\))?{_GAP}(?:{_IS})", _ANY_CASE | re.MULTILINE)),
    (
        PLAIN,
        re.compile(
            rf"(?:{_NOUN})[\])]?\s?(?:choice|option|选项)?(?=[\s(\[]{{0,3}}[A-J]{{1,10}}(?![A-Za-z]))",
            _ANY_CASE | re.MULTILINE,
        ),
    ),
    (
        PLAIN,
        re.compile(
            r"\b(?:choose|chose|choosing|pick|picked|select|selected|go(?:ing)? with|went with|opt(?:ing|ed)? for|guess(?: is| would be)?|"
            r"favou?rs?|vote for|settle on|mark|bet on|stick with|lean(?:ing)? towards?|I(?:'d| would|'ll| will) (?:say|answer))\s?:?",
            _ANY_CASE,
        ),
    ),
    (PLAIN, re.compile(r"(?<![挑筛入备可单多])选(?!项)(?:择|定|取)?(?:答案|选项)?[:：为是]?")),
    (
        PLAIN,
        re.compile(
            r"(?:而是|而应(?:该)?(?:选|是)|应该是|应当是|应为|改(?:选|为)|剩下(?:的)?(?:只有)?(?:是)?|猜(?:是|选)?|倾向于?(?:选|是)?|只能(?:是|选))[:：]?"
        ),
    ),
    (
        WEAK,
        re.compile(
            rf"(?:\b(?:it|this|that)(?:'s|\sis|\swas|\swould\sbe)|\b(?:must|has to|should|ought to|have to) be|\bI (?:think|believe|suspect)){_SURE}"
            r"\s(?:it's\s|it is\s)?",
            _ANY_CASE,
        ),
    ),
    (
        WEAK,
        re.compile(
            r"\b(?:might|could|may|can) (?:also )?be\s|\b(?:perhaps|probably|possibly|likely)\s|(?:可能是|也许是|大概是|我认为是|我觉得是|我想是|我估计是)"
            r"|(?:^|[,，。;；!])\s?(?:就|后来发现)?是",
            _ANY_CASE | re.MULTILINE,
        ),
    ),
]
# Cues after which a label must end its clause: "so C", but not "so C is reversible".
LOOSE_CUES = [
    re.compile(
        r"(?:\b(?:wait|actually|sorry|oops|correction|edit|scratch that|I mean|I meant|rather|instead|(?<!anything )(?<!nothing )but)\b"
        r"|\bno(?=[,.])|^(?:yes|ok|okay|well|sure)(?=[,:.!])|\bnot\s(?:option\s)?[A-J](?:,?\s(?:or\s|and\s)?[A-J]){0,4}(?=[.;]\s))[\s,.:;!—–-]{0,4}(?:(?:actually|no|wait)[, ]{1,2})?"
        r"(?:(?:it's|it is|it should be|that's|make that)\s)?",
        _ANY_CASE | re.MULTILINE,
    ),
    re.compile(r"(?:等等|等一下|更正|抱歉|(?<![要能可])不(?=[,，])|不对)[,，:：]?\s?(?:是|为|应是|选)?"),
    re.compile(
        r"\b(?:so|therefore|thus|hence|consequently|in conclusion|to conclude|in summary|overall|finally|ultimately|definitely|surely|without (?:a )?doubt|no doubt|ergo|in short|"
        r"clearly|certainly|obviously)\b[,:]?\s?(?:(?:it's|it is|it must be|that's)\s)?(?:only\s)?|(?:所以|因此|故|综上|可见)[,，]?(?:是|为|只有)?|(?:→|⇒|[-=]>)\s?",
        _ANY_CASE,
    ),
    re.compile(r"\b(?:leaving|leaves|left with)\s(?:us\s|me\s)?(?:with\s)?(?:only\s|just\s)?", _ANY_CASE),
]
LABEL_ENDS = re.compile(
    r"[)\]}\"']{0,3}\s?(?:$|[.,;:!\n(。，；！、—–]|-\s|(?:because|since|as|instead|rather|not|and not|for sure|is (?:the )?(?:correct|right|best))\b|因|吧|选项|项)",
    _ANY_CASE,
)
# Cues that an option's words may follow, but no label: "the best vitamin is C" names none.
WORD_CUES = re.compile(
    r"\bthe(?:\s[a-z-]{2,14}){1,8}\s(?:is|would be|should be)\s(?:to\s)?|^(?:give|start|add|use|prescribe|administer)\s"
    r"|\bI(?:\swould|'d)?\s(?:recommend|suggest|give|start|prescribe)\s"
    r"|(?:使用|给予|选用|服用)|(?:药物|治疗|检查|措施|病原体|原因|疾病|病因)(?:是|为)",
    _ANY_CASE | re.MULTILINE,
)
VERB = re.compile(r"(?:give|start|use)\s", _ANY_CASE)
KIND = re.compile(
    r"\b(?:vitamin|hepatitis|group|type|grade|class|stage|protein|factor|figure|panel)\b|型|级|维生素", _ANY_CASE
)
FINALLY = re.compile(r"\bfinal\b|最终|最后答案", _ANY_CASE)
HEDGED = re.compile(
    r"\b(?:might|could|may|initially|seems?|appears?|tempting|at first|first thought|first instinct)\b|可能|似乎|起初|最初|一开始",
    _ANY_CASE,
)

_BEFORE_VERDICT = (
    r"(?:^|[.,;:!?\n(。，；：！？、]\s?|(?<=[对错确误√×✓✗✔✘])\s?|\b(?i:options?|choices?|answer|letter|that|only|so|therefore|thus|hence|but|while|whereas|think|"
    r"believe|since|because|then|and|both|say|statement|here|now|although|though)\s\(?|选项|只有|所以|因此|故|以|为|知|但|而|[\s(](?<=[㐀-鿿，。]\s))"
)
_RIGHT = (
    r"it is\b(?=[.!]|\s*$)|(?:fits|matches) best\b|best (?:fits|matches)\b|is what I\b|\?\s{0,2}yes\b|is\.(?=\s*$)"
    r"|(?:(?:is|are|seems?|looks?|was|would be|must be|has to be|=|:|-|–|—)\s?)"
    r"(?:all\s|both\s|also\s|indeed\s|clearly\s|definitely\s|therefore\s|thus\s|the\s|most\s|more\s|single\s|only\s|a\s){0,4}"
    r"(?:correct|right|best|better|true|appropriate|accurate|suitable|likely|probable|answers?|closest|yes)\b"
    r"|[✓✔✅☑√]|(?:选项|项)?(?:说法|描述)?(?:均|都|才|也|显然|完全|更|较|最)?(?:是|为)?(?:最|唯一)?"
    r"(?:正确|答案|对(?!于|照|比|应|症|称)|合适|恰当|符合(?:题意)?|最佳|最可能)|才是|才对|更好|最好(?=[。，,.!]|$)"
)
VERDICT = re.compile(
    # Each joint is read in one way (atomic): with the three ways to read " and " a reply that says "A and A and …" would take minutes.
    rf"{_BEFORE_VERDICT}(?P<label>[A-J](?:(?>{APART})[A-J]){{0,8}}|[A-J]{{2,6}}|\([a-j]\))[)\]]?\s?(?:alone\s)?"
    r"(?:[.:、]\s?[^\n.;,。；，]{0,80}?[\s—–:-]{1,3}(?=(?i:correct|right|true|yes)\b(?=[ \t]*(?:$|[\n.,;!)(—–-]|because|since))|[✓✔✅☑√]|正确))?"
    rf"(?:(?i:{_RIGHT})|(?<=\s)(?i:correct|right|true|yes)\b|:?\s?正确)",
    re.MULTILINE,
)
WORDS_RIGHT = re.compile(rf"[\s\"”')\]]{{0,3}}(?:{_RIGHT})", _ANY_CASE)
LEADS = re.compile(
    r"(?:[A-J][).:、]?\s?(?:选项|项)?[\"“]?|I (?:think|believe)(?: that)?|so|therefore|thus|hence|所以|因此|故|认为|我认为|综上)",
    _ANY_CASE,
)

# What undoes a statement: before it in its clause, or behind it.
DENIED = re.compile(
    r"\b(?:no evidence|no reason|doubt|many|some|others|people|students|everyone|not|neither|nor|never|cannot|unlikely|if|whether|why|incorrect|wrong|"
    r"rather than|instead of|rule out|ruled out|exclude|eliminate|avoid|anything but|unless|"
    r"(?:is|are|do|does|did|was|would|could|should|can|wo|has|had)n't|don't|can't)\b"
    r"|[不非没勿莫]|(?<![特分鉴级类区性个])别|是否|如果|假如|排除|错误|若|为什么|为何|怎么|有[㐀-鿿]{0,2}(?:人|同学|学生)|误选|以为|容易|很多",
    _ANY_CASE,
)
NO_DENIAL = re.compile(
    r"\bif (?:I (?:had|have|were|must)|forced)\b|\bnot only\b|\bnot (?:surprisingly|hard to see)\b|\bno doubt\b|\bwithout (?:a )?doubt\b|"
    r"不难|不仅|不但|不用说|毫不犹豫|非常|除非|(?:是|并)?非(?:甾体)",
    _ANY_CASE,
)
CLAUSE = re.compile(
    r"[.;!?,\n。；！？，:：]|\b(?:so|therefore|thus|hence|but|because|since|however|instead)\b|而是|所以|因此|故",
    _ANY_CASE,
)
UNDONE = re.compile(
    r"[)\]\"' \t]{0,4}(?:选项|项)?[ \t]?(?:(?:is|are|was|would be|seems?|can be|could be|looks?|may be|might be)\s)?"
    r"(?:also\s|clearly\s|definitely\s|likely\s|probably\s|the\s|a\s|an\s|less\s|是|为|也|可|都|均|明显|显然){0,3}"
    r"(?:not\b|n't|isn't|wrong|incorrect|false|excluded|ruled out|eliminated|unlikely|less likely|tempting|distractor|contraindicated|cannot|can't|out\b"
    r"|不|错|非|有误|排除|被排除|干扰项)",
    _ANY_CASE,
)
SUPPOSED = re.compile(
    r"^\s*(?:if|had|were|unless|如果|假如|若|倘若)(?! (?:I|forced))[^.!?\n]{0,200}\bwould\b|^\s*(?:如果|假如|若|倘若)",
    _ANY_CASE,
)
SENTENCE = re.compile(r"[.!?\n。！？](?=\s|$)|[\n。！？;；]|但|\bbut\b")
# A verdict that is not the last word: "A is likely in the young".
SOFT = re.compile(
    r"^(?!.*(?:correct|right|best|answer|closest|most|yes|fits|正确|答案|对|最|更|合适|恰当|符合|[✓✔✅☑√])).*(?:likely|probable|true|appropriate|accurate|suitable)",
    _ANY_CASE | re.DOTALL,
)
CORRECTS = re.compile(
    r"\b(?:wait|actually|sorry|oops|correction|correcting|corrected|edit|I mean|I meant|on second thoughts?|on reflection|reconsider\w*|re-?think\w*|"
    r"re-?read\w*|re-?examin\w*|re-?evaluat\w*|mistake\w*|misread|mistaken|was wrong|is wrong|incorrect|however|rather|instead|hmm|"
    r"let me (?:re|check|think|double)\w*|but|scratch that|changed? my|no(?=\s?[,.:;!—–-]))\b"
    r"|不对|等等|等一下|更正|纠正|改为|改选|重新|抱歉|其实|说错|写错|而是|但是|然而|不过|修正|仔细|后来|(?<![要能可])不(?=[,，])",
    _ANY_CASE,
)
