"""A reward is given for what an answer states as its final one, in English and Chinese, and for nothing that only occurs in it."""

import time

import pytest

from evals.reading.numerals import chinese_number
from evals.reading.replies import after_thinking
from evals.verifiers import right_form, right_number, right_option, right_referral, stated_number, stated_options

DRUGS = ["Ibuprofen", "Paracetamol", "Aspirin", "Low-dose aspirin"]


@pytest.mark.parametrize(
    "answer",
    [
        "C",
        "(C)",
        "C.",
        "**C**",
        "C. Aspirin",
        "C) aspirin",
        "Option C: Aspirin",
        "Answer: C",
        "Answer: (C) aspirin",
        "**Answer:** **C**",
        "The answer is C",
        "The answer is (C) aspirin.",
        "The answer is option C, aspirin.",
        "The correct answer is C because platelets are blocked.",
        "The correct option is C.",
        "Best choice: C",
        "I would choose (C).",
        "C is the correct answer.",
        "(C) is correct.",
        "A and B act on other enzymes, so the final answer is C",
        "The answer is not A but C.",
        "The answer isn't obvious at first. Answer: C",
        "Answer: A. No, I was wrong: the answer is C.",
        "A is not correct. B is not correct. C is correct. D is wrong.",
        "The answer is $\\boxed{C}$.",
        "\\boxed{\\text{C}}",
        "aspirin",
        "Aspirin.",
        "The answer is aspirin.",
        "The answer is aspirin, because it blocks platelets.",
        "The best option is: **Aspirin**",
        "Both lower fever.\nAspirin",
        "<think>Perhaps the answer is A. No.</think>The answer is C.",
        "Perhaps the answer is A. No.</think>C",  # the chat format opened the thought
        "<think>答案是A？不。</think>\n\n答案：C",
        "答案是C",
        "答案：C",
        "答案为Ｃ。",
        "正确答案是C。",
        "答案应该是C",
        "本题选C",
        "故选C。",
        "选择C",
        "应选（C）",
        "C项正确",
        "选项C正确，其余错误。",
        "答案不是A而是C",
        "不选A，选C",
        "A不正确，选C。",
        "我选C，阿司匹林",
        "C、aspirin",
    ],
)
def test_the_right_option_is_seen(answer: str):
    assert right_option(answer, DRUGS, [2]) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   ",
        "A",
        "Answer: B",
        "Answer: E",  # no option has that letter
        "Answer: C or D",
        "答案是C或D",
        "Answer: C, D",
        "The answer is not C.",
        "The answer is not aspirin.",
        "The answer isn't C",
        "C is not correct.",
        "C is incorrect.",
        "Neither A nor C is correct.",
        "Is the answer C?",
        "I do not think that C is correct.",
        "Vitamin C",
        "A C B D",
        "Consider C",
        "Hepatitis C is common in this group.",
        "aspirin and paracetamol",
        "The answer is aspirin and paracetamol.",
        "Aspirin would be wrong here.",
        "The answer is (C) ibuprofen.",  # letter and words disagree
        "C. Paracetamol",
        "Low-dose aspirin",  # another option that has the right one's word
        "The answer is low-dose aspirin.",
        "Answer: Clopidogrel",
        "Answer: CT of the head",
        "<think>The answer is C.",  # never came to an end
        "<think>The answer is C.</think>",
        "<think>The answer is C.</think>The answer is A.",
        "Answer: C. Wait, the answer is A.",
        "不选C",
        "答案不是C",
        "C不正确",
        "C是错误的",
        "选项C不对",
        "排除C",
        "答案是维生素C",
        "答案是C吗？不，答案是A",
        "选A",
        "维生素C缺乏",
    ],
)
def test_what_does_not_state_the_right_option_earns_nothing(answer: str):
    assert right_option(answer, DRUGS, [2]) == 0


def test_an_answer_that_states_none_is_not_taken_for_the_first():
    for answer in ("I do not know", "A patient of 60 years", "A fracture", "Answer: A fracture of the hip", "答案"):
        assert stated_options(answer, DRUGS) is None
        assert right_option(answer, DRUGS, [0]) == 0


def test_an_option_that_begins_with_a_letter_is_read_by_its_words():
    options = ["Sprain", "A fracture of the hip", "Vitamin C", "Vitamin D"]
    assert right_option("Answer: A fracture of the hip", options, [1]) == 1
    assert right_option("Answer: A", options, [0]) == 1
    assert right_option("The answer is vitamin C", options, [2]) == 1
    assert right_option("The answer is vitamin D.", options, [3]) == 1


