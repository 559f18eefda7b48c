"""Addresses on networks: electronic mail, web pages, hosts, and the names under which people go there; and files of pictures.

The forms are those of the standards: RFC 5321 (mail), RFC 3986 (URL), RFC 4291 (IPv6, checked by ``ipaddress``), IEEE 802 (MAC).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from corpora.curate.identifiers.found import Found, near

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{1,64}(?: ?@ ?| ?[\[(] ?(?:at|AT) ?[\])] ?)"
    r"(?:[A-Za-z0-9-]{1,63}(?:\.| ?[\[(] ?(?:dot|DOT) ?[\])] ?)){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
SPELT_EMAIL = re.compile(
    r"(?<![\w.])[\w.-]{1,40}(?: (?:dot|underscore) [\w-]{1,30}){0,3} at [\w-]{1,40}(?: dot [a-z]{2,12}){1,3}(?!\w)"
)
DOMAINS = (
    r"(?:com|org|net|edu|gov|mil|info|biz|io|ai|dev|app|care|clinic|health|hospital|doctor|online|site|xyz|tech|link|page|cloud|social"
    r"|cn|uk|ca|au|de|fr|jp|nz|ie|ch|nl|hk|tw|sg|eu)"
)
URL = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:https?|hxxps?|s?ftp)://[^\s<>\"'，。；、！？（）()\[\]{}一-鿿]{3,2000}|www\.[A-Za-z0-9-]{1,63}\.[^\s<>\"'，。；、！？（）()\[\]{}一-鿿]{2,2000})"
    rf"|(?<![A-Za-z0-9@._-])(?:[A-Za-z0-9-]{{1,63}}\.){{1,6}}{DOMAINS}(?![A-Za-z0-9-])(?::\d{{2,5}})?(?:[/?#][^\s<>\"'，。；、！？（）()\[\]{{}}一-鿿]{{0,2000}})?"
)
IPV4 = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]?\d)(?:/\d{1,2}|:\d{2,5})?"
)
HEX = re.compile(
    r"(?<![A-Za-z0-9.])(?<![0-9A-Fa-f]:)(?:[0-9A-Fa-f]{1,4}|(?=::))(?::{1,2}[0-9A-Fa-f]{0,4}){2,8}(?:%\w{1,10}|/\d{1,3})?(?![A-Za-z0-9:])"
)
MAC = re.compile(
    r"(?<![A-Za-z0-9])(?<![0-9A-Fa-f][:-])(?:(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![A-Za-z0-9:-])"
)
VERSION = re.compile(r"(?:version|section|release|\bv|版本|第)\.?\s*$", re.IGNORECASE)

HANDLE = re.compile(r"(?<![\w@./])@(?=[\w.]{0,29}[A-Za-z])[A-Za-z0-9_][\w.]{1,29}(?<!\.)", re.ASCII)
SERVICES = (
    r"(?:wechat|weixin|微信|qq|facebook|instagram|\big\b|insta|twitter|tiktok|snapchat|telegram|whatsapp|skype|linkedin|reddit|discord|weibo|微博|抖音|快手"
    r"|小红书|支付宝|知乎|b站|贴吧|钉钉|line|youtube|user ?name|user ?id|screen ?name|handle|nick ?name|login|log-in|用户名|用户|登录名|昵称|网名)"
)
NAMED_ACCOUNT = re.compile(
    rf"(?<![A-Za-z]){SERVICES}(?:\s?(?:id|handle|name|user|username|account|profile|号码|账号|帐号|账户|号|名)){{0,2}}"
    r"(?:\s*(?:[:@=/]|is\b|was\b|as\b|为|是|叫)\s*(?:u/)?@?|\s*(?<=[一-鿿])\s*)(?P<value>[A-Za-z0-9_][A-Za-z0-9_.-]{2,40})",
    re.IGNORECASE,
)

PICTURE = re.compile(
    r"(?:[A-Za-z]:\\|/)?(?<![\w-])[\w\\/.()%-]{1,120}\.(?:jpe?g|png|gif|bmp|tiff?|heic|heif|webp|dcm|raw|mp4|mov)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# The words of a picture's name that hold spaces, from the bracket, quote or colon before them.
PICTURE_WORDS = re.compile(r"(?<=[(\[\"“「（<:：])\s?(?:[\w'’-]{1,24}[ ]){1,5}$")
# A mail address with "at" written out: in angle brackets, or with a figure, dot or line in its first part.
AT_WRITTEN = re.compile(
    r"(?:(?<=<)[\w.+-]{2,40}|(?<![\w.+-])(?=[\w+-]{0,40}[\d._])[\w.+-]{2,40}) at [\w-]{1,40}(?:\.[\w-]{2,24}){1,3}",
    re.ASCII,
)
DATA_URI = re.compile(r"data:(?:image|video|application)/[\w.+-]{1,40};base64,[A-Za-z0-9+/=\s]{8,}")
PICTURE_NUMBER = re.compile(
    r"(?<![A-Za-z])(?:IMG|DSC|DSCN|DSCF|PXL|MVIMG|WP|Photo)[_-]\d{3,}[\w-]{0,20}", re.IGNORECASE | re.ASCII
)


# Where these match, the costlier patterns above are tried.
AT = re.compile(r"@|[\[(] ?(?:at|AT) ?[\])]")
OCTET = re.compile(r"\d\.\d{1,3}\.\d")
EXTENSION = re.compile(r"\.(?:jpe?g|png|gif|bmp|tiff?|hei[cf]|webp|dcm|raw|mp4|mov)", re.IGNORECASE)
HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}[:.-][0-9A-Fa-f]{2}")
COLON = re.compile(r"[0-9A-Fa-f]::?[0-9A-Fa-f]|(?<!:)::(?!:)")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_interface(text.split("%")[0])
    except ValueError:
        return False
    return True


def addresses(text: str) -> Iterator[Found]:
    """Mail addresses, URLs, IP and MAC addresses, handles, and files of pictures in a plain text."""
    if "@" in text or "[at]" in text.lower() or "(at)" in text.lower():
        for match in near(AT, EMAIL, text, 72, 200):
            yield Found(match.start(), match.end(), "email")
        for match in HANDLE.finditer(text):
            yield Found(match.start(), match.end(), "other")
    if " dot " in text:
        for match in SPELT_EMAIL.finditer(text):
            yield Found(match.start(), match.end(), "email")
    if " at " in text and "." in text:
        for match in AT_WRITTEN.finditer(text):
            yield Found(match.start(), match.end(), "email")
    if "." in text:
        for match in URL.finditer(text):
            end = match.end()
            while text[end - 1] in ".,;:!?":
                end -= 1
            yield Found(match.start(), end, "url")
        for match in near(OCTET, IPV4, text, 4, 24):
            if not VERSION.search(text[max(0, match.start() - 10) : match.start()]):
                yield Found(match.start(), match.end(), "ip")
        for match in near(EXTENSION, PICTURE, text, 130, 8):
            words = PICTURE_WORDS.search(text[max(0, match.start() - 130) : match.start()])
            yield Found(match.start() - (len(words[0].lstrip()) if words else 0), match.end(), "photo")
    if ":" in text or "-" in text or "." in text:
        for match in near(HEX_PAIR, MAC, text, 6, 24):
            yield Found(match.start(), match.end(), "device")
    if ":" in text:
        for match in near(COLON, HEX, text, 6, 60):
            if ":::" not in match[0] and _is_ip(match[0]):
                yield Found(match.start(), match.end(), "ip")
    for match in NAMED_ACCOUNT.finditer(text):
        value = match["value"]
        stated = text[match.end() - len(value) - 1] in ":@=/ \t" and re.search(
            r"[:@=/]\s*@?$", text[: match.start("value")][-4:]
        )
        if (
            stated
            or any(letter.isdigit() or letter in "_.-" for letter in value[:-1])
            or (match.start("value") and "一" <= text[match.start("value") - 1] <= "鿿")
        ):
            yield Found(match.start("value"), match.end("value"), "other")
    if "base64," in text:
        for match in DATA_URI.finditer(text):
            yield Found(match.start(), match.end(), "photo")
    if "_" in text or "-" in text:
        for match in PICTURE_NUMBER.finditer(text):
            yield Found(match.start(), match.end(), "photo")
