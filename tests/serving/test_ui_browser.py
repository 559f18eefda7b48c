"""The chat page in a real headless Chromium, on a real gateway and assistant."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from serving.ui.texts import WORDS
from tests.browser import browser
from tests.serving.stand_in import Reply
from tests.serving.ui_checks import contrast, unnamed, without_ring
from tests.serving.ui_world import Pages, answered, ask, pages, retried

CHEST = "I have crushing chest pain and a cold sweat"
EGFR = {"age": 50, "sex": "female", "creatinine": 1.0, "creatinine_unit": "mg/dL"}
RUNS = "window.ran='{}'"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with browser() as made, pages(made, tmp_path_factory.mktemp("pages")) as these:
        yield these
        assert these.errors == []
        assert these.outside == []  # no request of any test, of page or server, went to another host


def test_an_answer_streams_through_the_gateway_and_says_what_the_page_is(world: Pages) -> None:
    world.model.pause = 0.25
    with world.tab(world.gateway) as page:
        standing = page.inner_text("#standing")
        assert "not a doctor" in standing
        assert "Model: tiny, 9.6 million parameters. A very small demonstration model" in standing
        assert "a few made-up sentences" in standing
        assert not page.query_selector("footer >> visible=true")
        ask(page, "What is asthma?")
        page.wait_for_function("document.querySelector('#live .o-text')?.innerText.includes('Asthma narrows')")
        assert "airways." not in page.inner_text("#live")  # the rest is not there yet
        answered(page)
        assert "Asthma narrows the airways." in page.inner_text("#thread")
        assert "Asthma narrows the airways." in page.inner_text("#status [role=status]")  # said once, when it is whole
    world.model.pause = 0.0


def test_stop_and_a_closed_tab_end_the_answer_at_the_model(world: Pages) -> None:
    world.model.pause = 0.4
    for way in ("button", "Escape", "close"):
        world.model.left_at = None
        with world.tab(world.gateway) as page:
            ask(page, "What is asthma?")
            page.wait_for_function("document.querySelector('#live .o-text')?.innerText.includes('Asthma')")
            began = time.monotonic()
            if way == "button":
                page.click("#stop")
            elif way == "Escape":
                page.press("#message textarea", "Escape")
            if way != "close":
                answered(page)
                assert "You stopped this answer: it is not complete." in page.inner_text("#thread")
        # The profile is closed here; for "close" only now.
        while world.model.left_at is None and time.monotonic() < began + 5:
            time.sleep(0.02)
        assert world.model.left_at is not None, way
        assert world.model.left_at - began < (1.0 if way != "close" else 4.0)
    world.model.pause = 0.0


def test_what_to_do_first_comes_before_the_model_and_stays(world: Pages) -> None:
    world.says(Reply(("Chest pain has many causes.",), stall=60))
    with world.tab(world.scripted) as page:
        ask(page, CHEST)
        alert = page.wait_for_selector("#emergency [role=alert]")
        assert page.query_selector("#live [aria-busy]")  # the model has said nothing
        assert "Call your local emergency number now" in alert.inner_text()
        assert page.get_attribute("#emergency a", "href") == "https://www.nice.org.uk/guidance/cg95"
        page.keyboard.press("Escape")
        answered(page)
        world.says(Reply(("\n\n".join(["A long answer."] * 60),)))
        ask(page, "What is asthma?")
        answered(page, 2)
        page.mouse.wheel(0, 5000)
        box = page.locator("#emergency [role=alert]").bounding_box()
        assert 0 <= box["y"] < 100  # still in sight at the end of a long page
        ask(page, "And gout?")
        answered(page, 3)
        sent = [turn["content"] for turn in world.script.requests[-1]["messages"]]
        assert any(text.startswith("A long answer.") for text in sent)  # the model reads what it said
        assert not any(CHEST in text for text in sent)  # and no question that it left without an answer
        page.click("#new")
        page.wait_for_selector("#examples", state="visible")
        assert page.inner_text("#emergency").strip() == ""  # another conversation


def test_a_model_that_is_down_is_told_with_the_remedy_and_the_emergency_is_answered(world: Pages) -> None:
    with world.tab(world.down) as page:
        ask(page, CHEST)
        page.wait_for_selector("#emergency [role=alert]")
        answered(page)
        said = page.inner_text("#thread .o-fault")
        assert "The model cannot be reached. Start it with osler serve" in said
        assert "Call your local emergency number now" in page.inner_text("#emergency")
        retried(page)  # in place of the first
        ask(page, "MAP for BP 120/80")  # a calculation needs no model
        answered(page, 2)
        assert "93.3 mmHg" in page.inner_text("#thread")


def test_the_chinese_page_tells_what_went_wrong_in_chinese(world: Pages) -> None:
    with world.tab(world.down, locale="zh-CN") as page:
        ask(page, "什么是哮喘？")
        answered(page)
        detail = page.inner_text("#thread .o-fault .o-detail")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1：无法连接模型；请用 `osler serve` 启动", detail)
        page.get_by_label("中文").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("document.querySelector('#thread .o-detail').innerText.includes('cannot be reached')")


def test_citations_open_and_tool_calls_show_what_went_in_and_out(world: Pages) -> None:
    call = Reply(("Let me see. ",), calls=(("egfr", json.dumps(EGFR)),))
    world.says(call, Reply(("It is 69, and asthma is common [1]. Not `[1]`.",)))
    with world.tab(world.scripted) as page:
        ask(page, "eGFR and asthma?")
        answered(page)
        passage = page.locator("#thread .o-passage")
        assert passage.count() == 1
        assert passage.get_attribute("open") is None
        assert page.locator("#thread .o-cite").count() == 1  # the one in code is no citation
        page.locator("#thread .o-cite").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#thread .o-passage[open]")
        text = page.inner_text("#thread .o-passage")
        assert "Asthma" in text
        assert "knowledge/conditions/respiratory.yaml" in text
        assert "https://www.nice.org.uk" in text
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert "Sources:" not in page.inner_text("#thread")  # the list in words is not shown twice
        tools = page.locator("#thread .o-tools")
        assert tools.get_attribute("open") is None
        tools.locator("summary").click()
        assert '"creatinine": 1.0' in tools.inner_text()
        assert '"value": 69.0' in tools.inner_text()
        ask(page, "And gout?")
        answered(page, 2)
        assert page.locator("#thread .o-turn").first.locator("details[open]").count() == 2  # what was open stays so


def test_nothing_in_a_text_runs(world: Pages) -> None:
    evil = (
        "<img src=x onerror=\"{0}\"> <script>{0}</script> [go](javascript:{0}) <a href='javascript:{0}'>a</a> ![p](https://evil.example/p.png) "
        '$\\href{{javascript:{0}}}{{x}}$ ${{{0}}} {{{{constructor.constructor("{0}")()}}}} <svg/onload="{0}"> [1]: javascript:{0}\n\n'
        '<details ontoggle="{0}" open>\n\n# Zinc fever <b onmouseover="{0}">[1]</b>\n\n`` ` ``\n\n| a | b |\n|---|---|\n| <img src=x onerror="{0}"> | 2 |\n'
    )
    call = Reply(calls=(("look_up", json.dumps({"query": evil.format(RUNS.format("tool"))})),))
    world.says(call, Reply((evil.format(RUNS.format("model")),)))
    with world.tab(world.scripted) as page:
        ask(page, f"zinc fever {evil.format(RUNS.format('user'))}")
        answered(page)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.click("#rename")
        page.fill("#rename_to input, #rename_to textarea", evil.format(RUNS.format("title"))[:150])
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('#talk_list').innerText.includes('onerror')")
        page.wait_for_timeout(200)
        assert page.evaluate("window.ran") is None
        shown = page.inner_text("#thread")
        for part in ("<script>", "onerror", "](javascript:", "\\href", "![p](https://evil.example/p.png)"):
            assert part in shown  # as text
        inside = (
            "#thread :is(img, script, svg, iframe, [onerror], [onload], [onmouseover], [ontoggle], a[href^=javascript])"
        )
        assert page.query_selector(inside) is None
        assert "window.ran='document'" in page.inner_text("#thread .o-citations")


def test_two_sessions_never_see_one_anothers_talk(world: Pages) -> None:
    world.says(Reply(("Noted.",)))
    with world.tab(world.scripted) as ann, world.tab(world.scripted) as bob:
        ask(ann, "My word is quince")
        answered(ann)
        ask(bob, "My word is medlar")
        answered(bob)
        ask(ann, "Which word?")
        answered(ann, 2)
        heard = json.dumps(world.script.requests[-1]["messages"])
        assert "quince" in heard
        assert "medlar" not in heard
        third = ann.context.new_page()  # a second tab of the same browser
        third.goto(world.scripted)
        third.wait_for_selector("#talk_list label")
        third.wait_for_timeout(300)
        for page, others in ((ann, "medlar"), (bob, "quince"), (third, "quince")):
            assert others not in page.content()
            assert others not in page.evaluate("document.querySelector('#box textarea, #box input').value")


def test_conversations_are_switched_renamed_deleted_and_kept_only_if_asked(world: Pages) -> None:
    world.says(Reply(("Noted.",)))
    with world.tab(world.scripted) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        ask(page, "About quinces")
        answered(page)
        page.click("#new")
        page.wait_for_selector("#examples", state="visible")
        ask(page, "About medlars")
        answered(page)
        assert page.locator("#talk_list label").count() == 2
        assert page.evaluate("localStorage.getItem('osler-talks')") is None
        leave = "!dispatchEvent(new Event('beforeunload', {cancelable: true}))"
        assert page.evaluate(leave)  # asks before it loses them
        page.locator("#talk_list label", has_text="quinces").click()
        page.wait_for_function("document.querySelector('#thread').innerText.includes('quinces')")
        page.click("#rename")
        page.fill("#rename_to input, #rename_to textarea", "Fruit")
        page.keyboard.press("Enter")
        page.locator("#talk_list label", has_text="Fruit").wait_for()
        page.check("#keep input")
        page.wait_for_function("!!localStorage.getItem('osler-talks')")
        assert not page.evaluate(leave)
        second = page.context.new_page()  # another tab that keeps its own beside them
        second.goto(world.scripted)
        second.locator("#talk_list label", has_text="Fruit").wait_for()
        second.click("#new")
        second.wait_for_selector("#examples", state="visible")
        ask(second, "About sloes")
        answered(second)
        second.wait_for_function("localStorage.getItem('osler-talks').includes('sloes')")
        second.close()
        page.click("#new")
        page.wait_for_selector("#examples", state="visible")
        page.reload()
        page.locator("#talk_list label", has_text="sloes").wait_for()
        page.locator("#talk_list label", has_text="Fruit").click()
        page.wait_for_function("document.querySelector('#thread').innerText.includes('quinces')")
        page.click("#delete")
        page.wait_for_function("!document.querySelector('#talk_list').innerText.includes('Fruit')")
        page.wait_for_function("!localStorage.getItem('osler-talks').includes('quinces')")
        page.uncheck("#keep input")
        page.wait_for_function("localStorage.getItem('osler-talks') === null")


def test_a_conversation_is_saved_as_markdown_and_json(world: Pages) -> None:
    world.says(Reply(("Asthma is common [1].",)))
    with world.tab(world.scripted) as page:
        ask(page, "What is asthma?")
        answered(page)
        with page.expect_download() as saved:
            page.click("#save_markdown")
        text = saved.value.path().read_text()
        assert saved.value.suggested_filename.endswith(".md")
        for part in (
            "# What is asthma?",
            "not a doctor",
            "Asthma is common [1].",
            "knowledge/conditions/respiratory.yaml",
        ):
            assert part in text
        with page.expect_download() as saved:
            page.click("#save_json")
        found = json.loads(saved.value.path().read_text())
        assert found["turns"][0]["question"] == "What is asthma?"
        assert found["turns"][0]["citations"][0]["number"] == 1


def test_the_page_speaks_the_browsers_language_and_the_other_on_request(world: Pages) -> None:
    world.says(Reply(("好。",)))
    with world.tab(world.scripted, locale="zh-CN") as page:
        page.wait_for_function("document.documentElement.lang === 'zh-CN'")
        page.wait_for_function("document.querySelector('#send').innerText === '发送'")
        words = page.inner_text("body")
        english = [
            pair[0] for name, pair in WORDS.items() if pair[0] != pair[1] and "{" not in pair[0] and len(pair[0]) > 3
        ]
        assert not [one for one in english if one in words]
        ask(page, "我胸口压榨样疼痛，出冷汗")
        page.wait_for_selector("#emergency [role=alert]")
        assert "请立即拨打120" in page.inner_text("#emergency [lang=zh-CN]")
        answered(page)
        page.get_by_label("中文").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("document.documentElement.lang === 'en'")
        page.wait_for_function("document.querySelector('#send').innerText === 'Send'")
        assert "Possible emergency" in page.inner_text("#emergency h2")


def test_the_page_works_by_keyboard_alone(world: Pages) -> None:
    world.says(Reply(("Noted.",)))
    with world.tab(world.scripted) as page:
        page.wait_for_function("document.activeElement?.matches('#message textarea')")
        page.keyboard.type("one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        assert page.input_value("#message textarea") == "one\ntwo"
        # Enter that ends the choice of a Chinese word sends nothing.
        page.evaluate(
            "document.querySelector('#message textarea').dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true}))"
        )
        assert page.input_value("#message textarea") == "one\ntwo"
        page.keyboard.press("Enter")
        answered(page)
        assert world.script.requests[-1]["messages"][-1]["content"].endswith("one\ntwo")
        page.focus(".o-skip")  # the first stop of the page
        order: list[str] = []
        for _ in range(18):
            page.keyboard.press("Tab")
            order.append(
                page.evaluate(
                    "document.activeElement.closest('[id]:not([id^=html])')?.id || document.activeElement.className"
                )
            )
        wanted = [
            "language",
            "colours",
            "new",
            "talk_list",
            "rename",
            "delete",
            "keep",
            "retry",
            "save_markdown",
            "message",
            "send",
        ]
        assert [name for name in order if name in wanted] == wanted  # each once: arrow keys move within a group
        assert without_ring(page) == []
        page.focus(".o-skip")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.matches('#message textarea')")


def test_everything_has_a_name_and_enough_contrast_in_light_and_dark_and_fits_a_phone(world: Pages) -> None:
    call = Reply(("Let me see. ",), calls=(("egfr", json.dumps(EGFR)),))
    for scheme in ("light", "dark"):
        world.says(
            call,
            Reply(
                ("# Head\n\nIt is **69** [1]: " + "verylongword" * 12 + "\n\n```\n" + "code " * 40 + "\n```",),
                finish=None,
            ),
        )
        with world.tab(world.scripted, width=360, height=740, color_scheme=scheme, has_touch=True) as page:
            ask(page, f"{CHEST}. asthma {'x' * 200}")
            answered(page)
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            page.click("#menu")
            page.wait_for_selector("#talks", state="visible")
            assert page.get_attribute("#menu", "aria-expanded") == "true"
            wide: Any = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide == [360, 360]
            assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
            assert unnamed(page) == []
            assert contrast(page) == []
            assert page.locator("h1").count() == 1


def test_the_checks_of_this_file_find_what_they_look_for(world: Pages) -> None:
    page = world.browser.new_page()
    page.set_content(
        "<body style='background:#fff'><a class='o-skip' href='#'>skip</a><p style='color:#8a8a8a'>pale</p><p style='color:#595959'>dark</p>"
        "<button></button><button aria-label='a'></button><label>b <input></label><input style='outline:none'></body>"
    )
    assert [found[0] for found in contrast(page)] == ["pale"]  # 3.45 to 1; #595959 has 7.0
    assert len(unnamed(page)) == 2
    assert any("outline" in one for one in without_ring(page, 6))
    page.close()