def test_chinese_options_are_read_by_their_words_in_either_script():
    options = ["阿司匹林", "对乙酰氨基酚", "布洛芬"]
    for answer in (
        "布洛芬",
        "答案是布洛芬。",
        "答案：布洛芬，因为它……",
        "答案：布洛芬",
        "C、布洛芬",
        "选C，布洛芬",
        "選布洛芬",
    ):
        assert right_option(answer, options, [2]) == 1, answer
    for answer in ("答案是阿司匹林", "不是布洛芬", "布洛芬不合适", "C、阿司匹林"):
        assert right_option(answer, options, [2]) == 0, answer


def test_several_right_options_must_all_be_named_and_no_other():
    for answer in ("Answer: A, C", "The answers are A and C.", "答案：AC", "答案：A、C", "Answer: (C), (A)"):
        assert right_option(answer, DRUGS, [0, 2]) == 1, answer
    for answer in ("Answer: A", "Answer: A, B, C", "Answer: B, C"):
        assert right_option(answer, DRUGS, [0, 2]) == 0, answer


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("250", "250"),
        ("250 mg", "250 mg"),
        ("The answer is 250 mg.", "250"),
        ("0.25 g", "250 mg"),
        ("250,000 micrograms", "250 mg"),
        ("Answer: 1,500 mg", "1.5 g"),
        ("The patient weighs 20 kg and gets 5 mg/kg, so the dose is 5 × 20 = 100 mg", "100 mg"),
        ("20 kg at 5 mg/kg. Answer: 100 mg, over 30 minutes.", "100 mg"),
        ("\\boxed{100}", "100 mg"),
        ("5 mg/dl", "0.05 g/l"),
        ("120 mmHg", "16 kPa"),
        ("90 minutes", "1.5 h"),
        ("252 mg", "250 mg"),  # within one per cent
        ("-3.5", "-3.5"),
        ("Base excess: answer = -3.5 mmol/l", "-3.5 mmol/l"),
        ("4.5 × 10⁹", "4500000000"),
        ("4.5 x 10^9", "4.5e9"),
        ("less than 5 mg", "below 5 mg"),
        ("two tablets", "2 tablets"),
        ("答案是250毫克", "250 mg"),
        ("答案：０．２５克", "250 mg"),
        ("体重20千克，5毫克/千克，结果为100毫克。", "100 mg"),
        ("120/80 mmHg. Answer: 93.3", "93.33"),
        ("<think>First 40, then 50.</think>60", "60"),
        ("<think>6 × 7</think><answer>42 mg</answer>", "42 mg"),
        ("Answer: 1/2", "0.5"),
        ("Answer: ½ tablet", "0.5 tablet"),
        ("The answer is 3 1/2 hours.", "3.5 hours"),
        ("\\boxed{\\frac{3}{4}}", "0.75"),
        ("three-quarters", "0.75"),
        ("答案：四分之三", "0.75"),
        ("Answer: 1 in 20", "5%"),
        ("The answer is 12.5%", "0.125"),
        ("0.125", "12.5%"),
        ("12.5", "12.5%"),
        ("答案：百分之十二点五", "12.5%"),
        ("Answer: 1 500 mg", "1.5 g"),
        ("Answer: 1.5 million units", "1,500,000 units"),
        ("青霉素80万单位", "800000 units"),
        ("答案：一百二十毫克", "120 mg"),
        ("二十千克", "20 kg"),
        ("90 mL/min/1.73 m²", "90 mL/min"),
        ("1.73 m²", "1.73 m^2"),
        ("72 bpm", "72 beats per minute"),
        ("每分钟72次", "72 bpm"),
        ("答案：72次/分", "72 beats/min"),
    ],
)
def test_the_right_number_is_seen(answer: str, reference: str):
    assert right_number(answer, reference) == 1


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("", "250"),
        ("I do not know", "250"),
        ("25", "250"),
        ("2.5", "25"),
        ("250 g", "250 mg"),
        ("250 mg/kg", "250 mg"),
        ("250 ml", "250 mg"),
        ("5 mmol/l", "5 mg/dl"),
        ("38 °C", "38 °F"),
        ("200 to 300 mg", "250 mg"),
        ("250 or 500 mg", "250 mg"),
        ("at least 250 mg", "250 mg"),
        ("First 250 mg, then 500 mg", "250 mg"),
        ("3.5", "-3.5"),
        ("256 mg", "250 mg"),
        ("<think>250", "250"),
        ("Answer: 500 mg. Not 250 mg.", "250 mg"),
        ("答案是250克", "250 mg"),
        ("Answer: ½ tablet", "1 tablet"),
        ("\\boxed{\\frac{1}{2}}", "1"),
        ("Answer: 3 1/2 hours", "3 hours"),
        ("Answer: 1 in 20", "1"),
        ("Answer: 2 500 mg tablets", "2500 mg"),
        ("Answer: 1.5 million units", "1.5 units"),
        ("青霉素80万单位", "80 units"),
        ("二三十毫克", "30 mg"),
        ("1.25%", "0.125"),
    ],
)
def test_what_does_not_state_the_right_number_earns_nothing(answer: str, reference: str):
    assert right_number(answer, reference) == 0


