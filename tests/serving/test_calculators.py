"""Every calculator gives the values that its publication gives, or that a person works out with a pencil (shown beside each)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from serving.calculators import CALCULATORS, CalculatorError, calculate

MG, UMOL = "mg/dL", "umol/L"


def no(name: str, **values: Any) -> dict[str, Any]:
    """Values with every yes-or-no item that is not given answered no."""
    fields = CALCULATORS[name].inputs.model_fields
    return {item: False for item, field in fields.items() if field.annotation is bool} | values


def yes(name: str, **values: Any) -> dict[str, Any]:
    return {item: True for item, held in no(name).items() if held is False} | values


LIVER = {
    "age": 50,
    "bilirubin": 2,
    "bilirubin_unit": MG,
    "inr": 2,
    "creatinine": 2,
    "creatinine_unit": MG,
    "sodium": 130,
    "dialysis": False,
}
NORMAL_LIVER = LIVER | {"bilirubin": 1, "inr": 1, "creatinine": 1, "sodium": 137}
WELL = {
    "age": 40,
    "respiratory_rate": 16,
    "spo2": 98,
    "hypercapnic": False,
    "oxygen": False,
    "systolic": 120,
    "heart_rate": 70,
    "consciousness": "alert",
    "temperature": 37,
    "temperature_unit": "C",
}
SOFA = {
    "age": 60,
    "pao2": 80,
    "pao2_unit": "mmHg",
    "fio2": 0.5,
    "ventilated": True,
    "platelets": 90,
    "bilirubin": 3,
    "bilirubin_unit": MG,
    "circulation": 1,
    "glasgow": 14,
    "creatinine": 2.5,
    "creatinine_unit": MG,
    "urine": 1000,
}
BLEED = {
    "age": 60,
    "sex": "male",
    "urea": 9,
    "urea_unit": "mmol/L",
    "haemoglobin": 11.0,
    "haemoglobin_unit": "g/dL",
    "systolic": 95,
    "heart_rate": 105,
}
OSM = {"sodium": 140, "glucose": 90, "glucose_unit": MG, "urea": 14, "urea_unit": MG}
GAS = {"age": 40, "fio2": 0.21, "pao2": 90, "pao2_unit": "mmHg", "paco2": 40, "paco2_unit": "mmHg"}
LIPIDS = {
    "age": 50,
    "total_cholesterol": 200,
    "total_cholesterol_unit": MG,
    "hdl": 50,
    "hdl_unit": MG,
    "triglycerides": 150,
    "triglycerides_unit": MG,
}
MAN = {"weight": 80, "weight_unit": "kg", "height": 180, "height_unit": "cm"}

WORKED: list[tuple[str, dict[str, Any], float | str]] = [
    # (1.0/0.7)^-1.2 = exp(-1.2 x 0.35667) = 0.6518; 0.9938^50 = exp(-0.31097) = 0.7327; 142 x 0.6518 x 0.7327 x 1.012 = 68.6
    ("egfr", {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": MG}, 69),
    ("egfr", {"age": 50, "sex": "female", "creatinine": 88.4, "creatinine_unit": UMOL}, 69),  # the same person in SI
    (
        "egfr",
        {"age": 60, "sex": "male", "creatinine": 0.9, "creatinine_unit": MG},
        98,
    ),  # 142 x exp(-0.37316) = 142 x 0.68856 = 97.8
    (
        "cockcroft-gault",
        {"age": 60, "sex": "male", "weight": 72, "weight_unit": "kg", "creatinine": 1.0, "creatinine_unit": MG},
        80,
    ),  # 80 x 72/72
    (
        "cockcroft-gault",
        {"age": 60, "sex": "female", "weight": 72, "weight_unit": "kg", "creatinine": 1.0, "creatinine_unit": MG},
        68,
    ),  # x 0.85
    (
        "fena",
        {
            "sodium": 140,
            "urine_sodium": 20,
            "creatinine": 2,
            "creatinine_unit": MG,
            "urine_creatinine": 100,
            "urine_creatinine_unit": MG,
        },
        0.29,
    ),  # 4000/14000
    (
        "fena",
        {
            "sodium": 140,
            "urine_sodium": 20,
            "creatinine": 176.8,
            "creatinine_unit": UMOL,
            "urine_creatinine": 8.84,
            "urine_creatinine_unit": "mmol/L",
        },
        0.29,
    ),  # the same urine and blood in SI
    ("meld-3", NORMAL_LIVER | {"sex": "male", "albumin": 3.5, "albumin_unit": "g/dL"}, 6),  # every logarithm 0
    ("meld-3", NORMAL_LIVER | {"sex": "female", "albumin": 35, "albumin_unit": "g/L"}, 7),  # 6 + 1.33
    # ln 2 = 0.69315: 3.161 + 5.74 - 1.164 + 6.301 + 7.722 + 1.85 - 1.268 + 6 = 28.34
    ("meld-3", LIVER | {"sex": "male", "albumin": 2.5, "albumin_unit": "g/dL"}, 28),
    ("meld-na", LIVER, 27),  # 2.455 x 0.69315 + 0.643 = 2.345 -> 23; 23 + 1.32 x 7 - 0.033 x 23 x 7 = 26.9
    ("meld-na", NORMAL_LIVER, 6),  # 0.643 -> 6; sodium does not count at 11 or less
    # 2 + 2 + 1 + 2 + 1
    (
        "child-pugh",
        {
            "age": 50,
            "bilirubin": 2.5,
            "bilirubin_unit": MG,
            "albumin": 3.0,
            "albumin_unit": "g/dL",
            "inr": 1.5,
            "ascites": "slight",
            "encephalopathy": "none",
        },
        8,
    ),
    ("fib-4", {"age": 50, "ast": 80, "alt": 64, "platelets": 200}, 2.5),  # 4000/(200 x 8)
    ("cha2ds2-vasc", no("cha2ds2-vasc", age=76, sex="female", hypertension=True), 4),  # 2 + 1 + 1
    ("cha2ds2-vasc", no("cha2ds2-vasc", age=64, sex="male"), 0),
    ("cha2ds2-vasc", no("cha2ds2-vasc", age=65, sex="male"), 1),
    ("cha2ds2-vasc", yes("cha2ds2-vasc", age=75, sex="female"), 9),  # the most there is
    ("has-bled", yes("has-bled", age=66), 9),  # the most there is
    ("has-bled", no("has-bled", age=65), 0),  # 65 itself does not count
    ("wells-dvt", yes("wells-dvt", age=50), 7),  # nine signs and -2
    ("wells-dvt", no("wells-dvt", age=50, other_diagnosis=True), -2),
    ("wells-pe", yes("wells-pe", age=50, heart_rate=101), 12.5),  # 3 + 3 + 1.5 + 1.5 + 1.5 + 1 + 1
    ("wells-pe", no("wells-pe", age=50, heart_rate=100), 0),  # only above 100 counts
    ("perc", no("perc", age=49, heart_rate=99, spo2=95), 0),
    ("perc", yes("perc", age=50, heart_rate=100, spo2=94), 8),
    ("gcs", {"eye": 3, "verbal": 4, "motor": 5}, 12),
    ("qsofa", no("qsofa", age=50, respiratory_rate=22, systolic=100), 2),
    ("qsofa", no("qsofa", age=50, respiratory_rate=21, systolic=101), 0),
    ("sofa", SOFA, 11),  # 160 mmHg ventilated 3, platelets 2, liver 2, circulation 1, brain 1, kidney 2
    ("sofa", SOFA | {"ventilated": False, "urine": 150}, 12),  # breathing 2 at most, kidney 4 by the urine
    (
        "curb-65",
        no("curb-65", age=65, urea=7.1, urea_unit="mmol/L", respiratory_rate=30, systolic=120, diastolic=60),
        4,
    ),
    ("curb-65", no("curb-65", age=64, urea=7.0, urea_unit="mmol/L", respiratory_rate=29, systolic=90, diastolic=61), 0),
    ("news2", WELL, 0),
    # 2 + 1 + 2 (oxygen) + 1 + 2 + 0 + 1
    (
        "news2",
        WELL
        | {
            "respiratory_rate": 22,
            "spo2": 94,
            "oxygen": True,
            "systolic": 105,
            "heart_rate": 115,
            "temperature": 101.3,
            "temperature_unit": "F",
        },
        9,
    ),
    ("news2", WELL | {"spo2": 95, "hypercapnic": True, "oxygen": True}, 4),  # scale 2: 95 on oxygen 2, oxygen 2
    ("news2", WELL | {"spo2": 95, "hypercapnic": True}, 0),  # scale 2: 93 or over on air
    ("glasgow-blatchford", no("glasgow-blatchford", **BLEED, melaena=True), 10),  # 3 + 3 + 2 + 1 + 1
    (
        "glasgow-blatchford",
        no(
            "glasgow-blatchford",
            **BLEED
            | {
                "urea": 18.2,
                "urea_unit": MG,
                "haemoglobin": 130,
                "haemoglobin_unit": "g/L",
                "systolic": 110,
                "heart_rate": 99,
            },
        ),
        2,
    ),  # 18.2/2.8 = 6.5
    (
        "glasgow-blatchford",
        yes("glasgow-blatchford", **BLEED | {"urea": 25, "haemoglobin": 9.9, "systolic": 89}),
        23,
    ),  # the most there is
    (
        "mcisaac",
        {
            "age": 10,
            "temperature": 38.5,
            "temperature_unit": "C",
            "cough": False,
            "tender_nodes": True,
            "tonsils": True,
        },
        4,
    ),  # 5 counts as 4
    (
        "mcisaac",
        {"age": 50, "temperature": 37, "temperature_unit": "C", "cough": True, "tender_nodes": False, "tonsils": False},
        0,
    ),  # -1 counts as 0
    (
        "mcisaac",
        {"age": 30, "temperature": 38, "temperature_unit": "C", "cough": False, "tender_nodes": True, "tonsils": False},
        2,
    ),  # 38 itself is not above
    # RR 0.5 s: 400/0.70711, 400/0.79370, 400 + 77, 400 + 105
    ("qtc", {"age": 50, "sex": "male", "qt": 400, "heart_rate": 120, "method": "bazett"}, 566),
    ("qtc", {"age": 50, "sex": "male", "qt": 400, "heart_rate": 120}, 504),
    ("qtc", {"age": 50, "sex": "male", "qt": 400, "heart_rate": 120, "method": "framingham"}, 477),
    ("qtc", {"age": 50, "sex": "male", "qt": 400, "heart_rate": 120, "method": "hodges"}, 505),
    ("map", {"systolic": 120, "diastolic": 80}, 93.3),  # 80 + 40/3
    ("anion-gap", {"sodium": 140, "chloride": 104, "bicarbonate": 24}, 12),
    (
        "anion-gap-corrected",
        {"sodium": 140, "chloride": 104, "bicarbonate": 24, "albumin": 2.0, "albumin_unit": "g/dL"},
        18,
    ),  # 12 + 2.5 x 2.4
    (
        "corrected-calcium",
        {"calcium": 8.0, "calcium_unit": MG, "albumin": 2.0, "albumin_unit": "g/dL"},
        9.6,
    ),  # 8 + 0.8 x 2
    (
        "corrected-calcium",
        {"calcium": 2.0, "calcium_unit": "mmol/L", "albumin": 20, "albumin_unit": "g/L"},
        2.4,
    ),  # 2 + 0.02 x 20
    ("corrected-sodium", {"sodium": 130, "glucose": 600, "glucose_unit": MG}, 138),  # 130 + 5 x 1.6
    ("osmolality", OSM, 290),  # 280 + 5 + 5
    ("osmolality", OSM | {"glucose": 5, "glucose_unit": "mmol/L", "urea": 5, "urea_unit": "mmol/L"}, 290),
    ("osmolal-gap", OSM | {"measured": 310}, 20),
    ("aa-gradient", GAS, 9.7),  # 0.21 x 713 - 50 - 90 = 9.73
    (
        "aa-gradient",
        GAS | {"pao2": 12.0, "pao2_unit": "kPa", "paco2": 5.333, "paco2_unit": "kPa"},
        9.7,
    ),  # 90.0 and 40.0 mmHg
    ("winters", {"bicarbonate": 12}, 26),  # 18 + 8
    ("ldl", LIPIDS, 120),  # 200 - 50 - 30
    ("ldl", LIPIDS | {"triglycerides": 400}, 70),  # the limit itself holds
    ("hba1c", {"hba1c": 7.0, "hba1c_unit": "%"}, 53),  # 4.848/0.09148 = 52.99
    ("hba1c", {"hba1c": 48, "hba1c_unit": "mmol/mol"}, 6.5),  # the diagnostic limit in both units
    (
        "homa-ir",
        {"age": 40, "glucose": 4.5, "glucose_unit": "mmol/L", "insulin": 5, "insulin_unit": "uU/mL"},
        1.0,
    ),  # the publication's reference person
    ("convert", {"analyte": "creatinine", "value": 1.0, "from_unit": MG, "to_unit": "µmol/l"}, 88.4),
    ("convert", {"analyte": "glucose", "value": 5.0, "from_unit": "mmol/L", "to_unit": MG}, 90.08),  # 5 x 18.016
    ("convert", {"analyte": "temperature", "value": 98.6, "from_unit": "F", "to_unit": "C"}, 37),
    ("bmi", {"age": 40, "weight": 64, "weight_unit": "kg", "height": 1.6, "height_unit": "m"}, 25.0),  # 64/2.56
    ("bsa", MAN, 2.0),  # square root of 180 x 80/3600 = 4
    ("bsa", MAN | {"method": "dubois"}, 2.0),  # 0.007184 x exp(1.86236 + 3.76489) = 0.007184 x 277.9 = 1.996
    ("ibw", {"age": 40, "sex": "male", "height": 70, "height_unit": "in"}, 73),  # 50 + 23
    ("ibw", {"age": 40, "sex": "female", "height": 177.8, "height_unit": "cm"}, 68.5),
    ("due-date", {"last_period": "2026-01-01"}, "2026-10-08"),  # less three months, plus seven days
    ("due-date", {"last_period": "2026-01-01", "cycle": 30}, "2026-10-10"),
]


@pytest.mark.parametrize(("name", "values", "expected"), WORKED)
def test_value_is_that_of_the_publication_or_of_a_pencil(
    name: str, values: dict[str, Any], expected: float | str
) -> None:
    assert calculate(name, values).value == (
        pytest.approx(expected, abs=0.005) if isinstance(expected, int | float) else expected
    )


def test_every_calculator_is_worked_out_by_hand_and_says_where_it_comes_from() -> None:
    assert {name for name, _, _ in WORKED} == set(CALCULATORS)
    assert len(CALCULATORS) >= 25
    for one in CALCULATORS.values():
        assert one.sources
        assert one.formula
        assert one.is_not.startswith("Not ")
        assert all(field.description for field in one.inputs.model_fields.values()), one.name


BANDS: list[tuple[str, dict[str, Any], str]] = [
    ("egfr", {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": MG}, "G2"),
    (
        "child-pugh",
        {
            "age": 50,
            "bilirubin": 2.5,
            "bilirubin_unit": MG,
            "albumin": 3.0,
            "albumin_unit": "g/dL",
            "inr": 1.5,
            "ascites": "slight",
            "encephalopathy": "none",
        },
        "Class B",
    ),
    ("wells-pe", no("wells-pe", age=50, heart_rate=80, pe_most_likely=True, haemoptysis=True), "unlikely (4 or less)"),
    ("wells-pe", no("wells-pe", age=50, heart_rate=101, pe_most_likely=True), "likely (above 4)"),
    ("news2", WELL | {"consciousness": "voice"}, "3 in one item"),
    ("gcs", {"eye": 1, "verbal": 2, "motor": 5}, "severe"),
    ("gcs", {"eye": 2, "verbal": 2, "motor": 5}, "moderate"),
    ("gcs", {"eye": 3, "verbal": 4, "motor": 6}, "mild"),
    ("qtc", {"age": 50, "sex": "male", "qt": 450, "heart_rate": 60}, "prolonged (450 ms"),
    ("qtc", {"age": 50, "sex": "female", "qt": 459, "heart_rate": 60}, "neither prolonged"),
    ("bmi", {"age": 40, "weight": 64, "weight_unit": "kg", "height": 160, "height_unit": "cm"}, "pre-obese"),
    (
        "curb-65",
        no("curb-65", age=64, urea=7.0, urea_unit="mmol/L", respiratory_rate=29, systolic=90, diastolic=61),
        "1.5%",
    ),
]


@pytest.mark.parametrize(("name", "values", "words"), BANDS)
def test_band_is_the_publications_at_its_edge(name: str, values: dict[str, Any], words: str) -> None:
    assert words in calculate(name, values).interpretation


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("egfr", {"age": 12, "sex": "female", "creatinine": 1.0, "creatinine_unit": MG}, "18 years or more"),
    ("egfr", {"age": 50, "sex": "female", "creatinine": 88, "creatinine_unit": MG}, "check the number and its unit"),
    ("egfr", {"age": 50, "sex": "female", "creatinine": 1.0}, "missing: creatinine_unit"),
    ("egfr", {"age": 50, "sex": "female", "creatinine": float("nan"), "creatinine_unit": MG}, "finite"),
    ("egfr", {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": "mmol/L"}, "mg/dL"),
    (
        "egfr",
        {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": MG, "race": "x"},
        "race: no such input",
    ),
    ("cha2ds2-vasc", {"age": 70, "sex": "male"}, "missing: heart_failure, hypertension"),
    ("ldl", LIPIDS | {"triglycerides": 401}, "does not hold"),
    ("ibw", {"age": 40, "sex": "male", "height": 150, "height_unit": "cm"}, "152.4"),
    ("map", {"systolic": 80, "diastolic": 120}, "swapped"),
    ("corrected-sodium", {"sodium": 130, "glucose": 90, "glucose_unit": MG}, "above 100"),
    ("aa-gradient", GAS | {"pao2": 300}, "cannot be"),
    ("news2", WELL | {"age": 15}, "16 years or more"),
    ("convert", {"analyte": "glucose", "value": 5, "from_unit": "mmol/L", "to_unit": "g/L"}, "its units here are"),
    ("due-date", {"last_period": "2026-01-01", "on": "2027-06-01"}, "outside a pregnancy"),
    ("due-date", {"last_period": "9999-12-31"}, "the calendar ends"),
    # A number in one unit, said to be in the other.
    (
        "glasgow-blatchford",
        no("glasgow-blatchford", **BLEED) | {"haemoglobin": 13.5, "haemoglobin_unit": "g/L"},
        "g/L is not plausible",
    ),
    (
        "corrected-calcium",
        {"calcium": 9, "calcium_unit": MG, "albumin": 5, "albumin_unit": "g/L"},
        "g/L is not plausible",
    ),
    ("hba1c", {"hba1c": 12, "hba1c_unit": "mmol/mol"}, "mmol/mol is not plausible"),
    ("bmi", {"age": 40, "weight": 70, "weight_unit": "kg", "height": 69, "height_unit": "cm"}, "cm is not plausible"),
    ("aa-gradient", GAS | {"pao2": 12}, "pao2 12 mmHg is not plausible"),
    ("aa-gradient", GAS | {"paco2": 5.3}, "paco2 5.3 mmHg is not plausible"),
    ("aa-gradient", GAS | {"paco2": 40, "paco2_unit": "kPa"}, "paco2 40 kPa is not plausible"),
    ("sofa", SOFA | {"pao2": 80, "pao2_unit": "kPa"}, "more than there is in air with fio2 0.5"),
    ("egfrr", {}, "no calculator 'egfrr'; did you mean 'egfr'"),
]


@pytest.mark.parametrize(("name", "values", "words"), WRONG)
def test_an_input_that_the_formula_was_not_made_for_is_refused_with_a_reason(
    name: str, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(CalculatorError, match=r"(?s).*") as caught:
        calculate(name, values)
    assert words in str(caught.value)


def test_a_calculator_is_a_langchain_tool_whose_errors_the_model_can_read() -> None:
    tool = CALCULATORS["egfr"].tool()
    assert set(tool.args["creatinine_unit"]["enum"]) == {"mg/dL", "umol/L"}
    call = {
        "type": "tool_call",
        "id": "1",
        "name": "egfr",
        "args": {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": MG},
    }
    message = tool.invoke(call)
    assert message.artifact.value == 69
    assert "69 mL/min" in message.content
    assert "missing: creatinine_unit" in tool.invoke({"age": 50, "sex": "female", "creatinine": 1.0})
    late = CALCULATORS["ibw"].tool().invoke({"age": 40, "sex": "male", "height": 150, "height_unit": "cm"})
    assert late.startswith("Not computed. ibw: the formula starts at 60 inches")


def osler(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "calc", *words], capture_output=True, text=True, timeout=60
    )


def test_the_command_computes_lists_explains_and_refuses() -> None:
    given = ("--age", "76", "--sex", "female", "--hypertension")
    done = osler("cha2ds2-vasc", *given, "--rest-no", "--json")
    assert json.loads(done.stdout)["value"] == 4
    assert len(osler("list").stdout.splitlines()) == len(CALCULATORS)
    assert "--creatinine-unit" in osler("egfr", "--help").stdout
    refused = osler("cha2ds2-vasc", *given)
    assert refused.returncode == 1
    assert "missing: --heart-failure, --diabetes" in refused.stderr
    assert "`osler calc cha2ds2-vasc --help` lists the inputs" in refused.stderr
