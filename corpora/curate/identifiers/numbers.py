"""Numbers and codes that stand for one person, one thing of theirs or one paper: telephone, record, plan, account, licence, vehicle, device.

A number is found first and judged then: by the words before it ("MRN", "医保卡号"), by its own form (a telephone number by Google's metadata in
``phonenumbers``, a resident identity number or bank card by its check digit in ``python-stdnum``), or by its mere length, since a number of seven
figures without a unit hardly measures anything. A labelled number goes whether or not its check digit is right: a slip of the pen
identifies as well. What names a publication, a disease, a gene or a product (PMID, ICD, rs, NDC) stays, and so does what carries a unit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric

from corpora.curate.identifiers.found import Found, Kind, around, within

# What may stand between a label and its number. No two alternatives begin alike: with two ways to read one sign the time would double with each.
BETWEEN = (
    r"(?:[\s:#=.,;*_|\"'\[\]()/-]|(?<![A-Za-z])(?:numbers?|num|nbr|nr|no|nos|id|ids|identifier|identification|code|card|value|is|was|are|as|of|on|at|to|the|his|her|my|their|our|it|which|reads?"
    r"|recorded|listed|given|assigned|issued|registered|entered|documented|shown|verified|printed|found|used|noted|being|ending|under|with|by|for|patient|member|primary|hospital|home|work|office|or|and|in)(?![A-Za-z])"
    r"|号|码|编码|编号|代码|数字|为|是|系|的|至|到|在|给|及|和|或|被|[：、，；「」【】《》“”（）]|如下|登记|本人|患者|填写|记录|显示)*"
)

# In the order in which they are tried: "licence plate" before "licence".
LABELS: dict[Kind, str] = {
    "vehicle": (
        r"plates?|licen[cs]e plates?|tag|vin|vehicle|car|truck|motorcycle|automobile|chassis|number plate|registration plate|van|driv(?:es|ing)(?: a)?|parked"
        r"|车牌|车辆|车架|车号|牌照|车|发动机|汽车|号牌|车辆识别"
    ),
    "fax": r"fax|facsimile|telefax|传真",
    "plan": (
        r"plan|member(?:ship)?|subscriber|beneficiary|policy|insurance|insured|health plan|medicare|medicaid|hicn?|mbi|group|payer|payor|enrollee|benefits?|coverage|insurer|bupa|hmo|ppo|cigna|aetna|humana|kaiser|claim|claims|blue cross(?: blue shield)?|bcbs|tricare|policyholder"
        r"|医保|医疗保险|社保|社会保障|社会保险|参保|保险|保单|新农合|农合|合作医疗|投保|被保险人|医疗证|保险单|理赔|医疗卡|社保卡|医保卡"
    ),
    "national_id": (
        r"ssn|ss|social security|soc(?:ial)? sec|social|national (?:id(?:entity)?|insurance)|nino?|tin|itin|taxpayer|aadhaar|curp|nric|citizen(?:ship)?|identity(?: card| document)?|personal(?: id(?:entity)?)?"
        r"|身份证|身份证件|证件|公民身份|身份|居民身份|居民证|id card"
    ),
    "record": (
        r"mrn|mr|mrno|med(?:ical)? rec(?:ord)?s?|medical record|records?|hospital|chart|patient|pt|patient id|unit|nhs|emr|ehr|emrn|encounter|visit|admission|inpatient|outpatient|file|folder|csn|hospital id|case|episode|urn|hosp"
        r"|病历|病案|病例|住院|门诊|就诊|就诊卡|诊疗卡|诊疗|登记|急诊|入院|床位|病员|患者|病人|挂号|档案|健康档案|健康卡|体检|就医"
    ),
    "biometric": (
        r"finger ?prints?|thumb ?prints?|palm ?prints?|voice ?prints?|biometrics?|retina(?:l)?(?: scan)?|iris(?: scan)?|face ?(?:id|print|template)|facial(?: recognition)?|template|dna(?: profile)?|genetic profile|hand geometry|gait|minutiae|vein"
        r"|指纹|掌纹|声纹|虹膜|人脸(?:识别)?|面部(?:识别|特征)?|生物(?:特征|识别|样本)|视网膜|基因图谱|DNA|静脉|步态|面容"
    ),
    "photo": r"photo(?:graph)?s?|picture|image|portrait|headshot|selfie|照片|相片|头像|图片|影像|正面照|大头照|证件照|图像",
    "account": (
        r"account|acct|acc|a/c|iban|swift|bic|routing|sort|bank|credit|debit|visa|mastercard|amex|american express|billing|invoice|payment|guarantor|checking|savings|wire|financial|card|receipt|statement|bill|deposit|cc"
        r"|银行卡?|账户|账|帐户|帐|卡|银行账户?|信用卡|储蓄卡|借记卡|开户|支付|缴费|预交金|发票|收据|户头|存折|结算|工资卡|公积金"
    ),
    "licence": (
        r"licen[cs]e|licensure|lic|drivers?|driver's(?: licen[cs]e)?|driving|dl|d/l|dea|npi|upin|certificates?|certification|cert|certified|board|registration|reg|gmc|nmc|permit|state licen[cs]e|credential|prescriber|provider"
        r"|执业证书?|执业|资格证书?|资格|驾驶证|驾照|驾驶|许可证?|证书|医师证|护士证|护照|通行证|港澳通行证|回乡证|台胞证|军官证|士兵证|居住证|残疾证|出生证明?|出生医学证明|毕业证|结婚证|户口簿|上岗证|营业执照|证"
    ),
    "device": (
        r"serial|s/n|sn|ser|device|udi|imei|implant|pacemaker|icd device|pump|model|lot|hardware|equipment|defibrillator|generator|stent|prosthesis|valve|lead|sensor|meter|monitor|asset|lead serial|catalog|ref|di|unit serial|mac|imsi|meid"
        r"|序列|设备|仪器|器械|机身|起搏器|植入物|植入|支架|批|产品|出厂|型|机器|串|植入体|监护仪|呼吸机|泵"
    ),
    "place": r"zip|zip ?code|postal|post ?code|postcode|pin ?code|pin|apt|apartment|suite|unit|邮编|邮政编码|邮政",
    "phone": (
        r"tele(?:phone)?|tel|phone|phones|cell|cellular|cellphone|mobile|mob|landline|call(?:ed|ing|s)?|dial(?:led|ed)?|contact(?:ed)?|contacts|reach(?:ed|able)?(?: (?:me|him|her|us|them|you))?"
        r"|text(?:ed)?(?: me)?|ring|rang|pager|beeper|voicemail|hotline|sms|whats ?app|ph|hp|电话|手机|手机号|座机|致电|拨打|来电|热线|联系方式|联系|固话|小灵通|呼机|短信|号码"
    ),
    "other": (
        r"study|subject|participant|accession|specimen|sample|barcode|order|reference|protocol|enrol(?:l)?ment|randomi[sz]ation|screening|trial|passport|employee|badge|staff|student|ticket|tracking|confirmation|booking|transaction|requisition|rx|prescription"
        r"|script|referral|authori[sz]ation|auth|prior auth|appointment|locker|key|token|hash|uuid|guid|pin|password|passcode|serial code|customer|client|user|donor|registry|research|biobank|cohort|code|identifier|unique|id|military|veteran|service|inmate|case file|docket|visa|immigration|alien|voter|loyalty|family|household|incident|report|examination|exam|lab|pathology|slide|block|tube|request|job|event"
        r"|编号|研究|受试者|样本|标本|条码|条形码|检查|检验|化验|报告|申请|申请单|订单|处方|流水|影像|病理|工|工作证|学|员工|学籍|学生|随机|入组|筛选|试验|唯一|标识|识别|快递|运单|单|编码|密码|验证码|口令|代号|编|会员|客户|捐献|家庭|户|预约|排队|叫号|通知书|合同|协议|备案|案件|腕带|手环"
    ),
}
_LABEL = re.compile(
    "|".join(
        rf"(?P<{kind}>(?:(?<![A-Za-z])(?=[A-Za-z])|(?=[\u4e00-\u9fff]))(?:{labels})(?:(?<=[\u4e00-\u9fff])|s?(?![A-Za-z])))"
        for kind, labels in LABELS.items()
    ),
    re.IGNORECASE,
)
_ORDER = list(LABELS)
_BETWEEN = re.compile(rf"(?:{BETWEEN}(?P<lead>(?<![A-Za-z])[A-Z]{{1,4}}[ -]?)?)", re.IGNORECASE)
# Said between a label and its number, this makes even a short number one's own.
_MARKED = re.compile(
    r"[:#=]|(?<![A-Za-z])(?:no|num|numbers?|nr|id|ids|identifier|code|card|ending|last (?:four|4)|is|reads?)(?![A-Za-z])|号|码|编号|为|是|尾|末",
    re.IGNORECASE,
)
_ANY_LABEL = re.compile(
    r"(?:(?<![A-Za-z])[A-Za-z]{2,20}(?:'s)? ?(?:no\.?|numbers?|num\.?|nr\.?|id|identifier|#)|[\u4e00-\u9fff]{1,6}(?:编号|号码|代码|编码|证号|卡号|单号|ID|号))(?: ?(?:is|was|为|是))?[ :#.(\[]{0,4}$",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"(?<![A-Za-z])(?:pmid|pmcid|pmc|pubmed(?: id)?|doi|nct|isrctn|eudract|clinicaltrials\.gov(?: identifier)?|isbn(?:-1[03])?|issn|icd(?:-?\d+)?(?:-?cm|-?pcs)?|cpt|hcpcs|snomed(?:[- ]?ct)?|loinc|rxnorm|rxcui|ndc|atc|cas|ec|omim|mim"
    r"|hgnc|genbank|refseq|uniprot|pdb|dbsnp|mesh|umls|cui|dsm|fig(?:ure)?|table|chapter|section|arxiv|geo|ensembl|entrez|clinvar|cosmic|drg|orpha|version|grade|stage|phase|question|国药准字|批准文号|诊断编码|疾病编码)"
    r"(?:[ -]?(?:no\.?|number|id|code|identifier|accession|codes?))?[\s:#.=()-]*$",
    re.IGNORECASE,
)
# Never an identifier: DOIs, genes and their variants, trials, diseases, pressures, decimals, times, years.
_FREE_FORM = re.compile(
    r"(?:10\.\d{4,9}/.*|[cgpmnr]\.\(?[A-Za-z]{0,3}\d.*|rs\d{3,12}|(?:NM|NP|NC|NG|NR|XM|XP)_\d+.*|NCT\d{8}|PMC\d+|ENS[GTP]\d+.*|GS[EM]\d+|ISRCTN\d+|chr\d.*|H\d{1,2}N\d{1,2}(?:v|pdm09)?|CD\d{1,3}[a-z]?|[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"
    r"|\d{2,3}/\d{2,3}|\d+\.\d+|\d{1,2}:\d{2}(?::\d{2})?|(?:1[89]|20)\d\d|\d{1,4}\.\d+-\d{1,4}\.\d+)"
)
# None without a label: amounts with their unit, names of substances and tests, lists of small figures, round numbers.
_FREE_ALONE = re.compile(
    r"(?:(?:BMS|PF|LY|GSK|MK|AZD|ABT|ABBV|RO|RG|BI|TAK|AMG|CNTO|MEDI|SAR|JNJ|BAY|SB|SCH|CP|DSM|ICD|LHRH|FDG|COVID|SARS|HLA|IL|TNF|VEGF|HER|PD|CTLA|BRCA)-?\d[\w-]*"
    r"|\d+(?:\.\d+)?[-/]?\d*(?:st|nd|rd|th|s|x|mg|mcg|ug|μg|µg|ng|pg|fL|g|kg|ml|mL|L|dL|cm|mm|m|IU|U|iu|u|units?|mmol|mol|mEq|meq|kcal|kJ|Hz|bpm|h|hr|hrs|min|days?|d|w|wk|weeks?|y|yr|yo|F|C|bid|tid|qd|k|K|bp|kb|Da|kDa|Gy|Fr|G|W|V|mA|nm|um|ppm|mmHg)(?:/\w+)*"
    r"|(?:1[89]|20)\d\d[-/](?:1[89]|20)?\d\d|\d{1,3}(?:[/-]\d{1,3}){2,}|[1-9]\d{0,2}0{4,})"
)
_UNIT = re.compile(
    r" ?(?:mg|mcg|µg|μg|ug|ng|pg|g|kg|mL|ml|L|dL|IU|iu|units?|U|cells?|copies|/ ?(?:mm|µ|μ|u|mL|ml|L|HP|hp|d|cu)|mm|cm|mmol|mol|mEq|×|x ?10|bpm|%|kcal|cal|calories|kJ|Hz|per (?=(?:\d|cent|m|km|kg|dL|mL|L|second|minute|hour|day|night|week|month|year|dose|person|patient|capita|field|cell|beat|breath|meal|side|eye|oral|os)s?\b)|patients?|people|persons?|cases?|deaths?|children|women|men|participants?|individuals?|infants|births|adults|subjects"
    r"|steps|dollars|pounds|euros|USD|years?|days?|hours?|minutes?|weeks?|months?|times|samples|genes|base|bp|元|人|例|个|万|亿|千|次|只|份|名|单位|毫克|毫升|微克|克|千克|公斤|细胞|拷贝|国际|步|美元|岁|年|天|小时|分钟|周|倍|种|株|条|米|卡|千卡|大卡)(?:(?<= )|(?![A-Za-z]))"
)

VALUE = re.compile(
    r"(?<![A-Za-z0-9_])(?:[A-Za-z0-9_]{1,20}[-/._·]){0,6}[A-Za-z0-9_]{0,60}?[0-9][A-Za-z0-9_]*(?:[-/._·:*][A-Za-z0-9_*]+)*"
)
# The pieces of a spaced number that go on after its first one.
_MORE = re.compile(
    r"(?:[ -](?:\d{2,8}[A-Z]{0,3}|[A-Z]{0,3}\d[A-Z0-9]{0,5})(?![A-Za-z0-9.%/]|,\d| ?(?:mg|mcg|mL|kg|years?|days?|hours?|weeks?|months?|mm|cm)))+"
)
_PLATE_MORE = re.compile(r"(?:[ -][A-Z]{1,4}(?![A-Za-z0-9]))")
LONGEST = 64  # letters of a number
SEQUENCE = re.compile(
    r"(?<![A-Za-z0-9.,])[+(]{0,2}\d(?:[ ().-]{0,3}\d){5,18}(?![\d%])(?! ?(?:mg|mcg|mmHg)(?![A-Za-z]))"
)

EXTENSION = r"(?:[ ,]{0,2}(?:ext\.?|x|extension|转|分机|#)[ :.]?\d{1,6})?"
PHONE = re.compile(
    r"(?<![A-Za-z0-9.+])(?<!\d[-/])(?:"
    r"(?:\+|00)\d{1,3}[ .()-]{0,3}(?:\(0\)[ ]?)?\d{1,5}(?:[ .()-]{1,2}\d{2,8}){1,4}"
    r"|(?:\+|00)\d{1,3}[ .()-]{0,3}(?:\(0\) ?)?\d{7,12}|\+\d{7,15}"
    r"|(?:(?:001|\+?1)[ .-]?)?(?:\(\d{3}\)[ .-]{0,2}|\d{3}[-. /]{1,2})\d{3}[-. ]\d{4}"
    r"|\(0\d{2,5}\) ?\d{3,4} ?\d{3,4}"
    r"|0\d{2,4}[ -]\d{3,4}[ -]\d{3,4}|0\d{4} \d{5,6}|07\d{3}[ -]\d{3} ?\d{3}|0\d{2,3}[-. ]{1,3}\d{7,8}(?:-\d{1,6})?"
    r"|1[3-9]\d[ .-]\d{4}[ .-]\d{4}|1[3-9]\d{2}[ .-]\d{3}[ .-]\d{4}|(?:86[ -]?)?1[3-9]\d{9}"
    r"|[48]00[ -]\d{3,4}[ -]\d{3,4}|1-[48]\d\d-[A-Z0-9]{3,7}(?:-[A-Z0-9]{4})?"
    r"|[2-9]\d{2}-[01]\d{3}|[6-9]\d{4} \d{5}"
    rf"){EXTENSION}(?![A-Za-z0-9]|[.,/-]\d| ?(?:mg|mcg|mL|kg|%|mm|cells|patients|IU))"
)
REGIONS = ("US", "GB", "CN", "IN", "MX", "AU")  # of numbers without a country code, each tried

SSN = re.compile(r"(?<![\d-])(?:\d{3}|[xX*]{3})[- ](?:\d{2}|[xX*]{2})[- ]\d{4}(?![\d-])")
RIC = re.compile(
    r"(?<!\d)[1-9]\d{5}[ -]?(?:1[89]|20)\d{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12]\d|3[01])[ -]?\d{3}[ -]?[\dXx](?![A-Za-z0-9])"
)
NINO = re.compile(r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])")
CHINESE_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使] ?[A-HJ-Z] ?[·•.・-]? ?(?=[A-Z]{0,5}\d)[A-HJ-NP-Z0-9]{4,6}[挂学警港澳领]?(?![A-Za-z0-9])"
)
PLATE = re.compile(
    r"(?<![A-Za-z])(?i:plates?|registration|vehicle reg|reg|tag|identification number|vin)\.?(?i: (?:no\.?|number|plate|mark|#))?[ :#]{1,3}(?:is |was )?"
    r"(?P<v>(?=[A-Z0-9 •·-]{0,9}\d)[A-Z0-9]{1,4}(?:[ •·-]?[A-Z0-9]{1,5}){1,2})(?![A-Za-z0-9])"
)
VIN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-HJ-NPR-Z0-9]{0,15}\d)(?=\d{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])"
)
UDI = re.compile(r"\(01\) ?\d{8,14}(?: ?\(\d{2,3}\) ?[A-Za-z0-9-]{1,20})*")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
UUID = re.compile(r"(?<![A-Za-z0-9])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![A-Za-z0-9])")
MASKED = re.compile(r"(?<![A-Za-z0-9])(?:\d{3,6}[*xX]{4,12}\d{2,4}[Xx]?|[*xX]{4,}[ -]?\d{4})(?![A-Za-z0-9])")
# A code that is spelt with letters alone is found by a strong label only: "serial number ABCD-EFGH".
LETTERS = re.compile(
    r"(?:(?<![A-Za-z])(?:plate|serial|s/n|token|hash|template|passcode|barcode|id|number|no)\.?(?: (?:number|no|id|code)\.?)?|号牌|车牌|编号|序列号|编码)(?: ?[:#=] ?| is )(?P<v>[A-Z]{2,}(?:[-_][A-Z]{2,})+|(?=[A-F]*[0-9])[A-F0-9]{8,})(?![A-Za-z])"
)


# Kinds whose labels say little else: a number after "MRN" is one even without "no." between.
_OWN = ("record", "plan", "vehicle", "licence", "fax", "national_id", "biometric")


_NO_LETTERS = " \t\n:#=.,;*_|\"'[]()/-+0123456789，；、。（）「」【】《》“”~$@&"
_LAST = re.compile(r"(?:[A-Za-z/']+|[\u4e00-\u9fff]{1,4})$")


_OWN_LETTERS = re.compile(r"(?<![A-Za-z])[A-Z]{2,4}[ -]$")


def _may_be_labelled(left: str) -> bool:
    """Whether the last word before a number, or the one before that where it may be the number's own letters, belongs to a label."""
    for _ in range(2):
        left = left.rstrip(_NO_LETTERS)
        word = _LAST.search(left[-24:])
        if word is None:
            return False
        if _may_label(word[0].lower()):
            return True
        if len(word[0]) > 4 or not word[0].isupper():
            return False
        left = left[: -len(word[0])]
    return False


