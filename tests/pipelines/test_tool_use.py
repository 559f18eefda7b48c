"""Tool calls and cited passages: what is taught, that the exam holds none of it, and how it is marked."""

from __future__ import annotations

import collections
import json

import datasets
import pytest
from pydantic import ValidationError
from trl import SFTTrainer

from corpora.bundled.facts import facts
from corpora.errors import DataError
from corpora.records import Dialogue, Message, ToolCall
from pipelines import loading, tool_use, training
from pipelines.config import Corpus
from pipelines.data import identity, records
from pipelines.exam import summary, tool_cases
from pipelines.report.sections import tool_use_section
from pipelines.sft import row
from pipelines.tool_use.cases import COUNTS, TOOL_NAMES, Case
from pipelines.tool_use.dialogues import right_answer
from pipelines.tool_use.examine import examine_tool_use, in_process, sit
from pipelines.tool_use.knowledge import wordings
from pipelines.tool_use.marks import marks
from pipelines.tool_use.turns import Talk, as_chunk, read_calls

CALL = '<tool_call>\n{"name": "gcs", "arguments": {"eye": 3, "verbal": 4, "motor": 5}}\n</tool_call>'


@pytest.fixture(scope="module")
def taught() -> list[Dialogue]:
    return list(tool_use.render("bundled-tool-dialogues", seed=7))


@pytest.fixture(scope="module")
def held_out() -> list[Dialogue]:
    return list(tool_use.render("bundled-tool-exam", seed=7))


def cases(dialogues: list[Dialogue], *kinds: str) -> list[Case]:
    return [case for case in tool_cases(dialogues) if not kinds or case.kind in kinds]


# What is taught and asked.


def test_a_seed_gives_the_same_dialogues(held_out):
    again = list(tool_use.render("bundled-tool-exam", seed=7))
    assert [one.model_dump_json() for one in again] == [one.model_dump_json() for one in held_out]
    other = list(tool_use.render("bundled-tool-exam", seed=8))
    assert [one.messages for one in other] != [one.messages for one in held_out]


def test_there_are_300_different_prompts_and_the_kinds_that_the_table_says(taught, held_out):
    assert collections.Counter(case.kind for case in cases(held_out)) == COUNTS["held_out"]
    assert collections.Counter(case.kind for case in cases(taught)) == COUNTS["train"]
    assert len(held_out) == 300
    assert len({case.question + str(case.passages) for case in cases(held_out)}) == 300


def test_no_wording_is_on_both_sides():
    def look(block):
        if isinstance(block, dict):
            if "train" in block:
                assert not set(block["train"]) & set(block["held_out"])
            else:
                for part in block.values():
                    look(part)

    places = wordings()["notices"]["places"]
    assert not set(places["train"]["first"]) & set(places["held_out"]["first"])
    look({**wordings(), "notices": wordings()["notices"]["details"]})


def test_no_numbers_pair_place_or_fact_of_the_exam_is_taught(taught, held_out):
    def asked(dialogues):
        values = {tuple(sorted(one.call.arguments.items())) for one in cases(dialogues, "gcs")}
        pairs = {tuple(sorted(one.call.arguments["medicines"])) for one in cases(dialogues, "interactions")}
        headings = {one.passages[one.number - 1].heading for one in cases(dialogues, "notice")}
        quoted = {(one.passages[one.number - 1].heading, one.value) for one in cases(dialogues, "fact")}
        return values, pairs, headings, quoted

    for before, now in zip(asked(taught), asked(held_out), strict=True):
        assert before
        assert now
        assert not before & now
    only_in_documents = {fact.value for fact in facts() if fact.documents_only}
    assert {one.value for one in cases(held_out, "fact")} <= only_in_documents


def test_the_answers_follow_from_the_real_tools(taught):
    seen = 0
    for dialogue in taught:
        case = Case.model_validate(dialogue.meta["case"])
        if case.kind == "gcs" and not case.ends_with_call:
            score = sum(case.call.arguments.values())
            assert dialogue.messages[-1].content == f"The Glasgow Coma Scale is {score}."
            assert dialogue.messages[-2].role == "tool"
            assert dialogue.messages[-2].content.startswith(f"Glasgow Coma Scale: {score} of 15\n")
            seen += 1
    assert seen > 10


def test_a_quoted_value_stands_in_the_passage_that_is_cited_and_nothing_is_cited_where_nothing_answers(held_out):
    for case in cases(held_out, "fact", "notice"):
        assert case.value in case.passages[case.number - 1].text
        assert case.answer.endswith(f"[{case.number}].")
    # Retrieval ranks, but to cite always the first must not be enough.
    first = [case.number == 1 for case in cases(held_out, "fact", "notice") if len(case.passages) > 1]
    assert 0.35 < sum(first) / len(first) < 0.65
    for case in cases(held_out, "nothing"):
        assert case.passages
        assert "[" not in case.answer


