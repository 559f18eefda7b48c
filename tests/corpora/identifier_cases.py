"""3,600 synthetic cases with identifiers, and 500 without; the values are Faker's, the sentences are written here. All of it is fictional."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from faker import Faker
from stdnum import luhn
from stdnum.iso7064 import mod_11_2

STRUCTURED = {
    "phone",
    "fax",
    "email",
    "national_id",
    "record",
    "plan",
    "account",
    "licence",
    "vehicle",
    "device",
    "url",
    "ip",
}


@dataclass(frozen=True)
class Case:
    kind: str
    language: str
    text: str
    value: str
    kept: tuple[str, ...] = ()  # pieces of the value that may stay: a year, a state


class Values:
    """Fictional values of each kind, by seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.fakers = {
            name: Faker(name)
            for name in ("en_US", "en_GB", "en_IN", "en_NG", "es_MX", "fr_FR", "de_DE", "pl_PL", "zh_CN", "tr_TR")
        }
        for number, faker in enumerate(self.fakers.values()):
            faker.seed_instance(seed + number)

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def pattern(self, form: str) -> str:
        """Digits for "#", capitals for "@"."""
        letters = {"#": string.digits, "@": "ABCDEFGHJKLMNPRSTUVWXYZ"}
        return "".join(self.random.choice(letters[letter]) if letter in letters else letter for letter in form)

    def english_name(self) -> str:
        locale = self.pick("en_US", "en_GB", "en_IN", "en_NG", "es_MX", "fr_FR", "de_DE", "pl_PL", "tr_TR")
        faker = self.fakers[locale]
        first, last = faker.first_name(), faker.last_name()
        if self.random.random() < 0.25:
            return f"{first} {self.pick(*string.ascii_uppercase)}. {last}"
        return f"{first} {last}"

    def chinese_name(self) -> str:
        return self.fakers["zh_CN"].name()

    def date(self) -> tuple[str, tuple[str, ...]]:
        day = self.fakers["en_US"].date_between("-90y", "today")
        year = f"{day:%Y}"
        ordinal = f"{day.day}{'th' if 10 < day.day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day.day % 10, 'th')}"
        form = self.pick(
            f"{day:%Y-%m-%d}", f"{day:%m/%d/%Y}", f"{day:%m/%d/%y}", f"{day.month}/{day.day}/{day:%Y}", f"{day:%B} {day.day}, {day:%Y}",
            f"{day.day} {day:%B} {day:%Y}", f"{day:%b} {day.day} {day:%Y}", f"{day:%d-%b-%Y}", f"{day:%d.%m.%Y}", f"{day:%Y/%m/%d}",
            f"{day:%B} {ordinal}", f"{ordinal} of {day:%B} {day:%Y}", f"the {ordinal} of {day:%B}", f"{day:%B} {day:%Y}", f"{day:%m-%d-%Y}", f"{day:%b}. {day.day}, {day:%Y}",
        )  # fmt: skip
        return form.removeprefix("the "), (year,)

    def chinese_date(self) -> tuple[str, tuple[str, ...]]:
        day = self.fakers["zh_CN"].date_between("-90y", "today")
        han = "".join("〇一二三四五六七八九"[int(figure)] for figure in f"{day:%Y}")

        def spelt(number: int) -> str:
            tens, ones = divmod(number, 10)
            return ("" if not tens else "十" if tens == 1 else "一二三"[tens - 1] + "十") + (
                "一二三四五六七八九"[ones - 1] if ones else ""
            )

        form = self.pick(
            f"{day:%Y}年{day.month}月{day.day}日", f"{day.month}月{day.day}日", f"{day:%Y-%m-%d}", f"{day:%Y/%m/%d}", f"{day:%Y}.{day.month}.{day.day}",
            f"{han}年{spelt(day.month)}月{spelt(day.day)}日", f"{day:%Y}年{day.month}月", f"{day:%Y}年{day:%m}月{day:%d}日", f"{day.month}月{day.day}号",
            f"{spelt(day.month)}月{spelt(day.day)}日", f"{day:%Y} 年 {day.month} 月 {day.day} 日",
        )  # fmt: skip
        return form, (f"{day:%Y}", han)

    def resident(self) -> str:
        day = self.fakers["zh_CN"].date_between("-90y", "-1y")
        body = (
            self.pick("110105", "310104", "440106", "330106", "420106", "510107", "370202")
            + f"{day:%Y%m%d}"
            + self.pattern("###")
        )
        return body + mod_11_2.calc_check_digit(body)

    def card(self) -> str:
        body = self.pick("6222", "6217", "4556", "5105", "6228") + self.pattern("###########")
        return body + luhn.calc_check_digit(body)


