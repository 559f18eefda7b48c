"""Places smaller than a province in Chinese: towns, counties, districts, streets, homes and postal codes.

Provinces stay, as the rule has it. Town names are those of the codes of administrative divisions; smaller places are found by their form
("枣林乡") or by the words before ("住址：").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from corpora.curate.identifiers.chinese_names import HAN
from corpora.curate.identifiers.found import Found, near, words
from corpora.curate.identifiers.lists import chinese_divisions

PROVINCES = "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
_NOT_IN = r"(?!和(?![浩平田龙县静布硕林政顺])|[的于在是为至到从由与及或等以也了就住来我他她你患者本该各全某])"
_PART = rf"(?:{_NOT_IN}[一-鿿A-Za-z0-9·])"
CHINESE_ADDRESS = re.compile(
    rf"(?:(?:{PROVINCES})(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)? ?)?"
    rf"(?:{_PART}{{1,7}}?(?:自治州|自治县|地区|市|盟|州|县|旗|区|新区|开发区) ?){{0,3}}"
    rf"(?:{_PART}{{1,8}}?(?:街道(?:办事处)?|镇|乡|苏木) ?)?"
    rf"(?:{_PART}{{1,8}}?(?:社区|村委会|村|庄|屯|组|队|居委会) ?){{0,2}}"
    rf"(?:{_PART}{{1,10}}?(?:大街|大道|胡同|路|街|巷|弄|(?:里|道|条)(?=\d)) ?(?:[东南西北中]?[一二三四五六七八九十\d]{{0,3}}(?:段|路|街|巷|弄|里|横|支弄))? ?){{0,2}}"
    rf"(?:(?:第?[\dA-Za-z一二三四五六七八九十百甲乙丙]{{1,6}}(?:-\d{{1,4}})?)(?:号院|号楼|号) ?(?:之[一二三四五六\d]|附\d+号)? ?)?"
    rf"(?:{_PART}{{1,10}}?(?:小区|花园|家园|新村|公寓|大厦|广场|苑|园区|宿舍|家属院|大院|城|湾|府|庭|轩|公馆|别墅|国际|名邸|雅居|嘉园|丽园) ?)?"
    rf"(?:[A-Za-z\d一二三四五六七八九十东南西北]{{1,5}}(?:-\d{{1,4}})?(?:号楼|栋|幢|座|单元|号|室|层|楼|户|门|组|房|期|区) ?){{0,5}}"
    r"(?:\d{1,5}(?:-\d{1,5}){1,3})?(?:[\d]{3,4}(?:室|房)?)?(?: ?\d{6}(?!\d))?"
)
_CUE = r"(?:住址|地址|家住|现住址|现住|住在|居住地|居住于|居住在|居住|户籍地|户籍所在地|户籍|户口所在地|户口|籍贯|出生地|出生于|来自|住于|常住|暂住|寄往|送至|寄到|邮寄|收货地址|单位地址|家庭住址|通讯地址|联系地址|通信地址|现居|老家(?:在|是)?|家在|工作于|搬到|搬至|务工于|住|祖籍|返回)"
AFTER_CUE = re.compile(
    rf"{_CUE}(?:地址|地|处)?(?: ?[:：]| ?(?:为|是|在|于))?[ \t]{{0,3}}(?P<p>[一-鿿A-Za-z0-9·\- （）()#]{{2,60}})"
)
CHINESE_STREET = re.compile(
    rf"(?:(?:{PROVINCES})(?:省|市|自治区)?)?(?:{_PART}{{1,6}}?(?:市|区|县|镇|乡|街道))*{_PART}{{1,8}}?(?:大街|大道|胡同|路|街|巷|弄|里) ?[\d一二三四五六七八九十]{{1,6}}(?:-\d{{1,4}})?(?:号|弄)(?:院|楼)?(?:{_PART}{{1,8}}?(?:小区|花园|苑|大厦|公寓|家园))?(?:[A-Za-z\d一二三四五六七八九十]{{1,5}}(?:号楼|栋|幢|座|单元|室|层|楼|号)){{0,4}}(?:\d{{3,4}}(?:室)?)?"
)
CHINESE_HOME = re.compile(
    rf"{_PART}{{2,8}}?(?:小区|花园|家园|公寓|新村|苑|家属院)(?:[A-Za-z\d一二三四五六七八九十]{{1,5}}(?:期|号楼|栋|幢|座|单元|室|层|楼|号)){{1,4}}(?:\d{{3,4}}(?:室)?)?"
)
CHINESE_TOWN = re.compile(
    rf"(?:(?<=省)|(?<=自治区)|(?<=[市县州盟]))(?P<p>{_PART}{{1,6}}?(?:市|县|区|镇|乡|州|盟|旗|街道|村)(?!民|场|政|委|域|间|内的))"
)
CHINESE_VILLAGE = re.compile(
    rf"(?:(?<=[在住来自到于从去是])|(?<=[：:，,。 ])|^)(?P<p>(?:{_PART}{{2,4}}?(?:乡|镇|县)){{1,2}}(?:{_PART}{{2,5}}?(?:村|屯|庄))?(?:[\d一二三四五六七八九十]{{1,3}}(?:组|队|社))?|{_PART}{{2,4}}?(?:村|屯|庄)[\d一二三四五六七八九十]{{1,3}}(?:组|队|社|号))"
)
ZIP_CHINESE = re.compile(r"(?:邮编|邮政编码|邮码|邮政)(?:为|是)?[ :：]{0,3}(?P<z>\d{6})(?!\d)")
# Where these match, the costlier patterns of streets and homes are tried.
_STREET_NUMBER = re.compile(r"[路街巷弄里道同] ?[\d一二三四五六七八九十]")
_HOME = re.compile(r"(?:小区|花园|家园|公寓|新村|苑|家属院)[A-Za-z\d一二三四五六七八九十]")
_COMMON = re.compile(
    r"(?:城市|大城市|都市|直辖市|地级市|县级市|该市|我市|本市|全市|各市|省市|超市|门市|股市|上市|夜市|菜市|地区|小区|社区|病区|市区|校区|灾区|疫区|牧区|辖区|郊区|山区|城区|农区|院区|园区|景区|各区|该区|本区|我区|野区|盲区|误区|分区|片区|城镇|乡镇|集镇|村镇|村庄|农村|乡村|新村|该村|家乡|故乡|城乡|老乡|他乡|下乡|该县|我县|本县|各县|全县|市县|区县|省县|贫困县|街道|路|里|村|乡|镇|县|市|区|大州|欧洲|州|亚洲|非洲|美洲|澳洲|胸区|腹区|脑区|心区|肺区|肝区|胃区|肾区|骨区|皮区|叩击区|手术区|浸润区|功能区|供血区|暗区|亮区|高发区|流行区|压痛区|反射区|关节区|腰区|髋区|膝区|瓣区|听诊区|心前区|枕区|颞区|额区|顶区|尾状|特区|专区|选区|战区|污染区|清洁区|隔离区|重症区)$"
)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    for match in AFTER_CUE.finditer(text):
        inside = CHINESE_ADDRESS.match(match["p"])
        end = inside.end() if inside else 0
        found = match["p"][:end].rstrip()
        if not found:
            short = next((name for name in (match["p"][:size] for size in (5, 4, 3, 2)) if _is_chinese_town(name)), "")
            if short and short not in PROVINCES.split("|"):
                yield match.start("p"), match.start("p") + len(short)
            continue
        skip = re.match(rf"(?:{PROVINCES})(?:省|壮族自治区|回族自治区|维吾尔自治区|自治区)?", found)
        start = skip.end() if skip and not found[skip.end() :].startswith("市") else 0
        if found[start:].strip() and not _COMMON.fullmatch(found[start:]):
            yield match.start("p") + start, match.start("p") + len(found)
    for pivot, pattern in ((_STREET_NUMBER, CHINESE_STREET), (_HOME, CHINESE_HOME)):
        for match in near(pivot, pattern, text, 40, 40):
            skip = re.match(rf"(?:{PROVINCES})(?:省|壮族自治区|回族自治区|维吾尔自治区|自治区)", match[0])
            yield match.start() + (skip.end() if skip else 0), match.end()
    for pattern in (CHINESE_TOWN, CHINESE_VILLAGE):
        for match in pattern.finditer(text):
            if not _COMMON.search(match["p"]) or _is_chinese_town(match["p"]):
                yield match.span("p")
    for match in _towns().finditer(text):
        yield match.span()
    for match in ZIP_CHINESE.finditer(text):
        yield match.span("z")


def _is_chinese_town(name: str) -> bool:
    return (
        name in chinese_divisions()
        or name + "市" in chinese_divisions()
        or name + "县" in chinese_divisions()
        or name + "区" in chinese_divisions()
    )


@functools.cache
def _towns() -> re.Pattern[str]:
    """The names of towns and counties, with their 市 or 县 and, where that is no word, without."""
    names = {name for name in chinese_divisions() if len(name) > 2}
    names |= {
        name[:-1]
        for name in names
        if name[-1] == "市" and len(name) == 3 and name[:-1] not in words("chinese_homonyms.txt")
    }
    by_first: dict[str, list[str]] = {}
    for name in names:
        by_first.setdefault(name[0], []).append(name[1:])
    rests = "|".join(
        f"{first}(?:{'|'.join(sorted(rest, key=len, reverse=True))})" for first, rest in sorted(by_first.items())
    )
    seconds = "".join(sorted({rest[0] for group in by_first.values() for rest in group}))
    return re.compile(
        f"(?=[{''.join(sorted(by_first))}][{seconds}])(?:{rests})(?!大学|医科|医院|学院|中医|[病肺脑]|综合)"
    )


def chinese_places(text: str) -> Iterator[Found]:
    """Places smaller than a province in a plain text."""
    if re.search(HAN, text):
        for start, end in _spans(text):
            yield Found(start, end, "place")
