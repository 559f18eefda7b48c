"""Places smaller than a state or province: streets, towns, counties, districts and postal codes, in English and Chinese.

States, provinces and countries stay, as the rule has it. Town names are those of GeoNames; Chinese ones those of the codes of administrative
divisions. Smaller ones are found by their form ("14 Larch Lane", "Kent County", "枣林乡") or by the words before ("lives in", "住址：").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from corpora.curate.identifiers import english_cues as cues
from corpora.curate.identifiers.chinese_names import HAN
from corpora.curate.identifiers.found import Found, around, near, within, words
from corpora.curate.identifiers.lists import chinese_places, cities, english_words, first_names, surnames

STREET = r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Terrace|Ter|Circle|Cir|Square|Sq|Parkway|Pkwy|Highway|Hwy|Route|Trail|Trl|Alley|Aly|Loop|Crescent|Cres|Close|Mews|Row|Walk|Grove|Gardens|Gdns|Hill|Hills|Park|Plaza|Path|Pike|Pass|Point|Ridge|Run|View|Vista|Wharf|Quay|Turnpike|Tpke|Expressway|Freeway|Causeway|Crossing|Xing|Cove|Creek|Brook|Canyon|Center|Cliff|Cliffs|Club|Common|Commons|Corner|Corners|Course|Curve|Dale|Dam|Divide|Estate|Estates|Extensions?|Falls|Ferry|Field|Fields|Flat|Flats|Ford|Fords|Forest|Forge|Forges|Fork|Forks|Fort|Freeway|Garden|Gateway|Glen|Glens|Green|Greens|Harbor|Harbors|Haven|Heights|Hollow|Inlet|Island|Islands|Isle|Junction|Junctions|Key|Keys|Knoll|Knolls|Lake|Lakes|Land|Landing|Light|Lights|Loaf|Lock|Locks|Lodge|Mall|Manor|Manors|Meadow|Meadows|Mill|Mills|Mission|Motorway|Mount|Mountain|Mountains|Neck|Orchard|Oval|Overpass|Parks|Parkways|Passage|Pine|Pines|Plain|Plains|Port|Ports|Prairie|Radial|Ramp|Ranch|Rapid|Rapids|Rest|Ridges|River|Roads|Rue|Shoal|Shoals|Shore|Shores|Skyway|Spring|Springs|Spur|Spurs|Squares|Station|Stravenue|Stream|Streets|Summit|Throughway|Trace|Track|Trafficway|Tunnel|Underpass|Union|Unions|Valley|Valleys|Via|Viaduct|Views|Village|Villages|Ville|Well|Wells|Ways|Chowk|Marg|Nagar|Colony|Ganj|Zila|Bazaar|Burg|Burgs|Bypass|Groves|Bridge|Branch|Bluff|Bluffs|Bend|Beach|Bayou|Annex|Arcade|Camp|Cape|Circles|Coves|Drives|Fall|Mount|Orchards|Bottom|Brooks|Centers|Courts|Crest|Crossroad|Crossroads|Broadway|Esplanade|Parade|Promenade|Strand|Embankment)"
STATES = "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming|D\\.C\\.|Ontario|Quebec|Alberta|British Columbia|Manitoba|Saskatchewan|Nova Scotia|New South Wales|Queensland|Tasmania|Maharashtra|Karnataka|Kerala|Tamil Nadu|Gujarat|Punjab|Rajasthan|Uttar Pradesh|West Bengal|Bihar|Telangana|Haryana|England|Scotland|Wales|Ireland|UK|USA|India|Mexico|Canada|Australia|China"
CODES = "A[LKZRA]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOTHP]|N[EVHJMYCD]|O[HKR]|P[AWR]|RI|S[CD]|T[NX]|UT|V[TAI]|W[AVIY]|A[ASEP]|GU|FM|ON|QC|BC|AB|NSW|QLD"
CAP = r"(?:[A-ZÀ-Þ][\w'.-]*)"
TOWN = rf"(?:{CAP}(?:[ -](?:(?:of|on|upon|de|la|del|los|las|le|the|under|by|in) )?{CAP}){{0,3}})"
UNITS = r"(?:[ ,\n]{1,3}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Rm|Room|Building|Bldg|Flat|Lot|Block|No|Edif|Depto|#|PO Box|P\.O\. Box)\.? ?#? ?[\w-]{1,8})?"
REST = rf"(?:[,\n ]{{1,3}}{TOWN}(?![\w:]))?(?:[,\n ]{{1,3}}(?:{CODES}|{STATES}))?(?:[, -]{{1,3}}\d{{5,6}}(?:-\d{{4}})?(?!\d))?"

ADDRESS = re.compile(
    rf"(?<![\w.,/-])(?:\d{{1,6}}(?:-\d{{1,4}})?[A-Za-z]?(?:/\d{{1,3}})?,? (?:(?:[NSEW]|North|South|East|West|N\.|S\.|E\.|W\.)[EW]?\.? )?(?:\d{{1,3}}(?:st|nd|rd|th) |{CAP} |(?:of|the|la|de|del|los|las) ){{0,4}}?(?:{CAP} |\d{{1,3}}(?:st|nd|rd|th) )(?:{STREET}|(?-i:[a-z]{{4,12}})(?=\n))(?![a-z])\.?(?: [NSEW][EW]?\b)?"
    rf"|\d{{1,6}} (?:Broadway|Highway \d+|Route \d+|County Road \d+)"
    rf"|(?:H\.? ?No\.?|House No\.?|Plot No\.?|Flat No\.?|Door No\.?|Flat|Studio|House|Unit|Apartment|Apt\.?) ?#? ?\d{{1,5}}[A-Za-z]?(?:/\d{{1,4}})?,? ?(?:\n|,| )?{TOWN}?(?:\n{CAP}[^\n]{{0,40}}){{0,3}})"
    rf"{UNITS}{REST}"
)
BOX = re.compile(
    rf"(?:(?:USS|USNS|USNV|USCGC) [A-Z]\w+, ?)?(?:FPO|APO|DPO),? (?:AA|AE|AP)(?: \d{{5}}(?:-\d{{4}})?)?|(?<![A-Za-z])(?:P\.? ?O\.? ?Box|Post Office Box|PO BOX|PSC|Unit) \d{{1,6}}(?:,? Box \d{{1,5}})?{REST}"
)
UNIT = re.compile(r"(?<![A-Za-z])(?:Apt|Apartment|Suite|Ste|Flat)\.? ?#? ?\d{1,5}[A-Za-z]?(?![\w.])")
LABELLED = re.compile(
    r"(?<![A-Za-z])(?i:(?:home |mailing |street |postal |residential |permanent |current |billing |work |shipping )?address(?: on file)?|residence|domicile|addr)(?i: (?:is|was|changed to|listed as|on file is|of record is))? ?(?::|(?<=is)|(?<=was)|(?<=to)|(?<=as))[ \t]{0,3}(?P<p>(?=[^\n;|~]{0,60}(?:\d|,|[A-Z]))[^\n;|。~]{4,120}?)(?=\.(?:\s|$)|[\n;|。]|$|,? (?:[Pp]hone|[Tt]el|DOB|MRN|[Ee]mail|SSN|[Ff]ax|and (?:his|her|the|their)|who|she|he)\b)"
)
LIVES = re.compile(
    rf"(?<![A-Za-z])(?i:(?:lives?|living|lived|resid(?:es?|ing|ed)|stay(?:s|ing|ed)?|dwells?|house[sd]|home is|grew up|visiting|vacation(?:ed|ing)?)(?: (?:alone|independently|temporarily|now|currently|with [a-z ]{{2,24}}|together|recently|here|back|up))? (?:in|at|on|near|outside|around|just outside)"
    r"|(?:moved|relocated|transferred|travel+(?:ed|ing|s)|flew|driv(?:es|ing)|drove|commut(?:es|ed|ing)|returned)(?: (?:here|back|over|recently|daily))? (?:from|to|in)|(?:based|raised|born|settled|employed|practi[cs]es?|practi[cs]ing|located|works?|worked|working) (?:in|near)"
    r"|(?:resident|native|citizen|(?:town|city|village|suburb|borough|municipality|district|county|parish|precinct|township)) of|originally from|(?:he|she|they|who|patient|family|i) (?:comes?|came) from|hails from|(?:is|was|are|family|patient|woman|man|male|female|boy|girl|lady|gentleman|farmer|worker|miner|teacher|nurse|retiree|student|driver|i'm|im|am) from|near|suburbs? of|outskirts of|downtown|hometown(?: is| of)?)"
    rf" (?P<p>(?:the (?:town|city|village|suburb|county|district|neighborhood|neighbourhood|area|borough|parish) of )?(?:\d{{1,6}}\w? )?{TOWN}(?:, {TOWN})?)"
)
CITY_LABEL = re.compile(
    rf"(?<![A-Za-z])(?i:city(?:/town)?|town|county|village|district|borough|birthplace|place of birth|hometown|municipality|suburb|neighborhood|parish|precinct|locality|residence) ?[:=] ?(?P<p>{TOWN})"
)
CITY_STATE = re.compile(
    rf"(?<![A-Za-z0-9'])(?P<p>{TOWN}),? ?(?:(?:{CODES})(?![A-Za-z.])|(?:{STATES})(?![A-Za-z]))(?:[ ,]{{1,2}}(?P<zip>\d{{5}}(?:-\d{{4}})?)(?!\d))?"
)
COUNTY = re.compile(
    rf"(?<![A-Za-z])(?P<p>(?:{CAP} ){{0,2}}{CAP} (?:County|Parish|Township|Borough|Precinct|Municipality|Shire|Hundred)(?! Hospital)|(?:County|City|Town|Township|Borough|Village|Parish) of {TOWN}|(?i:precinct|ward|census tract|school district) (?:no\.? |number |#)?\d[\d.]{{0,7}})(?![A-Za-z])"
)
ZIP = re.compile(
    rf"(?<![A-Za-z])(?:{CODES}|{STATES})[., ]{{1,2}}(?P<z>\d{{5}}(?:-\d{{4}})?)(?![\d-])|(?<![\w-])(?P<y>\d{{5}}-\d{{4}})(?![\d-])"
)
POSTCODE = re.compile(
    r"(?<![A-Za-z0-9])(?:GIR ?0AA|[A-PR-UWYZ](?:\d[\dA-HJKPSTUW]?|[A-HK-Y]\d[\dABEHMNPRV-Y]?) ?\d[ABD-HJLNP-UW-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-CEGHJ-NPRSTV-Z] ?\d[A-CEGHJ-NPRSTV-Z]\d)(?![A-Za-z0-9])"
)
FORMED = re.compile(
    r"(?<![A-Za-z'-])(?:(?:New|North|South|East|West|Port|Lake|Fort|Saint|St\.|San|Santa|Los|Las|El|Mount|Mt\.|Glen) [A-Z][a-z]{3,}(?:ton|town|ville|burgh|bury|shire|mouth|port|land|stad|side|view|borough|chester|furt|fort|haven|ham|field|ford|wood|berg|burg)"
    r"|[A-Z][a-z]{2,}(?:ville|burgh|bury|shire|mouth|borough|chester|furt|stad|haven|town|hampton|minster|pur|abad|grad))(?![A-Za-z'-])"
)
CAPITALS = re.compile(r"(?<![A-Za-z'-])[A-Z][a-zà-ÿ]{3,}(?:[ -](?:[a-z]{1,4}[ -])?[A-Z][a-zà-ÿ]{2,}){0,2}")
DIRECTION = re.compile(
    r"(?<![A-Za-z'-])(?P<p>(?:New|North|South|East|West|Port|Lake) (?P<n>[A-Z][a-zà-ÿ]{2,}))(?![A-Za-z'-])"
)

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
_COMMON = re.compile(
    r"(?:城市|大城市|都市|直辖市|地级市|县级市|该市|我市|本市|全市|各市|省市|超市|门市|股市|上市|夜市|菜市|地区|小区|社区|病区|市区|校区|灾区|疫区|牧区|辖区|郊区|山区|城区|农区|院区|园区|景区|各区|该区|本区|我区|野区|盲区|误区|分区|片区|城镇|乡镇|集镇|村镇|村庄|农村|乡村|新村|该村|家乡|故乡|城乡|老乡|他乡|下乡|该县|我县|本县|各县|全县|市县|区县|省县|贫困县|街道|路|里|村|乡|镇|县|市|区|大州|欧洲|州|亚洲|非洲|美洲|澳洲|胸区|腹区|脑区|心区|肺区|肝区|胃区|肾区|骨区|皮区|叩击区|手术区|浸润区|功能区|供血区|暗区|亮区|高发区|流行区|压痛区|反射区|关节区|腰区|髋区|膝区|瓣区|听诊区|心前区|枕区|颞区|额区|顶区|尾状|特区|专区|选区|战区|污染区|清洁区|隔离区|重症区)$"
)


# Where these match, the costlier patterns above are tried.
_HOUSE = re.compile(
    r"(?<!\d)\d[\w/-]{0,12},? [A-Z\d]|\d ?[A-Z]{2}(?![A-Za-z])|[A-Z]\d[A-Z] ?\d[A-Z]\d|(?:FPO|APO|DPO),? A|(?:No\.?|Box|Flat|Apt|Apartment|Suite|Ste|Studio|House|Unit)\.? ?#? ?\d"
)
_FIVE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_ADDRESS_WORD = re.compile(r"(?:[Aa]ddr|ADDR|[Rr]esidence|[Dd]omicile)")
_CITY_WORD = re.compile(r"[A-Za-z] ?[:=] ?[A-Z]")
_COUNTY_WORD = re.compile(
    r"(?:County|Parish|Township|Borough|Precinct|Municipality|Shire|Hundred|City|Town|Village) ?(?:of )?|(?:[Pp]recinct|PRECINCT|[Ww]ard|[Cc]ensus tract|[Ss]chool district) (?=[\dn#])"
)
_STATE = re.compile(rf"[A-Za-z.'],? ?(?<=[ ,])(?:(?:{CODES})(?![A-Za-z.])|(?=[A-Z])(?:{STATES})(?![A-Za-z]))")
_LIVES_WORD = re.compile(
    r"(?<![A-Za-z])(?:[Ll]iv(?:es?|ing|ed)|[Rr]esid(?:es?|ing|ed|ent)|[Ss]tay(?:s|ing)?|[Dd]well|house[sd]?|[Mm]oved|relocated|located|home|[Bb]ased|[Rr]aised|grew|[Bb]orn|settled|transferred|travel|flew|driv|drove|commut|[Ww]ork|practice|[Hh]ometown|seen|employed|visit|vacation|return|native|citizen|town|city|village|suburb|outskirts|municipality|district|county|parish|precinct|township|borough"
    r"|[Oo]riginally|[Cc]omes?|came|hails|from|near|downtown)"
)


def _english(text: str) -> Iterator[tuple[int, int]]:
    digits = any(letter in text for letter in "0123456789")
    if digits:
        stretches = around(_HOUSE, text, 40, 200)
        for pattern in (ADDRESS, BOX, UNIT, POSTCODE):
            for match in within(stretches, pattern, text):
                yield match.start(), match.end()
        for match in near(_FIVE, ZIP, text, 24, 8):
            yield match.span("z") if match["z"] else match.span("y")
    for match in near(_ADDRESS_WORD, LABELLED, text, 24, 200):
        yield match.span("p")
    for match in near(_CITY_WORD, CITY_LABEL, text, 24, 100):
        yield match.span("p")
    for match in near(_COUNTY_WORD, COUNTY, text, 60, 60):
        yield match.span("p")
    for match in near(_STATE, CITY_STATE, text, 60, 16):
        towns = match["p"]
        first = re.split("[ -]", towns)[0].lower()
        if (
            first in cues.NEVER
            or first in cues.MONTHS
            or towns in STATES.split("|")
            or (towns.isupper() and len(towns) < 4)
        ):
            continue
        code = match[0][len(towns) :].strip(" ,0123456789-")
        named = len(code) > 3
        if (named and "," not in match[0]) or (not named and "," not in match[0] and not match["zip"]):
            continue
        if named and first in english_words() and towns not in cities():
            continue
        yield match.span("p")
        if match["zip"]:
            yield match.span("zip")
    for match in near(_LIVES_WORD, LIVES, text, 24, 140):
        place = match["p"]
        whole = place.split(",")[0]
        first = re.split("[ -]", whole)[0].lower()
        if (
            whole in STATES.split("|")
            or first in cues.COUNTRIES
            or first in cues.MONTHS
            or (first in cues.NEVER and first not in ("new", "high", "long", "old", "well"))
        ):
            continue
        if whole.isupper() and len(whole) < 6:
            continue
        yield match.start("p"), match.start("p") + len(whole)
        rest = place[len(whole) + 2 :]
        if (
            rest
            and rest not in STATES.split("|")
            and rest.split()[0].lower() not in cues.COUNTRIES
            and not (rest.isupper() and len(rest) < 4)
        ):
            yield match.start("p") + len(whole) + 2, match.end("p")
    for match in FORMED.finditer(text):
        if match[0].lower() not in english_words() and not _thing_after(text, match.end()):
            yield match.span()
    for match in DIRECTION.finditer(text):
        name = match["n"].lower()
        if (
            match["p"] in STATES.split("|")
            or (name in english_words() and name not in first_names())
            or name in cues.COUNTRIES
            or name in cues.MONTHS
            or _thing_after(text, match.end())
        ):
            continue
        if name in first_names() or name in surnames() or match["p"] in cities() or name not in english_words():
            yield match.span("p")
    for match in CAPITALS.finditer(text):
        found = match[0]
        if found not in cities():
            head = found.split(" ")[0]
            if head not in cities():
                continue
            found = head
        if not _thing_after(text, match.start() + len(found)):
            yield match.start(), match.start() + len(found)


def _thing_after(text: str, end: int) -> bool:
    """Whether something that is called after a place follows: "Glasgow Coma Scale", "Boston criteria"."""
    return any(
        word.lower() in cues.EPONYMIC
        or word.lower()
        in (
            "prehospital",
            "heart",
            "sleepiness",
            "disability",
            "bowel",
            "cognitive",
            "postnatal",
            "handedness",
            "chromosome",
            "convention",
            "declaration",
            "press",
            "stroke",
            "knee",
            "hip",
            "shoulder",
            "rose",
            "subway",
            "times",
        )
        for word in re.findall(r"[A-Za-z]+", text[end : end + 40])[:3]
    )


def _chinese(text: str) -> Iterator[tuple[int, int]]:
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


_STREET_NUMBER = re.compile(r"[路街巷弄里道同] ?[\d一二三四五六七八九十]")
_HOME = re.compile(r"(?:小区|花园|家园|公寓|新村|苑|家属院)[A-Za-z\d一二三四五六七八九十]")


def _is_chinese_town(name: str) -> bool:
    return (
        name in chinese_places()
        or name + "市" in chinese_places()
        or name + "县" in chinese_places()
        or name + "区" in chinese_places()
    )


@functools.cache
def _towns() -> re.Pattern[str]:
    """The names of towns and counties, with their 市 or 县 and, where that is no word, without."""
    names = {name for name in chinese_places() if len(name) > 2}
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


def places(text: str) -> Iterator[Found]:
    """Places smaller than a state or province in a plain text."""
    for start, end in _english(text):
        yield Found(start, end, "place")
    if re.search(HAN, text):
        for start, end in _chinese(text):
            yield Found(start, end, "place")