def test_an_unknown_corpus_names_those_that_there_are(sources):
    with pytest.raises(DataError, match="bundled-tool-copying, bundled-tool-dialogues, bundled-tool-exam"):
        records([Corpus(name="bundled-tool-dialogs")], sources, Dialogue)


def test_a_stage_that_reads_them_depends_on_the_wordings(sources):
    assert "tool_use" in identity(Corpus(name="bundled-tool-exam"), sources)
    assert "tool_use" not in identity(Corpus(name="bundled-dialogues"), sources)


def test_a_name_in_a_call_is_the_tokens_that_it_is_in_the_question(taught, tokenizer_of_calls):
    """So that it can be copied: right after a quotation mark it would be cut otherwise."""
    pieces = tokenizer_of_calls.tokenize
    cut_otherwise = 0
    for dialogue in [one for one in taught if one.meta["case"]["kind"] == "interactions"][:100]:
        call = next(message.tool_calls[0] for message in dialogue.messages if message.tool_calls)
        names = call.arguments["medicines"]
        assert [name.strip() for name in names] == Case.model_validate(dialogue.meta["case"]).call.arguments[
            "medicines"
        ]
        asked = "/".join(pieces(dialogue.messages[-2].content)) if dialogue.messages[-1].tool_calls else None
        written = "/".join(pieces(json.dumps(names, ensure_ascii=False)))
        for name in names:
            assert "/".join(pieces(name)) in written
            assert (
                asked is None or "/".join(pieces(name)) in asked or "/".join(pieces(name.strip().capitalize())) in asked
            )
            cut_otherwise += "/".join(pieces(name)) not in "/".join(pieces(json.dumps([name.strip()])))
    assert cut_otherwise > 50


# The records and the chat format.


def test_only_the_assistant_calls_tools_and_a_record_without_tools_is_as_it_was():
    call = ToolCall(name="gcs", arguments={"eye": 3})
    with pytest.raises(ValidationError, match="only the assistant calls tools"):
        Message(role="user", content="", tool_calls=[call])
    plain = Dialogue(
        id="a", messages=[Message(role="user", content="Hello"), Message(role="assistant", content="Good day.")]
    )
    assert "tool" not in plain.model_dump_json()
    called = Message(role="assistant", content="", tool_calls=[call])
    assert Message.model_validate_json(called.model_dump_json()) == called


def test_the_compact_template_lists_a_tool_in_a_line(tokenizer_of_calls, held_out):
    dialogue = next(one for one in held_out if one.meta["case"]["kind"] == "plain")
    text = tokenizer_of_calls.apply_chat_template(
        [message.as_dict() for message in dialogue.messages[:-1]],
        tools=dialogue.tools,
        tokenize=False,
        add_generation_prompt=True,
    )
    system, question = (message.content for message in dialogue.messages[:2])
    assert text == (
        f"<|im_start|>system\n{system}\n\nTools:\n"
        "gcs(eye, verbal, motor): Glasgow Coma Scale\n"
        "check_interactions(medicines): Checks medicines against each other in the bundled facts\n"
        f"<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_tools_the_compact_template_is_the_bundled_one(tokenizer_of_calls, base_model, held_out):
    messages = [message.as_dict() for message in held_out[0].messages if message.role != "tool"]
    for message in messages:
        message.pop("tool_calls", None)
    own = loading.load_tokenizer(base_model)
    for generation in (False, True):
        assert tokenizer_of_calls.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generation
        ) == own.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)


def test_a_call_goes_through_the_chat_format_and_back(tokenizer_of_calls, taught):
    dialogue = next(one for one in taught if one.meta["case"]["kind"] == "interactions")
    call = dialogue.messages[2].tool_calls[0]
    text = tokenizer_of_calls.apply_chat_template(
        [message.as_dict() for message in dialogue.messages[:3]], tokenize=False
    )
    written = text.rpartition("<|im_start|>assistant\n")[2].removesuffix("<|im_end|>\n")
    before, calls = read_calls(written)
    assert (before, [(name, json.loads(arguments)) for name, arguments in calls]) == ("", [(call.name, call.arguments)])
    assert written == right_answer(Case.model_validate(dialogue.meta["case"]), Talk())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Good day.", ("Good day.", [])),
        ('So: <tool_call>{"name": "a", "arguments": {}}', ("So: ", [("a", "{}")])),
        ('<tool_call>{"name": "a", "arguments": {"b": "肌酐"}}</tool_call>', ("", [("a", '{"b": "肌酐"}')])),
        ('<tool_call>{"name": "a", "arguments": {"b": 1}</tool_call>', None),
        ('<tool_call>{"name": "a"}</tool_call>', None),
        ('<tool_call>{"name": 1, "arguments": {}}</tool_call>', None),
        ('<tool_call>{"name": "a", "arguments": "{}"}</tool_call>', None),
        ('<tool_call>["a"]</tool_call>', None),
        ("<tool_call></tool_call>", None),
    ],
)
def test_calls_are_read_or_refused(text, found):
    assert read_calls(text) == found


