"""Finds a calculator or an interaction check, and its arguments, in what a person wrote; for models that call no tools.

Rules only: a number counts for an input when it stands beside one of the input's names, a yes-or-no item when it is named or
denied. What is not said is asked for, units included; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from serving.calculators import CALCULATORS, Calculator
from serving.calculators.units import Measure, measure_of, tidy_unit
from serving.tools import known_medicines

# Names of the inputs as people write them; the input's own name, with spaces, counts too.
WORDS: dict[str, tuple[str, ...]] = {
    "creatinine": ("creatinine", "scr", "cr", "肌酐"),
    "urine_creatinine": ("urine creatinine", "urinary creatinine", "尿肌酐"),
    "urine_sodium": ("urine sodium", "urinary sodium", "urine na", "尿钠"),
    "urea": ("urea", "bun", "urea nitrogen", "尿素"),
    "glucose": ("glucose", "blood sugar", "血糖"),
    "bilirubin": ("bilirubin", "胆红素"),
    "albumin": ("albumin", "白蛋白"),
    "haemoglobin": ("haemoglobin", "hemoglobin", "hb", "hgb", "血红蛋白"),
    "calcium": ("calcium", "ca", "血钙"),
    "sodium": ("sodium", "na", "血钠"),
    "chloride": ("chloride", "cl", "血氯"),
    "bicarbonate": ("bicarbonate", "hco3", "bicarb", "碳酸氢根"),
    "inr": ("inr",),
    "platelets": ("platelets", "platelet count", "plt", "血小板"),
    "ast": ("ast", "谷草转氨酶"),
    "alt": ("alt", "谷丙转氨酶"),
    "weight": ("weight", "weighs", "weigh", "体重"),
    "height": ("height", "tall", "身高"),
    "temperature": ("temperature", "temp", "体温"),
    "heart_rate": ("heart rate", "hr", "pulse", "心率", "脉搏"),
    "respiratory_rate": ("respiratory rate", "rr", "breathing rate", "resp rate", "呼吸频率"),
    "spo2": ("spo2", "sats", "oxygen saturation", "saturation", "血氧"),
    "systolic": ("systolic", "sbp", "收缩压"),
    "diastolic": ("diastolic", "dbp", "舒张压"),
    "total_cholesterol": ("total cholesterol", "cholesterol", "总胆固醇"),
    "hdl": ("hdl", "hdl cholesterol", "高密度脂蛋白"),
    "triglycerides": ("triglycerides", "tg", "甘油三酯"),
    "insulin": ("insulin", "胰岛素"),
    "hba1c": ("hba1c", "a1c", "糖化血红蛋白"),
    "qt": ("qt", "qt interval"),
    "pao2": ("pao2", "po2"),
    "paco2": ("paco2", "pco2"),
    "fio2": ("fio2",),
    "measured": ("measured osmolality", "measured osm", "measured"),
    "age": ("age", "aged", "年龄"),
    "eye": ("eye", "eyes", "e"),
    "verbal": ("verbal", "v"),
    "motor": ("motor", "m"),
    "heart_failure": ("heart failure", "chf", "心衰", "心力衰竭"),
    "hypertension": ("hypertension", "high blood pressure", "htn", "高血压"),
    "diabetes": ("diabetes", "diabetic", "dm", "糖尿病"),
    "stroke": ("stroke", "tia", "卒中", "中风"),
    "vascular_disease": (
        "vascular disease",
        "myocardial infarction",
        "heart attack",
        "peripheral artery disease",
        "血管疾病",
    ),
    "dialysis": ("dialysis", "透析"),
    "haemoptysis": ("haemoptysis", "hemoptysis", "coughing up blood", "咯血"),
    "active_cancer": ("cancer", "active cancer", "癌"),
    "confusion": ("confusion", "confused", "意识模糊"),
    "altered_mentation": ("altered mentation", "altered mental status", "confused", "drowsy", "意识改变"),
    "cough": ("cough", "咳嗽"),
    "tender_nodes": ("tender nodes", "tender lymph nodes", "swollen glands"),
    "tonsils": ("tonsils", "exudate", "swollen tonsils"),
    "melaena": ("melaena", "melena", "black stools", "黑便"),
    "syncope": ("syncope", "fainted", "晕厥"),
    "liver_disease": ("liver disease", "肝病"),
    "previous_dvt": ("previous dvt", "dvt before"),
    "previous_clot": ("previous dvt", "previous pe", "previous clot"),
    "leg_swollen": ("leg swollen", "swollen leg"),
    "oestrogen": ("oestrogen", "estrogen"),
    "recent_surgery": ("recent surgery",),
    "oxygen": ("on oxygen", "supplemental oxygen"),
    "last_period": ("last period", "lmp", "last menstrual period", "末次月经"),
}
COMPUTE = re.compile(
    r"\b(calculat\w*|comput\w*|work(ed)? out|estimat\w*|convert\w*|score this)\b|计算|算一下|换算", re.IGNORECASE
)
TOGETHER = re.compile(r"\b(interact\w*|together|combin\w*|mix\w*|with|both)\b|相互作用|一起|同时", re.IGNORECASE)
DENIED = re.compile(r"\b(?:no|not|without|denies|denied|never|nor)\b|n't\b|无|没有|否认", re.IGNORECASE)
CLAUSE = re.compile(r"[.;!?。；\n]|\b(?:but|has|have|with|and has)\b|有(?<!没有)|但", re.IGNORECASE)
OTHERS_NO = re.compile(
    r"\b(?:none of the (?:others?|rest)|no others?|nothing else|(?:the )?rest (?:is |are )?no|all (?:others? )?no)\b|其他都?(?:没有|否|无)",
    re.IGNORECASE,
)
NUMBER = r"(-?\d+(?:[.,]\d+)?)"
UNIT = r"\s*([%°]?[A-Za-zµμ]*(?:/[A-Za-z]+)?)"
# Between two values of one input: "0.9 mg/dL last year, 1.6 mg/dL now". Which is meant is not ours to guess.
THEN = (
    r"[\s,(]+(?:(?:last|this|previous(?:ly)?|earlier|years?|months?|weeks?|days?|ago|now|and|or|then|to|yesterday|today|before|later|in|was|is|it|on|"
    r"\d{4})\b[\s,():]*)*"
)
ASK = "To work out {title}, I still need: "


@dataclass(frozen=True)
class Route:
    """A tool to call, the arguments that were said, and those still to ask for."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    question: str = ""  # asks for what is missing