@functools.lru_cache(maxsize=100_000)
def _may_label(word: str) -> bool:
    """Whether a label, or what stands between one and its number, can end with this word."""
    if not word.isascii():
        return _LABEL.search(word) is not None or word[-1] in "号码为是系的至到在给及和或被下记人者写录示"
    return (
        _LABEL.search(word) is not None
        or _BETWEEN.fullmatch(word) is not None
        or word
        in (
            "security",
            "sec",
            "cross",
            "shield",
            "express",
            "geometry",
            "print",
            "prints",
            "scan",
            "profile",
            "ending",
            "in",
        )
    )


def _label(left: str) -> tuple[Kind | None, bool, int]:
    """The kind that the words at the end of ``left`` say, whether they say it plainly, and how many letters of the number stand before it."""
    best: Kind | None = None
    marked = False
    if not _may_be_labelled(left):
        return None, False, 0
    own = _OWN_LETTERS.search(left)
    if own is not None and _MARKED.search(left[: own.start()][-8:]):
        before, _, lead = _label(left[: own.start()])
        if before is not None:
            return before, True, len(own[0]) + lead
    lead = 0
    for match in _LABEL.finditer(left):
        between = _BETWEEN.fullmatch(left, match.end())
        if between is not None:
            kind: Kind = match.lastgroup  # type: ignore[assignment]
            if best is None or _ORDER.index(kind) < _ORDER.index(best):
                best = kind
            marked = marked or bool(_MARKED.search(left, match.start()))
            lead = len(between["lead"] or "")
    return best, marked, lead


