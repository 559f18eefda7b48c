"""The words that say what a number is: its label, and what may stand between the two."""

from __future__ import annotations

import functools
import re

from corpora.curate.identifiers.found import Kind

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
MARKED = re.compile(
    r"[:#=]|(?<![A-Za-z])(?:no|num|numbers?|nr|id|ids|identifier|code|card|ending|last (?:four|4)|is|reads?)(?![A-Za-z])|号|码|编号|为|是|尾|末",
    re.IGNORECASE,
)
_NO_LETTERS = " \t\n:#=.,;*_|\"'[]()/-+0123456789，；、。（）「」【】《》“”~$@&"
_LAST = re.compile(r"(?:[A-Za-z/']+|[\u4e00-\u9fff]{1,4})$")
OWN_LETTERS = re.compile(r"(?<![A-Za-z])[A-Z]{2,4}[ -]$")


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


def label_of(left: str) -> tuple[Kind | None, bool, int]:
    """The kind that the words at the end of ``left`` say, whether they say it plainly, and how many letters of the number stand before it."""
    best: Kind | None = None
    marked = False
    if not _may_be_labelled(left):
        return None, False, 0
    own = OWN_LETTERS.search(left)
    if own is not None and MARKED.search(left[: own.start()][-8:]):
        before, _, lead = label_of(left[: own.start()])
        if before is not None:
            return before, True, len(own[0]) + lead
    lead = 0
    for match in _LABEL.finditer(left):
        between = _BETWEEN.fullmatch(left, match.end())
        if between is not None:
            kind: Kind = match.lastgroup  # type: ignore[assignment]
            if best is None or _ORDER.index(kind) < _ORDER.index(best):
                best = kind
            marked = marked or bool(MARKED.search(left, match.start()))
            lead = len(between["lead"] or "")
    return best, marked, lead