def _named(name: str) -> str:
    """A pattern of a name: whole words, with hyphens, spaces and underscores alike."""
    pattern = re.sub(r"(?:\\?[-\s_])+", r"[-\\s_]*", re.escape(name.lower()))
    before = r"(?<![a-z0-9])" if name[0].isascii() else ""
    after = r"(?![a-z])" if name[-1].isascii() else ""
    return before + pattern + after


def find_calculator(text: str) -> Calculator[Any] | None:
    """The calculator whose longest name occurs in ``text``."""
    low = text.lower()
    hits = [
        (len(name), one)
        for one in CALCULATORS.values()
        if one.name != "convert"  # its arguments are words, which no rule here reads
        for name in (one.name, *one.aliases)
        if re.search(_named(name), low) and (name != "map" or "MAP" in text)
    ]
    return max(hits, key=lambda hit: hit[0])[1] if hits else None


def _last(pattern: str, text: str) -> re.Match[str] | None:
    """The last match: what is said later corrects what was said before."""
    return next(iter(reversed(list(re.finditer(pattern, text, re.IGNORECASE)))), None)


def _number(name: str, text: str, measure: Measure | None, description: str = "") -> tuple[str, str | None] | None:
    """The number beside the input's name, and its unit if one is said."""
    for word in sorted({name.replace("_", " "), *WORDS.get(name, ())}, key=len, reverse=True):
        # Not part of a longer name, as the creatinine in "urine creatinine".
        longer = [one for ones in WORDS.values() for one in ones if one != word and one.endswith(f" {word}")]
        guard = "".join(f"(?<!{re.escape(one[: -len(word)])})" for one in longer)
        filler = r"(?:\s*(?:is|was|of|at|level|value|score|came back|comes back|measures|=|:|：|为|是|,)\s*){0,3}\s*"
        hit = _last(guard + _named(word) + filler + NUMBER + UNIT, text)
        if hit:
            unit = tidy_unit(hit.group(2)) if hit.group(2) else None
            second = re.match(THEN + NUMBER + UNIT, text[hit.end() :], re.IGNORECASE)
            if second and (tidy_unit(second.group(2)) in measure.factors if measure else not second.group(2)):
                return None
            if measure is None and unit and "/" in unit and unit.lower() not in description.lower():
                return None  # a number in another unit than the formula's
            return hit.group(1).replace(",", "."), unit if measure and unit in measure.factors else None
    if measure:
        # A unit that belongs to one measure only names it: "80 kg".
        own = {"weight": r"kgs?|lbs?", "height": r"cm|m(?![a-z/])|inches", "temperature": r"°\s*[CF]"}.get(name)
        hit = _last(NUMBER + rf"\s*({own})(?![a-z/])", text) if own else None
        if hit:
            return hit.group(1).replace(",", "."), tidy_unit(hit.group(2))
    return None


def _yes_or_no(name: str, text: str) -> bool | None:
    """Whether the item is said to hold; None when it is not named, or when a list leaves open how far its "no" reaches."""
    words = "|".join(
        _named(word) for word in sorted({name.replace("_", " "), *WORDS.get(name, ())}, key=len, reverse=True)
    )
    hit = _last(rf"(?:{words})(\s*[:=]?\s*(?:yes|no)\b)?", text)
    if hit is None:
        return None
    if hit.group(1):
        return hit.group(1).lower().endswith("yes")
    begins = max((mark.end() for mark in CLAUSE.finditer(text, 0, hit.start())), default=0)
    ends = next((mark.start() for mark in CLAUSE.finditer(text, hit.end())), len(text))
    before = text[begins : hit.start()]
    denied = next(iter(reversed(list(DENIED.finditer(before)))), None)
    if denied is None:
        return True
    if not re.search(r"[,，]|\band\b", before[denied.end() :]):
        return False
    # "no a, b or c" denies all three; "no a, b" may say either.
    return False if re.search(r"\b(?:or|nor)\b|或", text[begins + denied.end() : ends]) else None


