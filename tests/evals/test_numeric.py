"""The number, date or time that an answer states: hand-made cases, and the published limits."""

import datetime

import pytest

from evals.open.numeric import Limits, check_limits, right, stated

DAY = datetime.date(2024, 3, 1)

# What an answer says, the form that is asked for, and what it states; None where it states no one value.
CASES = [
    ("The answer is 22.9", "decimal", 22.9),
    ("BMI = 70 / 1.75^2 = 22.86\nThe answer is 22.86 kg/m².", "decimal", 22.86),
    ("The answer is 70 / 1.75^2 = 22.86.", "decimal", 22.86),
    ("The answer is 24.5 (calculated from 80 kg and 1.8 m)", "decimal", 24.5),
    ("Final answer: 1,234.5 mL", "decimal", 1234.5),
    ("the final answer is **-3.2**", "decimal", -3.2),
    ("The answer is −3.2 mEq/L", "decimal", -3.2),
    ("The answer is approximately 54 mL/min/1.73 m² (CKD-EPI 2021).", "decimal", 54.0),
    ('{"step_by_step_thinking": "24 * 2 = 48", "answer": "48.1 mL/min/1.73 m²"}', "decimal", 48.1),
    ('{"step_by_step_thinking": "…", "answer": 48.1}', "decimal", 48.1),
    ("So we get\n\\[\\boxed{12.5}\\]", "decimal", 12.5),
    ("$\\boxed{12.5\\ \\text{mg}}$", "decimal", 12.5),
    ("The answer is 4.5 × 10^9", "decimal", 4.5e9),
    ("The answer is 1.2e-3.", "decimal", 1.2e-3),
    ("The answer is 53.1%.", "decimal", 53.1),
    ("Answer: 0.531", "decimal", 0.531),
    ("Answer: .5", "decimal", 0.5),
    ("The answer is 22,9 kg/m²", "decimal", 22.9),
    ("The answer is ２２．９", "decimal", 22.9),
    ("22.9", "decimal", 22.9),
    ("About 22.9 mg.", "decimal", 22.9),
    ("体重指数为 22.9。答案是22.9", "decimal", 22.9),
    ("最终答案：7.4", "decimal", 7.4),
    ("First I thought the answer is 3. But no: the answer is 5.2", "decimal", 5.2),
    ("<think>the answer is 9</think>The answer is 10", "decimal", 10.0),
    ("<think>the answer is 9, or so", "decimal", None),
    ("The answer is 24.5 ± 2", "decimal", 24.5),
    ("The answer is between 20 and 30", "decimal", None),
    ("The answer is 20-30 mg", "decimal", None),
    ("The answer is 20 to 30", "decimal", None),
    ("The answer is at least 20", "decimal", None),
    ("The answer is > 60", "decimal", None),
    ("The answer is not 5", "decimal", None),
    ("The answer cannot be calculated from 3 values", "decimal", None),
    ("The answer is unknown. There are 5 criteria.", "decimal", None),
    ("The answer is 120/80", "decimal", None),
    ("The weight is 70 kg and the height 1.75 m.", "decimal", None),
    ("I cannot say.", "decimal", None),
    ("", "decimal", None),
    ("The answer is X", "decimal", None),
    ("The answer is 10^3 cells", "decimal", 1000.0),
    ("The answer is 10⁹", "decimal", 1e9),
    ("The answer is 4.5 × 10⁹/L", "decimal", 4.5e9),
    ("The answer is 2 × 10⁻³ mol", "decimal", 2e-3),
    ("The answer is 1\u202f234 mL", "decimal", 1234.0),
    ("The answer is 1 234 mL", "decimal", None),
    ("The answer is 0,125 mg", "decimal", 0.125),
    ("The answer is 0,12345", "decimal", 0.12345),
    ("The answer is 5 1/2 mg", "decimal", None),
    ("The answer is 5 1/2", "integer", None),
    ("The answer is 12,3456", "decimal", 12.3456),
    ("The answer is 1,125 mg", "decimal", 1125.0),
    ("答案是1,125毫克", "decimal", 1125.0),
    ("The answer is 1,234,567.5", "decimal", 1234567.5),
    ("The answer is 3.2 * 10^(-5)", "decimal", 3.2e-5),
    ("The answer is 3.2·10⁻⁵", "decimal", 3.2e-5),
    ("$\\boxed{3.2 \\cdot 10^{3}}$", "decimal", 3200.0),
    ("The answer is 10^100", "decimal", None),
    ("The answer is 1.5 × 103", "decimal", None),  # its exponent lost
    ("The answer is 5*3", "decimal", None),
    ("The answer is 2**3", "decimal", None),
    ("The answer is 5 + 3", "decimal", None),
    ("The answer is **5** mg", "decimal", 5.0),
    ("The answer is a FIB-4 index of 1.23", "decimal", 1.23),
    ("The FIB-4 index is 1.23", "decimal", 1.23),
    ("The answer is a 10-year risk of 7.5%", "decimal", 7.5),
    ("The answer is a CURB-65 score of 3", "integer", 3.0),
    ("The answer is 3 points (1 of 2 for age)", "integer", 3.0),
    ("The answer is a CURB-65 score of 3 out of 5", "integer", 3.0),
    ("The answer is 1.234,5", "decimal", None),
    ("The answer is 120 mg (dose = 2 mg/kg)", "decimal", 120.0),
    ("The answer is 24.5, where the height = 1.8 m", "decimal", 24.5),
    ("The answer is 3 points, because age = 1 and sex = 1", "integer", 3.0),
    ("The answer is 3", "integer", 3.0),
    ("CHA2DS2-VASc: the answer is a CHA2DS2-VASc score of 3.", "integer", 3.0),
    ("The answer is CHA2DS2-VASc = 4", "integer", 4.0),
    ("The answer is 3 out of 9", "integer", 3.0),
    ("The answer is 3/9 points.", "integer", 3.0),
    ("The answer is three.", "integer", 3.0),
    ("答案是三分", "integer", 3.0),
    ("The answer is 3 points, since 1 + 2 = 3", "integer", 3.0),
    ("The answer is 3 or 4", "integer", None),
    ("The answer is three or four", "integer", None),
    ("答案是三十", "integer", None),
    ("The answer is 15.", "integer", 15.0),
    ("The answer is 03/01/2024", "date", DAY),
    ("The answer is 3/1/2024.", "date", DAY),
    ("The answer is 2024-03-01", "date", DAY),
    ("The answer is March 1, 2024", "date", DAY),
    ("The answer is 1st of March 2024", "date", DAY),
    ("答案是2024年3月1日", "date", DAY),
    ("The last period was on 06/01/2023. The answer is 03/01/2024", "date", DAY),
    ("The answer is 02/30/2024", "date", None),
    ("The answer is next spring", "date", None),
    ("The answer is (17 weeks, 4 days)", "weeks", (17, 4)),
    ("The answer is ('17 weeks', '4 days')", "weeks", (17, 4)),
    ("The answer is 17 weeks and 4 days.", "weeks", (17, 4)),
    ("The answer is 17w4d", "weeks", (17, 4)),
    ("The answer is 17+4", "weeks", (17, 4)),
    ("The answer is (17, 4)", "weeks", (17, 4)),
    ("答案是17周4天", "weeks", (17, 4)),
    ("The answer is 17 weeks", "weeks", (17, 0)),
    ("The answer is 4 months", "weeks", None),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "form", "value"), CASES)