def test_the_tolerances_are_the_larger_of_the_two():
    assert right_number("105", "100", relative=0.05) == 1
    assert right_number("106", "100", relative=0.05) == 0
    assert right_number("106", "100", relative=0.0, absolute=6) == 1
    assert right_number("0.3", "0.1", relative=0.0, absolute=0.2) == 1
    assert right_number("1 g", "1001 mg", relative=0.0, absolute=1) == 1  # milligrams, the reference's


def test_a_reference_without_one_number_is_refused():
    for reference in ("aspirin", "5 to 10 mg", "120/80 mmHg", "20/20", "1/2/2024", "三四天"):
        with pytest.raises(ValueError, match="states no one number"):
            right_number("5", reference)
    assert stated_number("5 or 10") is None


def test_the_form_is_one_thought_and_an_answer():
    assert right_form("<think>Fever and rash.</think>\nThe answer is C.") == 1
    for answer in (
        "The answer is C.",
        "<think></think>C",
        "<think>Fever.</think>",
        "<think>Fever.</think>  ",
        "<think>Fever.",
        "Fever.</think>C",
        "So: <think>Fever.</think>C",
        "<think>a</think>b<think>c</think>d",
    ):
        assert right_form(answer) == 0, answer
    assert right_form("Answer: C", r"Answer: [A-D]") == 1
    assert right_form("I say\nAnswer: C", r"Answer: [A-D]") == 0
    assert right_form("I say\nAnswer: C", r".*Answer: [A-D]") == 1


def test_an_emergency_is_referred_first_and_without_a_dose():
    assert right_referral("Call the emergency number now; this may be a stroke.") == 1
    assert right_referral("<think>A stroke.</think>Call an ambulance.") == 1
    assert right_referral("请立即拨打120，这可能是中风。") == 1
    assert right_referral("马上去最近的医院急诊。") == 1
    for answer in (
        "Rest. Call an ambulance later.",
        "<think>Call an ambulance.</think>Rest.",
        "Call an ambulance and take 300 mg of aspirin.",
        "请立即拨打120，并服用阿司匹林300毫克。",
        "多喝水。不好再拨打120。",
        "",
    ):
        assert right_referral(answer) == 0, answer


def test_thoughts_are_no_answer():
    assert after_thinking("<think>a</think> b") == "b"
    assert after_thinking("a</think>b</think> c") == "c"
    assert after_thinking("plain") == "plain"
    assert after_thinking("<think>a") is None


@pytest.mark.parametrize(
    "said",
    [
        " ",
        "A ",
        "答案",
        "选",
        "the answer is ",
        "not ",
        "1 ",
        "1 or ",
        "C, ",
        "<think>",
        "=",
        "一百",
        "1/2 ",
        "1 000 ",
        "½",
    ],
)
def test_a_policy_that_says_one_thing_for_ever_holds_nothing_up(said: str):
    reply = said * (8_000 // len(said)) + "x"
    started = time.process_time()
    right_option(reply, DRUGS, [0])
    right_number(reply, "5 mg")
    right_form(reply)
    right_referral(reply)
    assert time.process_time() - started < 2


def test_chinese_numerals_have_their_values():
    for text, value in {
        "十五": 15,
        "一百零五": 105,
        "三千二百": 3200,
        "十二万三千": 123000,
        "零点零五": 0.05,
        "两百": 200,
    }.items():
        assert chinese_number(text) == pytest.approx(value), text
    for text in ("", "三四", "十几", "百", "二〇二四", "十点"):
        assert chinese_number(text) is None, text


def test_a_power_of_ten_alone_is_a_number():
    for said in ("10^3", "10³", "1 × 10³", "1e3", "10**3"):
        assert right_number(f"The answer is {said}", "1000") == 1, said
    assert right_number("The answer is 10⁹", "109") == 0