def extract(one: Calculator[Any], text: str) -> dict[str, Any]:
    """The inputs of ``one`` that ``text`` says."""
    found: dict[str, Any] = {}
    pressure = _last(r"(?<!\d)(\d{2,3})\s*/\s*(\d{2,3})(?!\d)", text)
    for name, info in one.inputs.model_fields.items():
        measure = measure_of(info)
        if name == "age":
            # "for 30 years" says how long, not how old.
            old = _last(r"(\d{1,3})[-\s]*(?:(?:years?|yrs?)[-\s]*old|yo?\b|y/o|岁)", text)
            aged = _number(name, text, None)
            if old or aged:
                found[name] = old.group(1) if old else aged[0] if aged else ""
        elif name == "sex":
            hit = _last(r"\b(female|male|woman|man|girl|boy|lady|gentleman)\b|(女|男)", text)
            if hit:
                found[name] = {"lady": "female", "girl": "female", "boy": "male", "gentleman": "male"}.get(
                    hit.group().lower(), hit.group().lower()
                )
        elif name in ("systolic", "diastolic") and pressure:
            found[name] = pressure.group(1 if name == "systolic" else 2)
        elif name == "last_period" or info.annotation is bool:
            hit = _last(r"\b(\d{4}-\d{2}-\d{2})\b", text) if name == "last_period" else None
            said = _yes_or_no(name, text) if info.annotation is bool else None
            if hit:
                found[name] = hit.group(1)
            elif said is not None:
                found[name] = said
        elif info.annotation in (float, int):
            number = _number(name, text, measure, info.description or "")
            if number:
                found[name] = number[0]
                if number[1] is not None and f"{name}_unit" in one.inputs.model_fields:
                    found[f"{name}_unit"] = number[1]
        elif not name.endswith("_unit"):
            choices = [choice for choice in get_args(info.annotation) if isinstance(choice, str)]
            label = _named(name.replace("_", " "))
            chosen = next(
                (
                    choice
                    for choice in choices
                    if (
                        info.is_required()
                        and _last(rf"{label}\W+(?:is\s+)?{re.escape(choice)}|{re.escape(choice)}\s+{label}", text)
                    )
                    or (not info.is_required() and _last(_named(choice), text))
                ),
                None,
            )
            if chosen:
                found[name] = chosen
            elif "none" in choices and _yes_or_no(name, text) is False:
                found[name] = "none"
    if OTHERS_NO.search(text):
        found |= {name: False for name in one.missing(found) if one.inputs.model_fields[name].annotation is bool}
    return found


def _complete(one: Calculator[Any], text: str, latest: str) -> Route:
    found = extract(one, text)
    missing = one.missing(found)
    # The answer to a question for one unit is often the unit alone.
    units = [name for name in missing if name.endswith("_unit") and name.removesuffix("_unit") in found]
    if len(units) == 1:
        choices = get_args(one.inputs.model_fields[units[0]].annotation)
        said = [tidy_unit(word.strip(".,")) for word in latest.split()]
        match = next((word for word in reversed(said) if word in choices), None)
        if match:
            found[units[0]] = match
            missing.remove(units[0])
    if not missing:
        return Route(one.name, found)
    items = "; ".join(f"{name.replace('_', ' ')} ({one.inputs.model_fields[name].description})" for name in missing)
    return Route(one.name, found, missing, ASK.format(title=one.title) + items + ".")


def _squeezed(text: str) -> str:
    """The text without long runs of white space, over which the patterns above would go again from every place of it."""
    return re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))


def route(messages: Sequence[BaseMessage]) -> Route | None:
    """The tool that the last message asks for, or None.

    A calculator is meant when it is named and either some of its inputs are said or the text asks for a computation, or when the
    answer before asked for its missing inputs. An interaction check is meant when two known medicines are named with a word
    such as "together".
    """
    humans = [(at, _squeezed(str(turn.text))) for at, turn in enumerate(messages) if isinstance(turn, HumanMessage)]
    if not humans:
        return None
    latest = humans[-1][1]
    one = find_calculator(latest)
    if one is not None and (COMPUTE.search(latest) or any(name != "sex" for name in extract(one, latest))):
        return _complete(one, latest, latest)
    previous = next((str(turn.text) for turn in reversed(messages[: humans[-1][0]]) if isinstance(turn, AIMessage)), "")
    asked = next((one for one in CALCULATORS.values() if ASK.format(title=one.title) in previous), None)
    if asked is not None:
        said: list[str] = []
        for _, text in reversed(humans):
            said.insert(0, text)
            if find_calculator(text) is asked:
                break
        return _complete(asked, ". ".join(said), latest)
    medicines = known_medicines(latest)
    if len(medicines) >= 2 and TOGETHER.search(latest):
        return Route("check_interactions", {"medicines": medicines})
    return None