def test_what_an_answer_states(answer: str, form: str, value: object):
    found = stated(answer, form)
    if isinstance(value, float):
        assert found == pytest.approx(value)
    else:
        assert found == value


@pytest.mark.parametrize(
    ("answer", "limits", "verdict"),
    [
        ("The answer is 95", Limits("decimal", "100", "95.0", "105.0"), True),
        ("The answer is 94.9", Limits("decimal", "100", "95.0", "105.0"), False),
        ("The answer is 105.1", Limits("decimal", "100", "95.0", "105.0"), False),
        ("The answer is -2.1", Limits("decimal", "-2", "-1.9", "-2.1"), True),
        ("The answer is 53.1%", Limits("decimal", "0.53", "0.5035", "0.5565"), True),
        ("The answer is 53.1%", Limits("decimal", "53", "50.35", "55.65"), True),
        ("The answer is 53.1", Limits("decimal", "0.53", "0.5035", "0.5565"), False),
        ("The answer is 3", Limits("integer", "3", "3", "3"), True),
        ("The answer is 3.0", Limits("integer", "3", "3", "3"), True),
        ("The answer is 3.4", Limits("integer", "3", "3", "3"), False),
        ("The answer is 2", Limits("integer", "3", "3", "3"), False),
        ("The answer is 03/01/2024", Limits("date", "3/1/2024", "3/1/2024", "3/1/2024"), True),
        ("The answer is 03/02/2024", Limits("date", "3/1/2024", "3/1/2024", "3/1/2024"), False),
        ("The answer is 17 weeks, 4 days", Limits("weeks", "('17 weeks', '4 days')", "", ""), True),
        ("The answer is 17 weeks, 5 days", Limits("weeks", "('17 weeks', '4 days')", "", ""), False),
        ("I do not know", Limits("decimal", "100", "95", "105"), None),
    ],
)
def test_an_answer_is_right_within_the_published_limits(answer: str, limits: Limits, verdict: bool | None):
    assert right(answer, limits) is verdict


def test_limits_that_cannot_be_read_are_refused():
    with pytest.raises(ValueError, match="'many' is not a number"):
        check_limits(Limits("decimal", "many", "1", "2"))
    with pytest.raises(ValueError, match="is not a date"):
        check_limits(Limits("date", "soon", "soon", "soon"))
