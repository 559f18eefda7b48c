"""The nano model of a finished run, served by vLLM with its own tool parser and asked through the assistant.

Needs `osler reproduce nano-tools --run runs/nano` before it (or the run that OSLER_NANO_RUN names): it takes minutes to make that model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from corpora.bundled.render import SYSTEM_PROMPT
from corpora.records import Dialogue
from pipelines import loading, tool_use
from pipelines.tool_use.cases import TOOL_NAMES, Case
from pipelines.tool_use.turns import TOOLS, as_chunk, schemas
from serving.assistant import DoctorAssistant
from serving.clients import chat_model, completion_model
from serving.vllm.start import serving

RUN = Path(os.environ.get("OSLER_NANO_RUN", "runs/nano"))
MODEL = RUN / "tools" / "model"
FLAGS = {"enable-auto-tool-choice": True, "tool-call-parser": "hermes", "max-model-len": 2048}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (RUN / "tool-exam" / "tools.json").is_file(),
        reason=f"no finished run in {RUN}: osler reproduce nano-tools --run runs/nano",
    ),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(MODEL, flags=FLAGS) as server:
        yield server.url


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    dialogues = tool_use.render("bundled-tool-exam", seed=7)
    found = [Case.model_validate(one.meta["case"]) for one in dialogues if isinstance(one, Dialogue)]
    return {case.id: case for case in found}


@pytest.fixture(scope="module")
def examined() -> list[dict[str, Any]]:
    """What the exam in process saw of each prompt that calls for a tool, 20 of each."""
    answers = json.loads((RUN / "tool-exam" / "tools.json").read_text(encoding="utf-8"))["tool_use"]["answers"]
    return [one for kind in ("gcs", "interactions") for one in [a for a in answers if f"/{kind}/" in a["id"]][:20]]


def test_the_assistant_gets_calls_from_vllm_carries_them_out_and_answers(address, cases, examined):
    assistant = DoctorAssistant(
        address,
        system=SYSTEM_PROMPT,
        tools=[TOOLS[name] for name in TOOL_NAMES],
        tool_calls="model",
        retriever=False,
        triage=lambda _: None,
    )
    answers = assistant.batch([one["question"] for one in examined], {"max_concurrency": 4})
    same = 0
    for one, answer in zip(examined, answers, strict=True):
        called = answer.response_metadata.get("tools", [])
        first = as_chunk(one["texts"][0]).tool_calls
        same += [(call["name"], call["arguments"]) for call in called[:1]] == [(c["name"], c["args"]) for c in first]
        if one["marks"]["whole"] and called and called[0]["arguments"] == cases[one["id"]].call.arguments:
            assert called[0]["name"] == cases[one["id"]].call.name
    assert any(answer.response_metadata.get("tools") for answer in answers)
    # In batches of another size the last bit of bfloat16 may fall another way.
    assert same >= 0.8 * len(examined)


def test_what_vllm_reads_as_calls_is_what_the_exam_reads(address, examined):
    """The same conversation, once as tool calls and once as the bare text of the model."""
    tokenizer = loading.load_tokenizer(MODEL)
    bound = chat_model(address, max_tokens=96).bind_tools([TOOLS[name] for name in TOOL_NAMES])
    bare = completion_model(address, max_tokens=96)
    for one in examined[:3] + examined[-3:]:
        said = bound.invoke([SystemMessage(SYSTEM_PROMPT), HumanMessage(one["question"])])
        prompt = tokenizer.apply_chat_template(
            [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": one["question"]}],
            tools=schemas(TOOL_NAMES),
            tokenize=False,
            add_generation_prompt=True,
        )
        read = as_chunk(bare.invoke(prompt))
        assert [(c["name"], c["args"]) for c in read.tool_calls] == [(c["name"], c["args"]) for c in said.tool_calls]