PROVINCES = ["新疆维吾尔自治区", "内蒙古自治区", "广西壮族自治区", "宁夏回族自治区", "西藏自治区", "香港特别行政区", "澳门特别行政区", "黑龙江省", *(name + "省" for name in ["河北", "山西", "辽宁", "吉林", "江苏", "浙江", "安徽", "福建", "江西", "山东", "河南", "湖北", "湖南", "广东", "海南", "四川", "贵州", "云南", "陕西", "甘肃", "青海", "台湾"]), *(name + "市" for name in ["北京", "上海", "天津", "重庆"])]  # fmt: skip

# A sentence around a value: "{}" is its place. The first list is for English, the second for Chinese.
FRAMES: dict[str, tuple[list[str], list[str]]] = {
    "name": (
        ["Patient {} was admitted with chest pain.", "Name: {}", "Mr. {} denies fever or cough.", "The patient, {}, is a 54-year-old woman.", "Seen by Dr. {} in clinic.", "Dear {},\nYour results are normal.",
         "Her husband {} was at the bedside.", "Discussed with {} over the phone.", "Electronically signed by {}, MD", "{} presented with shortness of breath.", "{} is a 45-year-old man with diabetes.",
         "I spoke with {} about the risks.", "Emergency contact: {} (daughter)", "Attending physician: {}", "Next of kin is {}.", "My name is {} and I have had a cough for two weeks.", "Referred by {} for evaluation of anemia.",
         "Sincerely,\n{}", "{} reports that the pain is worse at night.", "Nurse {} gave the morning dose.", "The history was taken from {}, who lives with the patient.", "Patient name - {}", "cc: {}", "{}'s mother called about the rash."],
        ["患者{}，男，45岁，因腹痛入院。", "姓名：{}", "主治医师：{}", "家属{}表示理解并签字。", "我叫{}，最近总是失眠。", "{}先生，您好，您的报告已出。", "{}女士今日复查。", "由{}医生负责手术。", "联系人：{}（妻子）", "患者姓名为{}，既往体健。",
         "{}，女，62岁，退休。", "签名：{}", "请转告{}明天空腹抽血。", "护士长{}核对了医嘱。", "患者{}于昨日出院。", "{}主任查房。", "其子{}陪同就诊。", "病人 {} 诉头晕。", "记录者：{}", "尊敬的{}女士："],
    ),
    "place": (
        ["Address: {}", "She lives at {}.", "Home address is {}.", "The patient resides at {} with her son.", "Mail the report to {}.", "He was picked up at {} by ambulance.", "Residence: {}"],
        ["住址：{}", "家住{}。", "患者现住{}，独居。", "地址是{}。", "户籍地址：{}", "请寄到{}，谢谢。", "家庭住址 {}"],
    ),
    "date": (
        ["Seen on {}.", "DOB: {}", "Admitted {} with pneumonia.", "The biopsy was done on {}.", "Date of service: {}", "He was discharged on {} in good condition.", "Symptoms started on {}.", "Next appointment: {}", "She has been well since {}.", "Surgery was performed on {} without complications."],
        ["于{}入院。", "出生日期：{}", "患者{}行手术治疗。", "{}复查CT。", "就诊时间：{}", "自{}起出现咳嗽。", "末次月经{}。", "手术日期为{}。", "{}出院。"],
    ),
    "age": (
        ["A {}-year-old woman with falls.", "Age: {}", "He is {} years old.", "She is aged {} and lives alone.", "This {} y/o man was admitted.", "Her father died at the age of {}.", "{} yo male with CHF.", "Patient turned {} last week."],
        ["患者，女，{}岁。", "年龄：{}", "今年{}岁，生活自理。", "{}岁老人跌倒。", "患者{}岁，男性。", "现年{}岁。", "年龄{}岁，既往高血压。"],
    ),
    "phone": (
        ["Phone: {}", "Call her at {}.", "His cell is {}.", "Tel. {}", "She can be reached on {} after 5 pm.", "Contact number {}", "Home phone {}; leave a message.", "Please ring {} with the results.", "mobile {}", "Daughter's number is {}."],
        ["联系电话：{}", "手机{}", "电话 {}，请勿外传。", "请拨打{}预约。", "家属电话为{}。", "手机号：{}", "可致电{}咨询。", "联系方式:{}", "患者留的号码是{}。", "座机：{}"],
    ),
    "fax": (
        ["Fax: {}", "Fax the report to {}.", "FAX NUMBER {}", "Records were faxed to {}.", "fax # {}", "Facsimile {}", "Send by fax at {}."],
        ["传真：{}", "传真号码为{}。", "请传真至{}。", "传真 {}", "报告已传真到{}。", "（传真）{}"],
    ),
    "email": (
        ["Email: {}", "Write to {} for the results.", "Her e-mail is {}.", "{} is the best way to reach me", "Sent to <{}> today.", "contact ({})"],
        ["邮箱：{}", "请发到{}，谢谢", "电子邮件 {}", "我的邮箱是{}。", "报告发送至{}", "E-mail：{}；"],
    ),
    "national_id": (
        ["SSN: {}", "Social security number {} on file.", "Her SSN is {}.", "SS# {}", "Social Security No. {}", "ssn {} verified"],
        ["身份证号：{}", "身份证号码为{}。", "公民身份号码{}", "证件号码：{}", "患者身份证{}已登记。", "居民身份证：{}", "ID号 {}"],
    ),
    "record": (
        ["MRN: {}", "Medical record number {}", "MRN {} was reviewed.", "Chart number: {}", "Hospital no. {}", "Patient ID: {}", "Medical Record # {}", "Record No: {}", "(MRN {})", "Her medical record number is {}.", "Encounter ID {}"],
        ["病历号：{}", "住院号{}", "门诊号：{}", "病案号为{}。", "就诊卡号：{}", "住院号 {}，床号3", "（住院号：{}）", "登记号:{}", "诊疗卡号 {}", "患者病历号是{}。"],
    ),
    "plan": (
        ["Member ID: {}", "Health plan number {}", "Insurance ID {}", "Policy number: {}", "Medicare number is {}.", "Subscriber ID # {}", "Beneficiary number {}", "Insurance policy no. {}", "Medicaid ID: {}", "Group number {}"],
        ["医保号：{}", "医保卡号{}", "社保号：{}", "社会保障号码为{}。", "参保号 {}", "保单号：{}", "医疗保险号:{}", "社保卡号是{}。", "医保编号{}", "新农合证号：{}"],
    ),
    "account": (
        ["Account number: {}", "Acct # {}", "Bank account {}", "Billing account no. {}", "Card number {} was charged.", "Paid with Visa {}.", "Her account is {}.", "Invoice account: {}"],
        ["银行卡号：{}", "账号：{}", "银行账户{}", "开户账号为{}。", "卡号 {}", "退款至银行卡{}。", "信用卡号：{}"],
    ),
    "licence": (
        ["License number: {}", "Driver's license {}", "Medical license no. {}", "DEA number {}", "NPI: {}", "Certificate number {}", "State license # {}", "Board certification no. {}", "Licence No {}", "DL# {}"],
        ["执业证号：{}", "医师资格证编号{}", "驾驶证号：{}", "护照号码{}", "执业证书编号：{}", "港澳通行证号 {}", "驾照{}", "资格证书号：{}", "护士执业证号为{}。"],
    ),
    "vehicle": (
        ["License plate {}", "VIN: {}", "Plate number: {}", "Vehicle identification number {}", "His car, plate {}, was towed.", "Vehicle registration {}", "VIN {} was recorded.", "licence plate no. {}"],
        ["车牌号：{}", "车牌{}", "驾驶{}的车辆发生事故。", "肇事车辆牌照为{}。", "车辆号牌：{}", "车牌号码{}，白色轿车。"],
    ),
    "device": (
        ["Serial number: {}", "Pacemaker S/N {}", "Device ID {}", "Implant serial no. {}", "Pump serial # {}", "UDI: {}", "Device serial number is {}.", "IMEI {}", "SN: {}"],
        ["设备序列号：{}", "起搏器编号{}", "序列号 {}", "UDI：{}", "植入物编号：{}", "机身号为{}。", "设备编号：{}", "仪器SN：{}"],
    ),
    "url": (
        ["See {} for details.", "My blog is {}", "Website: {}", "The photos are at {}.", "({})", "posted on {} yesterday"],
        ["网址：{}", "详见 {}", "我的博客是{}，欢迎访问。", "链接：{}", "请打开{}查看报告", "（{}）"],
    ),
    "ip": (
        ["IP address: {}", "Login from {} was logged.", "The request came from {}.", "IP {}", "Client ({}) connected.", "host {} responded"],
        ["IP地址：{}", "登录IP为{}。", "来自{}的访问。", "IP：{}", "用户IP {}", "从{}登录。"],
    ),
    "biometric": (
        ["Fingerprint ID: {}", "Retinal scan code {}", "Voiceprint number {}", "Biometric identifier {}", "Iris template {}", "Fingerprint record no. {}", "Face template ID: {}", "Palm print {}"],
        ["指纹编号：{}", "虹膜编码{}", "声纹编号为{}。", "人脸识别编号：{}", "生物特征编号 {}", "指纹ID：{}", "掌纹号：{}"],
    ),
    "photo": (
        ["Photo: {}", "Full-face photograph saved as {}.", "See attached image {}", "Picture of the patient: {}", "[{}]", "The portrait {} is in the chart."],
        ["照片：{}", "面部照片见 {}。", "患者正面照 {}", "图片文件：{}", "（{}）", "头像为 {}"],
    ),
    "other": (
        ["Study ID: {}", "Accession number {}", "Specimen ID {}", "Subject number: {}", "Passport no. {}", "Barcode {}", "Employee ID {}", "Reference number is {}.", "Tracking number {}", "Case number: {}"],
        ["受试者编号：{}", "检查号{}", "标本号：{}", "条码号 {}", "工号：{}", "流水号为{}。", "影像号：{}", "报告编号{}", "学号：{}", "订单号：{}"],
    ),
}  # fmt: skip