def _is_telephone(digits: str) -> bool:
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


_SPAN = re.compile(r"(\d{1,5})s?-(\d{1,5})s?")  # of pages, decades, amounts


def _by_form(value: str, digits: str) -> Kind | None:
    """The kind of an unlabelled number by its length, check digit or ranges; None where it may well measure something."""
    if len(digits) == len(value):
        if len(digits) in (15, 18) and (len(digits) == 15 or ric.is_valid(digits)):
            return "national_id"
        if len(digits) in (10, 11) and _is_telephone(digits):
            return "phone"
        if 13 <= len(digits) <= 19 and luhn.is_valid(digits):
            return "account"
        return "other" if len(digits) >= 7 else None
    span = _SPAN.fullmatch(value)
    if span is not None and int(span[1]) < int(span[2]):
        return None
    runs = [len(run) for run in re.findall(r"\d+", value)]
    if len(digits) >= 7 and max(runs) >= 4:
        return "other"
    letters = sum(letter.isalpha() for letter in value)
    if letters and max(runs) >= 5 and "." not in value:
        return "other"
    return (
        "other"
        if letters >= 2 and len(digits) >= 4 and len(value) >= 8 and not re.search("[a-z]{3}|[.]", value)
        else None
    )


_LONG = re.compile(r"\d[\d ().*-]{2,}|[*xX]{3,}|[A-Z0-9]{5,}|[\u4e00-\u9fff] ?[A-Z] ?.? ?[A-Z0-9]{4}|[A-Z]{2} ?\d\d ")


