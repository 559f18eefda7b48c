"""The parts of the chat page that need no browser: conversations, Markdown, export, words, the answer's steps, the door."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import string
from html import escape
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from typer.testing import CliRunner

from corpora.bundled.render import SYSTEM_PROMPT
from corpora.errors import OslerError
from pipelines.about import about_folder, model_of_run, reads_passages
from pipelines.cli.options import app
from serving.addresses import free_port
from serving.clients import chat_model
from serving.faults import REASONS, AssistantError, explained
from serving.gateway import errors
from serving.gateway.keys import KeyFile
from serving.served import served
from serving.ui import export
from serving.ui.about import About
from serving.ui.answering import Desk
from serving.ui.app import check_before_start, doctor, web
from serving.ui.history import MOST_JSON, MOST_TURNS, Citation, Fault, Talk, Talks, Turn
from serving.ui.markdown import to_html
from serving.ui.reasons import CHINESE, CHINESE_OF_CODES
from serving.ui.render import fault_html, thread_html
from serving.ui.texts import LANGUAGES, WORDS, language_for, words
from tests.serving.gateway_world import running
from tests.serving.stand_in import Reply, stand_in

CHEST = "I have crushing chest pain and a cold sweat"


def test_every_text_has_both_languages_with_the_same_places() -> None:
    for name, (english, chinese) in WORDS.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), name
        assert english.strip(), name
        assert re.search(r"[\u4e00-\u9fff]", chinese) or english == chinese, name
    assert [language_for(tag) for tag in ("zh", "zh-TW", "ZH-cn", "en-GB", "fr", "", None, 3)] == ["zh"] * 3 + [
        "en"
    ] * 5
    assert words("too_long", "zh", length=3, most=2) == "消息有 3 个字符，最多 2 个。"


def test_conversations_begin_show_rename_and_end() -> None:
    talks = Talks()
    talks.add(Turn(question="What is\n asthma, and what is it that makes it worse in the night?", ended="whole"))
    assert talks.talk.title == "What is asthma, and what is it that makes it wo…"
    first = talks.talk.id
    talks.begin()
    talks.begin()  # the empty one is shown again
    assert [len(one.turns) for one in talks.talks] == [0, 1]
    talks.show(first)
    talks.show("no such")
    talks.rename("  ")
    assert talks.talk.title.startswith("What is asthma")
    talks.rename("Breath\n")
    assert Talks.read(talks.model_dump_json()).talk.title == "Breath"
    talks.delete()
    talks.delete()
    assert [one.turns for one in talks.talks] == [[]]
    for _ in range(MOST_TURNS + 1):
        talks.add(Turn(question="again", ended="whole"))
    assert len(talks.talk.turns) == MOST_TURNS


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"talks": []}', '{"talks": [{"id": "<img>"}]}', "null", "7", " " * (MOST_JSON + 1)]
)
def test_what_is_no_conversations_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not conversations|too long"):
        Talks.read(text)
    assert Talks.read("").talk.turns == []


def test_conversations_too_long_to_carry_lose_the_oldest_and_keep_the_one_in_use() -> None:
    talks = Talks()
    for at in range(6):
        talks.begin()
        talks.add(Turn(question=f"{at}", answer="x" * (MOST_JSON // 5), ended="whole"))
    text = talks.carried()
    assert len(text) <= MOST_JSON
    kept = Talks.read(text)
    assert kept.talk.turns[0].question == "5"
    assert "0" not in [one.turns[0].question for one in kept.talks]


def test_the_model_reads_whole_exchanges_and_the_triage_the_words_since_the_last() -> None:
    talk = Talk(
        turns=[Turn(question="a", answer="b", ended="whole"), Turn(question="My chest", answer="It", ended="stopped")]
    )
    assert [turn.content for turn in talk.messages()] == ["a", "b"]
    assert talk.look("What is asthma?") is None
    said = "My baby is 3 weeks old"
    assert Talk().look("She has a fever of 39") is None
    found = Talk(turns=[Turn(question=said, answer="And", ended="failed")]).look("She has a fever of 39")
    assert found is not None
    assert found.category == "feverish-baby-under-three-months"
    assert Talk(turns=[Turn(question=said, answer="How sweet.", ended="whole")]).look("She has a fever of 39") is None
    alone = Talk().look(CHEST)
    assert alone is not None
    assert alone.url == "https://www.nice.org.uk/guidance/cg95"


def test_markdown_keeps_its_form_and_loses_its_teeth() -> None:
    assert to_html("**a** *b*\n\n- c") == "<p><strong>a</strong> <em>b</em></p>\n<ul>\n<li>c</li>\n</ul>\n"
    assert to_html("# a") == "<h4>a</h4>\n"
    assert to_html("a <b onclick=x>") == "<p>a &lt;b onclick=x&gt;</p>\n"
    for text in (
        "[a](javascript:x)",
        "[a](https://x.example)",
        "![a](https://x.example)",
        "<https://x.example>",
        "[a]: https://x.example\n[a]",
    ):
        assert not re.search(r"<(a|img)\b", to_html(text)), text
    marks = {1: "<a>1</a>"}
    assert to_html("x [1], [2], `[1]` [ 1]", marks) == "<p>x <a>1</a>, [2], <code>[1]</code> [ 1]</p>\n"


def test_a_rendered_conversation_escapes_every_field() -> None:
    evil = "<script>x</script>\"'><img src=x onerror=y>"
    turn: dict[str, Any] = {
        "question": evil,
        "answer": evil,
        "ended": "failed",
        "fault": {"kind": "other", "detail": evil},
        "citations": [
            {
                "number": 1,
                "cited": False,
                "text": evil,
                "file": evil,
                "heading": evil,
                "sources": [f"{evil} https://x.example/{evil}"],
            }
        ],
        "tools": [{"name": evil, "arguments": {evil: evil}, "result": evil}],
    }
    shown = thread_html(Talk(turns=[Turn.model_validate(turn)]), "en")
    assert "<script" not in shown
    assert "<img" not in shown
    assert shown.count("&lt;script&gt;") >= 9
    assert re.findall(r'href="([^"]*)"', shown) == ["https://x.example/"]


def test_an_export_holds_what_was_said_by_whom_and_why() -> None:
    talk = Talk(title="Chest")
    emergency = talk.look(CHEST)
    cited = Citation(number=2, cited=True, text="Zinc.", file="ward.pdf", heading="Zinc", page=3, sources=["NICE"])
    other = Citation(number=1, cited=False, text="Not cited.", file="a.md", line=1)
    talk.turns = [
        Turn(question=CHEST, answer="Zinc [2].", ended="whole", emergency=emergency, citations=[other, cited]),
        Turn(question="And?\n## Osler", answer="It", ended="stopped"),
    ]
    text = export.to_markdown(talk, "en", "tiny")
    for part in (
        "# Chest",
        "Model: tiny.",
        "**Possible emergency**: Call your local emergency number now",
        '[2] ward.pdf, "Zinc", page 3\n> Zinc.',
    ):
        assert part in text
    assert "> ## Osler" in text  # a question cannot pass for an answer
    assert "Not cited." not in text
    assert "You stopped this answer" in text
    assert json.loads(export.to_json(talk, "tiny")) == {"model": "tiny", **talk.model_dump(mode="json")}
    assert "您已停止此回答" in export.to_markdown(talk, "zh", "tiny")


@pytest.mark.parametrize(
    ("reply", "kind", "answer"),
    [
        (Reply(("Take two",), finish=None), "broke_off", "Take two"),
        (Reply(status=500, error="boom"), "other", ""),
        (Reply(("late",), stall=1.0), "timeout", ""),
        (None, "unreachable", ""),
    ],
)
def test_an_answer_that_fails_says_how(reply: Reply | None, kind: str, answer: str) -> None:
    with stand_in(reply or Reply()) as server:
        url = server.url if reply is not None else f"http://127.0.0.1:{free_port()}/v1"
        assistant = doctor(url)
        assistant.model = chat_model(url, timeout=0.5, max_retries=0)
        turn = Turn(question="What is asthma?")

        async def ask() -> None:
            async for _ in Desk().answer("s", assistant, [], turn):
                pass

        asyncio.run(ask())
    assert turn.ended == "failed"
    assert turn.fault is not None
    assert (turn.fault.kind, turn.answer) == (kind, answer)


GATEWAY = Path(errors.__file__).parent
# Of requests that no page of ours sends; vLLM's words are not ours.
OF_OTHER_CLIENTS = {"head_too_large", "invalid_http", "invalid_json", "invalid_value", "no_grammar", "refused_by_model"}
OF_OTHER_CLIENTS |= {"unknown_field", "unsupported_content"}

CODE_AT = {"Refused": 2, "bad": 2, "ModelDown": 1}  # which argument is the code


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_whatever_our_code_says_of_a_fault_has_chinese_words() -> None:
    assert {name: _places(said) for name, said in CHINESE.items()} == {
        name: _places(said) for name, said in REASONS.items()
    }
    codes = {"invalid_value", "model_unavailable"}  # of ``bad`` and ``ModelDown``, where none is given
    for path in GATEWAY.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CODE_AT:
                given = [
                    *call.args[CODE_AT[call.func.id] :][:1],
                    *(one.value for one in call.keywords if one.arg == "code"),
                ]
                codes |= {str(one.value) for one in given if isinstance(one, ast.Constant)}
    assert len(codes) > 12
    assert codes - OF_OTHER_CLIENTS == set(CHINESE_OF_CODES)


def _refusal(code: str | None, said: str) -> AssistantError:
    answer: Any = httpx.Response(429, request=httpx.Request("POST", "http://door/v1/chat/completions"))
    return explained(
        openai.RateLimitError(said, response=answer, body={"message": said, "code": code}), "http://door/v1"
    )


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (
            _refusal("over_capacity", "the server is at its capacity"),
            "http://door/v1：请求被拒绝（429）：服务器已满负荷，请稍后再试",
        ),
        (_refusal(None, "{odd} words"), '请求被拒绝（429）：</span><span lang="en">{odd} words</span>'),
        (
            AssistantError.of("tool", name="{bmi}", told="KeyError: 'x'"),
            '工具 {bmi} 出错：</span><span lang="en">KeyError',
        ),
        (AssistantError.of("empty"), '<span lang="zh-CN">模型没有给出回答</span>'),
        (AssistantError("of a program of somebody's own"), '<span lang="en">of a program'),
    ],
)
def test_what_went_wrong_is_told_in_the_pages_language(error: AssistantError, chinese: str) -> None:
    fault = Fault(kind="other", detail=str(error), reason=error.reason, values=dict(error.values), where=error.where)
    turn = Turn(question="?", ended="failed", fault=fault)
    shown = {language: fault_html(turn, language) for language in LANGUAGES}
    assert chinese in shown["zh"].replace('：</span><span lang="zh-CN">', "：")
    assert f'<span lang="en">{escape(str(error))}</span>' in shown["en"]
    assert re.sub("<[^>]*>", "", chinese)[-12:] in export.to_markdown(Talk(turns=[turn]), "zh", "tiny")


def test_a_fault_from_the_browser_may_be_anything() -> None:
    for reason in CHINESE:
        shown = fault_html(Turn(question="?", ended="failed", fault=Fault(kind="other", reason=reason)), "zh")
        assert "{" not in shown


def test_no_page_is_open_to_other_machines_without_a_login(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(OslerError, match="the page would have no login; make a key with `osler keys add NAME`"):
            check_before_start(host, free_port(), None)
    with pytest.raises(OslerError, match="no working key to log in with"):
        check_before_start("127.0.0.1", free_port(), keys)
    KeyFile(keys).add("ann")
    KeyFile(keys).revoke("ann")
    with pytest.raises(OslerError, match="no working key to log in with"):
        check_before_start("127.0.0.1", free_port(), keys)
    check_before_start("127.0.0.1", free_port(), None)
    told = CliRunner().invoke(app, ["ui", "--host", "0.0.0.0", "--url", "http://127.0.0.1:9/v1"])
    assert isinstance(told.exception, OslerError)


def test_the_door_asks_for_a_key_and_lets_only_the_pages_own_routes_through(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    key, other = keys.add("ann"), keys.add("bob")
    page = web(doctor("http://127.0.0.1:9/v1"), About("tiny"), "127.0.0.1", keys.path)
    with running(page) as url, httpx.Client(base_url=url) as client:
        assert client.get("/config").status_code == 401
        join = {"data": [], "fn_index": 0, "session_hash": "x"}
        assert client.post("/gradio_api/queue/join", json=join).status_code == 401
        for name, secret in (("ann", "osler-wrong"), ("ann", other), ("bob", key)):
            assert client.post("/login", data={"username": name, "password": secret}).status_code == 400
        assert client.post("/login", data={"username": "ann", "password": key}).status_code == 200
        answer = client.get("/config")
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert key not in answer.text
        for path in (
            "/gradio_api/upload",
            "/gradio_api/file=/etc/passwd",
            "/monitoring",
            "/docs",
            "/openapi.json",
            "/gradio_api/runs",
            "/gradio_api/deep_link",
            "/llms.txt",
        ):
            assert client.get(path).status_code == 404, path
            assert client.post(path).status_code == 404, path
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400  # a name bound to our address
        schema = answer.json()
        assert schema["analytics_enabled"] is False
        assert schema["run_history"] is False


def test_what_the_page_says_of_a_model_is_read_from_its_folder(base_model: Path, tmp_path: Path) -> None:
    base = about_folder(str(base_model))
    assert base == About("osler-nano-base", "", 8_974_400)  # as docs/base-model.md counts them
    assert "does not know what the model was trained on" in base.line("en")
    run = tmp_path / "mine"
    (run / "final").mkdir(parents=True)
    (run / "final" / "model").symlink_to(base_model)
    stages = {"cpt": {"kind": "cpt", "corpora": [{"name": "bundled-documents"}]}, "exam": {"kind": "exam"}}
    recipe = {"name": "mine", "base_model": "bundled:x", "stages": stages, "serve": {"model": "final"}}
    (run / "report.json").write_text(json.dumps({"recipe": recipe}))
    assert model_of_run(str(run)) == str(run / "final" / "model")
    assert model_of_run("hub/name") == "hub/name"
    found = about_folder(str(run / "final" / "model"))
    assert found == About("mine/final", "bundled-documents; base model bundled:x.", 8_974_400)
    assert not reads_passages(str(run / "final" / "model"))
    stages["kto"] = {"kind": "kto", "preferences": {"name": "thumbs.jsonl"}}
    (run / "report.json").write_text(json.dumps({"recipe": recipe}))
    assert about_folder(str(run / "final" / "model")).trained_on.startswith("bundled-documents, thumbs.jsonl; ")
    stages["tools"] = {"kind": "sft", "corpora": [{"name": "bundled-tool-dialogues"}]}
    (run / "report.json").write_text(json.dumps({"recipe": recipe}))
    assert reads_passages(str(run / "final" / "model"))
    assert reads_passages(str(tmp_path))  # no weights to count: a hub's model, say
    assert "897 万个参数" in found.line("zh")
    assert "demonstration" in found.line("en")
    assert "demonstration" not in About("large", "", 7_000_000_000).line("en")
    assert "<b>" not in About("<b>", "<b>").line("zh")


def test_a_plain_model_reads_the_question_alone() -> None:
    earlier = [HumanMessage("What is gout?"), AIMessage("A joint disease.")]
    with stand_in(Reply(("A lung disease.",))) as server:
        assert (
            doctor(server.url, plain=True).invoke([*earlier, HumanMessage(f"What is asthma? {CHEST}")]).text
            == "A lung disease."
        )
        computed = doctor(server.url, plain=True).invoke("MAP for BP 120/80").text
    (request,) = server.requests
    assert [turn["content"] for turn in request["messages"]] == [SYSTEM_PROMPT, f"What is asthma? {CHEST}"]
    assert "tools" not in request
    assert "93.3 mmHg" in computed


def test_a_server_that_lists_no_model_is_no_server() -> None:
    assert served(f"http://127.0.0.1:{free_port()}/v1") is None
    assert served("no address") is None
    with stand_in(Reply()) as server:
        assert served(server.url) is None  # it has no such route