BEFORE = [
    "",
    "",
    "",
    "Past history of hypertension. ",
    "BP 120/80, pulse 72. ",
    "Follow-up in 2 weeks. ",
    "Note: ",
    "* ",
    "Afebrile, SpO2 97%. ",
]
AFTER = [
    "",
    "",
    "",
    " Continue metformin 500 mg bid.",
    " No known drug allergies.",
    " WBC 12.3, Hgb 13.5.",
    "\nPlan: repeat labs in 3 months.",
    " Thank you.",
]
BEFORE_CHINESE = ["", "", "", "既往高血压病史10年。", "体温36.5℃，血压120/80mmHg。", "备注：", "1. ", "无药物过敏史。"]
AFTER_CHINESE = ["", "", "", " 继续口服二甲双胍0.5g。", " 建议3个月后复查。", "\n白细胞12.3×10^9/L。", " 谢谢！"]


def values(made: Values, kind: str, language: str) -> tuple[str, tuple[str, ...]]:
    """A value of the kind and the pieces of it that may stay."""
    us, gb, india, zh = (made.fakers[name] for name in ("en_US", "en_GB", "en_IN", "zh_CN"))
    chinese = language == "zh"
    if kind == "name":
        return (made.chinese_name() if chinese else made.english_name()), ()
    if kind == "place":
        if chinese:
            address = zh.address().split(" ")[0]
            return address, tuple(province for province in PROVINCES if address.startswith(province))
        made_up = made.pick(
            us.address().replace("\n", ", "),
            us.street_address(),
            gb.street_address().replace("\n", ", "),
            f"{us.street_address()}, {us.city()}",
        )
        return made_up, ()
    if kind == "date":
        return made.chinese_date() if chinese else made.date()
    if kind == "age":
        return str(made.random.randint(90, 109)), ()
    if kind in ("phone", "fax"):
        form = (
            made.pick(
                zh.phone_number(),
                made.pattern("1##-####-####").replace("1", "13", 1)[:13],
                made.pattern("0##-########"),
                made.pattern("0###-#######"),
                made.pattern("138 #### ####"),
                made.pattern("+86 139########"),
                made.pattern("(0##) ########"),
            )
            if chinese
            else made.pick(
                us.phone_number(),
                gb.phone_number(),
                india.phone_number(),
                made.pattern("(###) 555-01##"),
                made.pattern("555-01##"),
                made.pattern("###.555.01##"),
                made.pattern("+44 20 7946 0###"),
                made.pattern("+1 ### 555 01##"),
            )
        )
        return form, ()
    if kind == "email":
        return made.pick(
            us.email(),
            us.company_email(),
            zh.email(),
            us.ascii_free_email(),
            f"{us.user_name()}+lab@{us.domain_name()}",
        ), ()
    if kind == "national_id":
        if chinese:
            number = made.resident()
            return made.pick(
                number, number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}", number[:6] + number[8:17]
            ), ()
        number = us.ssn()
        return made.pick(number, number.replace("-", " "), number.replace("-", "")), ()
    if kind == "record":
        return made.pattern(
            made.pick("#######", "##-##-##", "@######", "##########", "#####", "MR######", "###-###-###", "Z########")
        ), ()
    if kind == "plan":
        return made.pattern(
            made.pick(
                "@@@#########",
                "#@@#-@@#-@@##",
                "#########",
                "@########",
                "###-##-####-@",
                "##########",
                "@@@ ### ### ###",
            )
        ), ()
    if kind == "account":
        card = made.card()
        return made.pick(
            card,
            f"{card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
            made.pattern("##########"),
            made.pattern("####-####-##"),
            made.pattern("########"),
            us.iban(),
        ), ()
    if kind == "licence":
        return made.pattern(
            made.pick("@#######", "@@#######", "########", "@###-####-####", "@@######", "##########", "@########")
        ), ()
    if kind == "vehicle":
        if chinese:
            return made.pattern(
                made.pick("京A#@###", "沪B·#####", "粤AD#####", "苏E·@#@##", "川A#####", "浙B F####", "鲁@##@##")
            ), ()
        return made.pick(us.license_plate(), us.vin(), us.vin(), gb.license_plate(), made.pattern("@@@-####")), ()
    if kind == "device":
        return made.pattern(
            made.pick(
                "SN########", "@@@######@", "##@@-#####", "(01)##############(21)@####", "###############", "@#####-##"
            )
        ), ()
    if kind == "url":
        return made.pick(
            us.url(),
            us.uri(),
            f"www.{us.domain_name()}/{us.user_name()}",
            us.domain_name() + "/" + us.uri_path(),
            zh.url(),
        ), ()
    if kind == "ip":
        return made.pick(us.ipv4(), us.ipv4_public(), us.ipv6(), us.mac_address(), us.ipv4_private()), ()
    if kind == "biometric":
        return made.pattern(made.pick("FP-######", "@@######", "########", "BIO-####-@@", "@#@#@#@#")), ()
    if kind == "photo":
        name = made.pick(
            us.file_name(extension=made.pick("jpg", "png", "jpeg", "tiff", "heic")),
            made.pattern("IMG_########.JPG"),
            made.pattern("face_@@_###.png"),
            f"{us.user_name()}-portrait.jpg",
        )
        return name, ()
    return made.pattern(made.pick("S######", "@@-####-###", "########", "A##-#####", "@########", "####-####")), ()