def _shaped(text: str) -> Iterator[Found]:
    """Numbers whose form alone says what they are."""
    stretches = around(_LONG, text, 30, 60)
    for kind, pattern in _FORMS:
        for match in within(stretches, pattern, text):
            if pattern is PHONE and _FREE.search(text[max(0, match.start() - 24) : match.start()]):
                continue
            if pattern is PHONE and re.search(
                r"(?:fax|facsimile|传真)\W{0,4}\w{0,6}\W{0,4}$",
                text[max(0, match.start() - 24) : match.start()],
                re.IGNORECASE,
            ):
                yield Found(match.start(), match.end(), "fax")
                continue
            yield Found(match.start(), match.end(), kind)


_FORMS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("national_id", RIC),
    ("national_id", SSN),
    ("phone", PHONE),
    ("national_id", NINO),
    ("vehicle", CHINESE_PLATE),
    ("vehicle", VIN),
    ("device", UDI),
    ("account", IBAN),
    ("other", UUID),
    ("account", MASKED),
)


def numbers(text: str) -> Iterator[Found]:
    """Identifying numbers and codes in a plain text."""
    for match in LETTERS.finditer(text):
        yield Found(match.start("v"), match.end("v"), "other")
    if not any(letter in text for letter in "0123456789"):
        return
    yield from _shaped(text)
    for match in PLATE.finditer(text):
        sure = match[0][:3].lower() in ("pla", "vin")
        if sure or not re.fullmatch(r"(?:1[89]|20)\d\d|\d{1,3}", match["v"]):
            yield Found(match.start("v"), match.end("v"), "vehicle")
    for match in VALUE.finditer(text):
        value = match[0]
        if len(value) < 3:
            continue
        digits = "".join(letter for letter in value if letter.isdecimal())
        if len(digits) < 3 and not value.isupper():
            continue
        if len(value) > LONGEST:  # a key, a hash, a picture in letters
            yield Found(match.start(), match.end(), "other")
            continue
        if (
            value.isdecimal()
            and len(value) == 3
            and not text[match.start() - 2 : match.start() - 1].isupper()
            and not _PLATE_MORE.match(text, match.end())
            and not _MORE.match(text, match.end())
        ):
            continue
        found = _judged(text, match.start(), match.end(), value, digits)
        if found is not None:
            yield found
    for match in SEQUENCE.finditer(text):
        if " " not in match[0]:
            continue
        digits = "".join(letter for letter in match[0] if letter.isdecimal())
        kind, _, _ = _label(text[max(0, match.start() - 64) : match.start()])
        if kind is None and (13 <= len(digits) <= 19 and re.fullmatch(r"\d{4}(?: \d{4}){2,3} ?\d{0,4}", match[0])):
            kind = "account"
        if kind is not None:
            yield Found(match.start(), match.end(), kind)