def test_the_mask_holds_the_calls_and_answers_and_trl_trains_on_them_alone(
    tokenizer_of_calls, tiny_model, draft, taught
):
    kinds: dict[str, Dialogue] = {}
    for dialogue in taught:
        if dialogue.meta["case"]["kind"] in kinds or dialogue.meta["case"]["ends_with_call"]:
            continue
        kinds[dialogue.meta["case"]["kind"]] = dialogue
    chosen = list(kinds.values())
    assert len(chosen) == len(COUNTS["train"])
    args = training.arguments("sft", draft, 0, {"assistant_only_loss": True, "max_steps": 1, "max_length": 1024})
    trainer = SFTTrainer(
        model=loading.load_model(tiny_model),
        args=args,
        train_dataset=datasets.Dataset.from_list([row(dialogue) for dialogue in chosen]),
        processing_class=tokenizer_of_calls,
    )
    for dialogue, made in zip(chosen, trainer.train_dataset, strict=True):
        ids, labels = made["input_ids"], made["labels"]
        learnt = tokenizer_of_calls.decode([token for token, label in zip(ids, labels, strict=True) if label != -100])
        case = Case.model_validate(dialogue.meta["case"])
        said = [message.content for message in dialogue.messages if message.role == "assistant" and message.content]
        call = [right_answer(case, Talk())] if case.call else []
        assert learnt == "".join(f"{text}<|im_end|>" for text in [*call, *said])
        rest = tokenizer_of_calls.decode(ids)
        assert case.question in rest
        assert ("Tools:" in rest) is bool(case.tools)


def test_no_dialogue_is_cut_at_the_length_of_the_trainer(tokenizer_of_calls, taught, held_out):
    longest = max(
        len(
            tokenizer_of_calls.apply_chat_template(
                [message.as_dict() for message in one.messages], tools=one.tools or None, return_dict=True
            )["input_ids"]
        )
        for one in [*taught[::4], *held_out[::4]]
    )
    assert longest <= 1024


# The marks.


def a_case(kind: str, **more) -> Case:
    return Case(id="a", kind=kind, question="?", tools=TOOL_NAMES, **more)


SCORE = a_case("gcs", call=ToolCall(name="gcs", arguments={"eye": 3, "verbal": 4, "motor": 5}))
PAIR = a_case(
    "interactions", call=ToolCall(name="check_interactions", arguments={"medicines": ["warfarin", "aspirin"]})
)
NO_PAIR = a_case(
    "interactions", call=ToolCall(name="check_interactions", arguments={"medicines": ["warfarin", "ibuprofen"]})
)


def marked(case: Case, *texts: str) -> dict[str, bool]:
    said = iter(texts)
    return marks(case, sit([case], lambda conversations, tools: [next(said)])[0])


def call(name: str, **arguments) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


ALL = ["well_formed", "right_tool", "right_arguments", "consistent", "whole"]


@pytest.mark.parametrize(
    ("case", "texts", "right"),
    [
        (SCORE, [CALL, "The Glasgow Coma Scale is 12."], ALL),
        (SCORE, [CALL, "The Glasgow Coma Scale is 12.0."], ALL),
        (SCORE, [CALL, "The Glasgow Coma Scale is 11."], ALL[:3]),
        (SCORE, [CALL, "The Glasgow Coma Scale is 12 or 13."], ALL[:3]),
        # It says what the tool found, though it asked for another patient's.
        (SCORE, [call("gcs", eye=3, verbal=4, motor=4), "It is 11."], ["well_formed", "right_tool", "consistent", "told"]),
        (SCORE, [call("check_interactions", medicines=["warfarin", "aspirin"]), "It is 12."], ["well_formed", "told"]),
        (SCORE, [call("gcs", eye="open"), "The Glasgow Coma Scale is 12."], ["well_formed", "right_tool"]),
        (SCORE, [call("map", systolic=120, diastolic=80), "It is 93."], ["well_formed"]),
        (SCORE, [CALL[:-20], "The Glasgow Coma Scale is 12."], []),
        (SCORE, ["The Glasgow Coma Scale is 12."], []),
        (PAIR, [call("check_interactions", medicines=["Aspirin", "warfarin"]), "There is an interaction: major bleeding."], ALL),
        (PAIR, [call("check_interactions", medicines=["warfarin", "aspirin"]), "The facts name no interaction."], ALL[:3]),
        (PAIR, [call("check_interactions", medicines=["warfarin", "aspirin"]), "Interaction: muscle damage."], ALL[:3]),
        (NO_PAIR, [call("check_interactions", medicines=["warfarin", "ibuprofen"]), "The facts name no interaction."], ALL),
        (NO_PAIR, [call("check_interactions", medicines=["warfarin", "ibuprofen"]), "Yes, bleeding."], ALL[:3]),
    ],
)  # fmt: skip
def test_marks_of_calls(case, texts, right):
    assert [name for name, yes in marked(case, *texts).items() if yes] == right