KINDS = [
    "name",
    "place",
    "date",
    "phone",
    "fax",
    "email",
    "national_id",
    "record",
    "plan",
    "account",
    "licence",
    "vehicle",
    "device",
    "url",
    "ip",
    "biometric",
    "photo",
    "other",
]


def cases(seed: int, each: int = 100) -> Iterator[Case]:
    """So many cases of each of the 18 kinds in each language; a tenth of those of dates are ages over 89."""
    made = Values(seed)
    for kind in KINDS:
        for number, language in enumerate(("en", "zh")):
            for count in range(each):
                shown = "age" if kind == "date" and count % 10 == 0 else kind
                value, kept = values(made, shown, language)
                frame = made.pick(*FRAMES[shown][number])
                before, after = (BEFORE, AFTER) if language == "en" else (BEFORE_CHINESE, AFTER_CHINESE)
                text = made.pick(*before) + frame.replace("{}", value) + made.pick(*after)
                yield Case(kind, language, text, value, kept)


EPONYMS = [
    "Parkinson",
    "Addison",
    "Wilson",
    "Crohn",
    "Hodgkin",
    "Alzheimer",
    "Huntington",
    "Hashimoto",
    "Graves",
    "Cushing",
    "Bell",
    "Kawasaki",
    "Marfan",
    "Turner",
    "Down",
    "Paget",
    "Raynaud",
    "Sjögren",
    "Behçet",
    "Wegener",
    "Ewing",
    "Kaposi",
    "Burkitt",
    "Meckel",
    "Ménière",
    "Tourette",
    "Duchenne",
    "Becker",
    "Fabry",
    "Gaucher",
    "Barrett",
    "Bowen",
    "Bright",
    "Whipple",
    "Still",
    "Lyme",
    "Chagas",
    "Hirschsprung",
    "Klinefelter",
    "Reiter",
]
THINGS = ["disease", "syndrome"]
SIGNS = ["Babinski sign", "Glasgow Coma Scale", "Apgar score", "Foley catheter", "Murphy sign", "Romberg test", "Trendelenburg position", "Holter monitor", "Gram stain", "Wells score", "Child-Pugh class B", "Mantoux test", "Rinne test", "Weber test", "Tinel sign", "Phalen test", "Kernig sign", "Brudzinski sign", "McBurney point", "Swan-Ganz catheter", "Gleason score", "Ranson criteria", "Killip class II", "Valsalva maneuver", "Heimlich maneuver", "Ringer's lactate", "Bence Jones protein", "Guillain-Barré syndrome", "Charcot-Marie-Tooth disease", "Stevens-Johnson syndrome", "Epstein-Barr virus", "Helicobacter pylori", "Salmonella typhi", "Listeria monocytogenes", "Purkinje fibers", "Langerhans cells"]  # fmt: skip
DRUGS = [
    "Allegra",
    "Ativan",
    "Lasix",
    "Valium",
    "Augmentin",
    "Januvia",
    "Lipitor",
    "Zoloft",
    "Prozac",
    "Xanax",
    "Coumadin",
    "Plavix",
    "Nexium",
    "Singulair",
    "Synthroid",
    "Lantus",
    "Humira",
    "Keppra",
    "Lamictal",
    "Zyprexa",
    "Abilify",
    "Celebrex",
    "Cymbalta",
    "Lyrica",
    "Neurontin",
    "Metformin",
    "Lisinopril",
    "Amlodipine",
    "Atorvastatin",
    "Warfarin",
    "Prednisone",
    "Amoxicillin",
    "Yasmin",
    "Camila",
    "Sonata",
    "Ultram",
    "Zestril",
    "Bactrim",
    "Cipro",
    "Flagyl",
]
SPARED = [
    "The patient has {e} {t}.", "Family history of {e}'s disease.", "She was diagnosed with {e} {t} in 2015.", "{e} {t} is rare.", "What are the symptoms of {e} {t}?", "Treatment of {e}'s {t} with medication.", "He has a positive {s}.", "The {s} was noted on examination.", "{s} was normal.",
    "Started {d} 5 mg daily.", "Patient takes {d} 20 mg bid for 10-12 days.", "{d} was stopped because of nausea.", "Side effects of {d} include rash.", "Allergic to {d} and penicillin.", "Increase {d} to 40 mg.",
    "BP 130/85, HR 72, RR 16, temp 98.6 F.", "Sodium 138, potassium 4.1, creatinine 0.9 mg/dL.", "ICD-10 code E11.9, CPT 99213.", "PMID: 31234567; doi: 10.1001/jama.2019.1234", "Take 1/2 tablet 3 times a day, 24/7.", "GCS 15/15, pain 3/10, ejection fraction 55-60%.", "The variant c.1521_1523del was found in 2012.", "Platelets 250,000; viral load 1200000 copies/mL.",
    "患有{z}病多年。", "{z}病的治疗方法有哪些？", "诊断为{z}综合征。", "口服{m}100mg，每日两次。", "{m}有哪些副作用？", "血压130/85mmHg，心率72次/分，体温36.8℃。", "服药3个月后复查，每次1/2片。", "血红蛋白120g/L，血小板250×10^9/L。", "考虑{z}病，给予{m}治疗。",
]  # fmt: skip
CHINESE_EPONYMS = [
    "帕金森",
    "克罗恩",
    "阿尔茨海默",
    "霍奇金",
    "威尔逊",
    "艾迪生",
    "库欣",
    "格雷夫斯",
    "川崎",
    "马凡",
    "雷诺",
    "白塞",
    "亨廷顿",
    "唐氏",
    "贝赫切特",
    "梅尼埃",
]
MEDICINES = [
    "阿司匹林",
    "二甲双胍",
    "阿莫西林",
    "布洛芬",
    "氨氯地平",
    "奥美拉唑",
    "左旋多巴",
    "华法林",
    "头孢克肟",
    "甲硝唑",
    "安宫牛黄丸",
    "黄连素",
    "胡黄连",
    "白芍总苷",
    "金匮肾气丸",
]


def spared(seed: int, count: int = 500) -> Iterator[str]:
    """So many texts with eponyms, medicines and numbers of medicine, and without identifiers."""
    chance = random.Random(seed)
    for number in range(count):
        yield SPARED[number % len(SPARED)].format(
            e=chance.choice(EPONYMS),
            t=chance.choice(THINGS),
            s=chance.choice(SIGNS),
            d=chance.choice(DRUGS),
            z=chance.choice(CHINESE_EPONYMS),
            m=chance.choice(MEDICINES),
        )


def left_over(out: str, case: Case) -> list[str]:
    """Pieces of a case's value of two letters or more that are still in the text, beyond those that may stay and those of its sentence."""
    value = case.value
    for piece in case.kept:
        value = value.replace(piece, " ")
    pieces = [piece for piece in _split(value) if len(piece) >= 2]
    outside = case.text.replace(case.value, "")
    out = re.sub(r"\[[A-Z_]+\]", "", out)
    return [piece for piece in pieces if out.count(piece) > outside.count(piece)]


def _split(value: str) -> list[str]:
    parts: list[str] = []
    run = ""
    for letter in value:
        if letter.isalnum():
            run += letter
        elif run:
            parts.append(run)
            run = ""
    return [*parts, run] if run else parts
