"""Where a label of an option can stand in a reply, and what may stand around it.

All patterns are for text in one form: half width, simplified characters, no markup. Letters are labels of options, from A on.
"""

from __future__ import annotations

import re

_ANY_CASE = re.IGNORECASE

OPENING = re.compile(
    r"[\s:\"'“(\[{<]{0,6}(?:(?:the\s)?(?:option|choice|letter|answer)s?(?![a-z])|选项)?[\s:\"'“(\[{<]{0,6}", _ANY_CASE
)
APART = r"(?:(?<=[A-J])\.\s?(?=[A-J](?:\.|\s*$))|(?<=[A-J])\)(?=\([A-J]\))|\n[-*•]\s)?[)\]]?(?:(?<=[.)(]|\s)(?=[A-J(])|\s?(?:[,;、&+和与及]|以及)\s?|\s?,?\s?and\s|(?<=[)\]])\s|\s(?![(\[]))(?:(?:and|also)\s)?(?:option\s)?[(\[]?"
LETTER = re.compile(r"([A-Z]|[a-j])(?![A-Za-z0-9]|'[A-Za-z])")
# Not that of "E. coli", nor the article or pronoun of "C, I think".
NEXT_LETTER = re.compile(
    rf"{APART}(?:([B-HJ-Z]|[AI](?!\s(?!and\b|or\b|is\b|are\b)[a-z]))|([a-j]))(?![A-Za-z0-9]|'[A-Za-z]|\.\s?[a-z]|\s(?:is|was|would|can|could|should|has|may|might|will|does)\b)"
)
GLUED = re.compile(
    r"[A-J]{2,10}(?=[\s)\]}\"”>]{0,3}(?:$|[.,;:!?\n(。，；、！？]|选项|项|是|为|因|两|三|四|五|都|均|全|正确|对)|\s(?:because|since|are|is)\b)"
    r"|[a-j]{2,10}(?=[\s.)\]}\"]*(?:\n|$))"
)
_GOES_ON = (
    r"(?:because|since|as|which|due|given|based|for|with|by|is|are|was|so|thus|but|and|not|rather|instead|although|though|while|only|here|too|though|"
    r"hence|if|or|explanation|reason|reasoning|rationale|justification|note|i|it|this|that|the|correct|right)\b"
)
AFTER_LABEL = re.compile(
    rf"[)\]}}\"'”>]{{0,3}}\s{{0,3}}(?:$|[.,;:!?)\]}}\n\"'”(<\[/=。，；：！？、—–…|]|-\s|-+>|→|{_GOES_ON}|(?<=\s)[㐀-鿿]|"
    r"(?:选项|项|是|为|因(?!子)|由|两|三|四|五|都|均|全|吗|呢|吧|哦|啦|啊|呀|正确|对|错|不|而|但|或|有误|符合|最|故|所以|才))",
    _ANY_CASE,
)
NOT_ABBREVIATED = re.compile(rf"\.(?:\s?$|\s?\n|\s*[^a-z\s]|\s+(?i:{_GOES_ON}))")
CLOSING = re.compile(r"[\s()\]}.:、,;\"'”-]{0,6}")
AFTER_WORDS = re.compile(
    r"[\s\"'”}\])]{0,4}(?:$|\.(?!\d)|[,;:!?\n(\[。，；、！？—–]|-\s|(?:because|since|as|which|due to|given|is (?:the )?(?:correct|right|best))\b|因为|由于|吗)",
    _ANY_CASE,
)
JOINT = re.compile(r"[)\]\"']{0,2}(?:\s?(?:[,;、&/\n]|和|与|及|或)\s?(?:(?:and|or)\s)?|\s(?:and|or|&)\s)", _ANY_CASE)
LABEL_FOLLOWS = re.compile(r"[(\[]?[A-J](?![A-Za-z])")
# "paracetamol (B)": the letter of the words before it, or a contradiction.
LABEL_BEHIND = re.compile(r"\s?[(\[](?:(?i:option|choice|选项)\s?)?([A-J])[)\]]")
ALL = re.compile(
    r"all (?:of )?(?:the (?:above|options)|these|them)|(?:以上|上述)(?:选项)?(?:都|均|全)(?:是|对|正确|选)|全选",
    _ANY_CASE,
)
OR = re.compile(
    r"(?:[)\].:,]\s?[^\s,.;]{1,30}(?:\s[^\s,.;]{1,30}){0,3})?[\s)\]\"]{0,4}(?:,\s?)?(?:or\b|或者?|还是|/)[\s(\[\"]{0,4}"
    r"(?:maybe\s|perhaps\s|possibly\s|even\s)?(?:option\s|选项)?[A-Ja-j](?![A-Za-z])",
    _ANY_CASE,
)
ASKED = re.compile(r"[\s)\]}\"']{0,4}(?:[?？]|吗|呢)")
# A label and its text, as in a list of the options.
LABELS = re.compile(
    r"(?:^|(?<=[\s(。，,;；项]))\(?([A-J])(?:[):、]|\.(?!\s?[a-z.]|\s*$))(?![A-Za-z0-9_])", re.MULTILINE
)
BARE_HEAD = re.compile(
    r"(?:\d{1,2}[.)]\s)?[\s>•\-(\[\"'“<]{0,4}(?:(?:option|choice|answer|letter)\s|选项\s?|答\s?|both\s|options\s)?[:：]?[\s(\[<]{0,2}",
    _ANY_CASE,
)
# Behind a letter at the start of a line these make it a sentence about the option, not an answer.
ABOUT_IT = re.compile(
    r",\s(?:like|unlike|which|is|are|was)\b|[)\]]?[ \t]+(?:is|are|was|and(?! not)|or|not|with|by|for(?! sure)|the|this|that|it(?! is\b)|so|but|if)\b"
    r"|(?:选项|项)(?!\s*(?:$|[。.,，;；\n]))|[是为不错而均都最由有对正也才]|[两三四五](?!(?:项|个选项)?\s*(?:$|[。.,，;；\n]|(?:均|都)?(?:是)?(?:正确|对)))",
    _ANY_CASE,
)
