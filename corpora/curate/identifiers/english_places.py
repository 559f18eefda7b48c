"""Places smaller than a state or province in English: streets, towns, counties and postal codes.

States and countries stay, as the rule has it. Town names are those of GeoNames; smaller places are found by their form ("14 Larch Lane", "Kent
County") or by the words before ("lives in").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers import english_cues as cues
from corpora.curate.identifiers.found import Found, around, near, within
from corpora.curate.identifiers.lists import cities, english_words, first_names, surnames

STREET = r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Terrace|Ter|Circle|Cir|Square|Sq|Parkway|Pkwy|Highway|Hwy|Route|Trail|Trl|Alley|Aly|Loop|Crescent|Cres|Close|Mews|Row|Walk|Grove|Gardens|Gdns|Hill|Hills|Park|Plaza|Path|Pike|Pass|Point|Ridge|Run|View|Vista|Wharf|Quay|Turnpike|Tpke|Expressway|Freeway|Causeway|Crossing|Xing|Cove|Creek|Brook|Canyon|Center|Cliff|Cliffs|Club|Common|Commons|Corner|Corners|Course|Curve|Dale|Dam|Divide|Estate|Estates|Extensions?|Falls|Ferry|Field|Fields|Flat|Flats|Ford|Fords|Forest|Forge|Forges|Fork|Forks|Fort|Garden|Gateway|Glen|Glens|Green|Greens|Harbor|Harbors|Haven|Heights|Hollow|Inlet|Island|Islands|Isle|Junction|Junctions|Key|Keys|Knoll|Knolls|Lake|Lakes|Land|Landing|Light|Lights|Loaf|Lock|Locks|Lodge|Mall|Manor|Manors|Meadow|Meadows|Mill|Mills|Mission|Motorway|Mount|Mountain|Mountains|Neck|Orchard|Oval|Overpass|Parks|Parkways|Passage|Pine|Pines|Plain|Plains|Port|Ports|Prairie|Radial|Ramp|Ranch|Rapid|Rapids|Rest|Ridges|River|Roads|Rue|Shoal|Shoals|Shore|Shores|Skyway|Spring|Springs|Spur|Spurs|Squares|Station|Stravenue|Stream|Streets|Summit|Throughway|Trace|Track|Trafficway|Tunnel|Underpass|Union|Unions|Valley|Valleys|Via|Viaduct|Views|Village|Villages|Ville|Well|Wells|Ways|Chowk|Marg|Nagar|Colony|Ganj|Zila|Bazaar|Burg|Burgs|Bypass|Groves|Bridge|Branch|Bluff|Bluffs|Bend|Beach|Bayou|Annex|Arcade|Camp|Cape|Circles|Coves|Drives|Fall|Orchards|Bottom|Brooks|Centers|Courts|Crest|Crossroad|Crossroads|Broadway|Esplanade|Parade|Promenade|Strand|Embankment)"
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


def _spans(text: str) -> Iterator[tuple[int, int]]:
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


def english_places(text: str) -> Iterator[Found]:
    """Places smaller than a state or province in a plain text."""
    for start, end in _spans(text):
        yield Found(start, end, "place")