def test_marks_of_answers_without_a_call(held_out):
    notice = cases(held_out, "notice")[0]
    other = 3 - notice.number
    assert marked(notice, notice.answer) == {"no_call": True, "cites": True, "quotes": True}
    assert marked(notice, f"{notice.value} [{other}].") == {"no_call": True, "cites": False, "quotes": True}
    assert marked(notice, f"{notice.value} [1] [2].") == {"no_call": True, "cites": False, "quotes": True}
    assert marked(notice, f"At noon [{notice.number}].") == {"no_call": True, "cites": True, "quotes": False}
    nothing = cases(held_out, "nothing")[0]
    assert marked(nothing, "The passages do not answer this.") == {"no_call": True, "says_so": True}
    assert marked(nothing, "The passages do not answer this [1].") == {"no_call": True, "says_so": False}
    assert marked(nothing, "On Monday.") == {"no_call": True, "says_so": False}
    missing = a_case("missing", value="motor")
    assert marked(missing, "I also need the motor.") == {"no_call": True, "asks": True}
    assert marked(missing, "I also need the eye.") == {"no_call": True, "asks": False}
    assert marked(missing, CALL, "I also need the motor.") == {"no_call": False, "asks": False, "told": True}
    assert marked(a_case("plain"), "A disease of the airways.") == {"no_call": True}
    assert marked(a_case("plain"), CALL[:-20]) == {"no_call": False}


def test_one_who_answers_right_passes_with_everything(held_out):
    found = cases(held_out)
    done: dict[str, Talk] = {}

    def perfect(conversations, tools):
        if len(conversations) == 300:
            return [right_answer(one, Talk()) for one in found]
        return [right_answer(one, done[one.id]) for one in found if one.call]

    # What the tools give to the right calls, for the second round.
    for one in found:
        if one.call:
            said = iter([right_answer(one, Talk()), ""])
            done[one.id] = sit([one], lambda conversations, tools, said=said: [next(said)])[0]
    result = examine_tool_use(found, perfect)
    assert {name: mark["share"] for name, mark in result["marks"].items()} == dict.fromkeys(result["marks"], 1.0)
    assert {name: mark["n"] for name, mark in result["marks"].items()} == {
        "well_formed": 160, "right_tool": 160, "right_arguments": 160, "consistent": 160, "whole": 160,
        "no_call": 140, "asks": 20, "cites": 70, "quotes": 70, "says_so": 30,
    }  # fmt: skip
    page = "\n".join(tool_use_section({"final": summary({"items": {}, "tool_use": result})}))
    assert "| all four | 160 | 100.0 (97.7 to 100.0) |" in page


def test_a_model_that_was_taught_nothing_is_examined_and_fails(tiny_model, held_out):
    model, tokenizer = loading.load_model(tiny_model, training=False), loading.load_tokenizer(tiny_model)
    result = examine_tool_use(cases(held_out[:2]), in_process(model, tokenizer, "tiny"))
    assert all(mark["right"] == 0 for name, mark in result["marks"].items() if name != "no_call")
    assert len(result["answers"]) == 2


def test_dialogues_that_are_no_cases_are_refused(sources):
    with pytest.raises(DataError, match="take bundled-tool-exam"):
        tool_cases(records([Corpus(name="bundled-dialogues", limit=1)], sources, Dialogue))


def test_a_broken_call_stays_text():
    assert as_chunk(CALL[:-20]).text == CALL[:-20]
    assert not as_chunk(CALL[:-20]).tool_calls
    assert as_chunk(CALL).tool_calls[0]["args"] == {"eye": 3, "verbal": 4, "motor": 5}