def _is_free(left: str) -> bool:
    """Whether the words before a number say that it names a publication, a disease or a product."""
    own = _OWN_LETTERS.search(left)
    if own is not None and _MARKED.search(left[: own.start()][-8:]):
        left = left[: own.start()]
    return _FREE.search(left[-32:]) is not None


def _judged(text: str, start: int, end: int, value: str, digits: str) -> Found | None:
    left = text[max(0, start - 64) : start]
    measured = _UNIT.match(text, end) is not None
    if (measured and len(digits) < 11) or _FREE_FORM.fullmatch(value) or _is_free(left):
        return None
    kind, marked, lead = _label(left)
    if kind is None and _ANY_LABEL.search(left[-32:]):
        kind, marked = "other", True
    alone = _FREE_ALONE.fullmatch(value) is not None
    if (
        kind is not None
        and not measured
        and not (
            (alone and not (marked or kind in _OWN))
            or (alone and len(digits) < 4 and kind not in ("vehicle", "licence"))
        )
    ):
        more = _MORE.match(text, end)
        if more is None and kind in ("vehicle", "place", "licence"):
            more = _PLATE_MORE.match(text, end)
        mixed = (
            len(value) > len(digits) + sum(letter in "-/.:·_*" for letter in value)
            or lead > 0
            or value[0] == "0"
            or (more is not None and more[0].isupper())
        )
        needed = (
            1
            if kind in ("vehicle", "licence") and (mixed or more)
            else 3
            if mixed
            else 4
            if marked or kind in _OWN
            else 5
        )
        if len(digits) >= needed:
            return Found(start - lead, more.end() if more else end, kind)
    if alone or len(digits) < 4:
        return None
    kind = _by_form(value, digits)
    return Found(start, end, kind) if kind else None
