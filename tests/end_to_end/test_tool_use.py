"""The small model taught to call tools, served by vLLM with its own tool parser, and asked through the assistant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from corpora.records import Dialogue
from pipelines import tool_use, training
from pipelines.artifact import Draft
from pipelines.config import SftStage
from pipelines.data import Sources
from pipelines.sft import sft
from pipelines.tool_use.cases import PASSAGES, Case
from pipelines.tool_use.turns import TOOLS, as_chunk, read_calls
from serving.assistant import DoctorAssistant, chat_model
from serving.retrieval import passage_index
from serving.server import serving

pytestmark = pytest.mark.slow
FLAGS = {"enable-auto-tool-choice": True, "tool-call-parser": "hermes", "max-model-len": 2048}


@pytest.fixture(scope="module")
def taught(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base after some minutes of tool dialogues and nothing else."""
    folder = tmp_path_factory.mktemp("taught")
    draft = Draft(folder)
    draft.checkpoints.mkdir()
    stage = SftStage.model_validate(
        {
            "kind": "sft",
            "model": "base",
            "corpora": [{"name": "bundled-tool-dialogues", "renderings": 1}],
            "training": {
                "chat_template_path": "bundled:chatml-compact",
                "num_train_epochs": 2,
                "per_device_train_batch_size": 8,
                "learning_rate": 0.001,
                "save_strategy": "no",
                "report_to": [],
            },
        }
    )
    sft(stage, 7, base_model, Sources(None, 7, {}), draft)
    return folder / "model"


@pytest.fixture(scope="module")
def address(taught: Path) -> Iterator[str]:
    with serving(taught, flags=FLAGS) as server:
        yield server.url


def exam(kind: str) -> list[Case]:
    dialogues = tool_use.render("bundled-tool-exam", seed=7)
    found = [Case.model_validate(one.meta["case"]) for one in dialogues if isinstance(one, Dialogue)]
    return [case for case in found if case.kind == kind]


def test_the_assistant_gets_calls_from_vllm_carries_them_out_and_answers(address: str):
    assistant = DoctorAssistant(
        address, tools=list(TOOLS.values()), tool_calls="model", retriever=passage_index(k=PASSAGES)
    )
    asked = exam("gcs")[:10]
    answers = assistant.batch([case.question for case in asked], {"max_concurrency": 4})
    called = [answer.response_metadata.get("tools", []) for answer in answers]
    assert sum(bool(one) for one in called) >= 8
    for one in called:
        for call in one:
            assert call["name"] in TOOLS
    right = [one for one, case in zip(called, asked, strict=True) if one and one[0]["arguments"] == case.call.arguments]
    assert len(right) >= 3
    for one, answer in zip(called, answers, strict=True):
        if one and isinstance(one[0]["result"], dict):
            assert f"{one[0]['result']['value']:g}" in answer.text
            break
    else:
        pytest.fail("no tool gave a result")


def test_what_vllm_reads_as_calls_is_what_the_exam_reads(address: str, taught: Path):
    """The same conversation, once as tool calls and once as the bare text of the model."""
    from pipelines.tool_use.turns import schemas

    tokenizer = training.load_tokenizer(taught)
    client = chat_model(address, max_tokens=96)
    names = ("gcs", "check_interactions")
    for case in [*exam("gcs")[:3], *exam("interactions")[:3]]:
        with_tools = client.bind_tools([TOOLS[name] for name in names]).invoke([HumanMessage(case.question)])
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": case.question}],
            tools=schemas(names),
            tokenize=False,
            add_generation_prompt=True,
        )
        from serving.assistant import completion_model

        text = completion_model(address, max_tokens=96, extra_body={"skip_special_tokens": False}).invoke(prompt)
        bare = as_chunk(text.replace("<|im_end|>", ""))
        assert read_calls(text.replace("<|im_end|>", "")) is not None
        assert [(one["name"], one["args"]) for one in bare.tool_calls] == [
            (one["name"], one["args"]) for one in with_tools.tool_calls
        ]
