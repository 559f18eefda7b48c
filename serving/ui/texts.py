"""Words of the pages in English and Chinese, and the choice between the two.

``words(name, language)`` gives a text of this page. Another page keeps a table of its own and calls ``chosen(table, name, language)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Language = Literal["en", "zh"]
Table = Mapping[str, tuple[str, str]]  # name to English and Chinese
LANGUAGES: tuple[Language, ...] = get_args(Language)
NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}
TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}  # for the `lang` attribute

# Run by the browser: what it is set to, or what was chosen here before; and the attribute that screen readers go by.
BROWSER_LANGUAGE = "() => localStorage.getItem('osler-language') || navigator.language || 'en'"
SET_LANGUAGE = (
    "(language) => { document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'; "
    "localStorage.setItem('osler-language', language); }"
)


def language_for(wish: object) -> Language:
    """The page's language for a browser's tag such as ``zh-TW`` or ``en-GB``; English for any other."""
    return "zh" if isinstance(wish, str) and wish.lower().startswith("zh") else "en"


def chosen(table: Table, name: str, language: Language, /, **values: object) -> str:
    """A text of ``table`` in ``language``, with its ``{places}`` filled in."""
    return table[name][LANGUAGES.index(language)].format(**values)


WORDS: Table = {
    "title": ("Osler", "Osler"),
    "subtitle": ("Ask about medicine", "医学问答"),
    "skip": ("Skip to the message box", "跳到输入框"),
    "not_a_doctor": (
        "A computer program, not a doctor. It makes mistakes: check what it says with a doctor or pharmacist. In an emergency, call your "
        "emergency number.",
        "这是计算机程序，不是医生。它会出错：请向医生或药师核实。遇到紧急情况，请立即拨打急救电话（中国大陆 120）。",
    ),
    "model": ("Model: {name}.", "模型：{name}。"),
    "size": (", {count} million parameters", "，{count} 万个参数"),
    "trained_on": ("Trained on: {what}", "训练数据：{what}"),
    "unknown_training": (
        "This page does not know what the model was trained on.",
        "本页面不知道该模型使用了什么训练数据。",
    ),
    "small": (
        "A very small demonstration model: its answers are often wrong.",
        "这是一个很小的演示模型，回答经常有误。",
    ),
    "talks": ("Conversations", "对话"),
    "new": ("New conversation", "新对话"),
    "untitled": ("New conversation", "新对话"),
    "rename": ("Rename", "重命名"),
    "rename_to": ("New name of this conversation", "对话的新名称"),
    "delete": ("Delete", "删除"),
    "delete_sure": ("Delete this conversation? It cannot be brought back.", "删除此对话？删除后无法恢复。"),
    "keep": ("Keep my conversations in this browser", "在此浏览器中保存我的对话"),
    "keep_info": (
        "Off: they are gone when this tab closes. On: they are stored on this computer, readable by anyone who uses it.",
        "关闭时：关闭此标签页后对话即消失。开启时：对话会存在这台电脑上，使用它的人都能读到。",
    ),
    "export_md": ("Save as Markdown", "导出 Markdown"),
    "export_json": ("Save as JSON", "导出 JSON"),
    "language": ("Language", "语言"),
    "colours": ("Light / dark", "浅色／深色"),
    "message": (
        "Your message (Enter sends, Shift+Enter begins a new line)",
        "您的消息（回车发送，Shift+回车换行）",
    ),
    "placeholder": ("Write your question", "请输入问题"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "retry": ("Ask again", "重新回答"),
    "empty": (
        "Ask a question, or begin with one of these. Do not write names, addresses or numbers by which a person could be known.",
        "请提问，或从下面的问题开始。请不要填写姓名、住址、证件号等可识别个人身份的信息。",
    ),
    "example_1": ("What is asthma?", "什么是哮喘？"),
    "example_2": ("Do warfarin and aspirin go together?", "华法林和阿司匹林可以同时服用吗？"),
    "example_3": (
        "Calculate the eGFR of a 50-year-old woman, creatinine 1.0 mg/dL",
        "计算 eGFR：女，50岁，肌酐 88.4 umol/L",
    ),
    "you": ("You", "您"),
    "osler": ("Osler", "Osler"),
    "thinking": ("Osler is answering…", "Osler 正在回答…"),
    "using": ("Using the tool {name}…", "正在使用工具 {name}…"),
    "done": ("The answer is complete: {text}", "回答完毕：{text}"),
    "stopped": ("You stopped this answer: it is not complete.", "您已停止此回答：内容不完整。"),
    "emergency": ("Possible emergency", "可能是急症"),
    "source": ("Source", "依据"),
    "emergency_stays": (
        "This notice stays while this conversation is open, whatever the model writes.",
        "无论模型写什么，此提示在本对话中始终显示。",
    ),
    "unreachable": (
        "The model cannot be reached. Start it with `osler serve`, or give its address with --url, then choose “Ask again”. A model "
        "that this page started comes back by itself: wait a minute.",
        "无法连接模型。请用 `osler serve` 启动模型，或用 --url 指定其地址，然后点“重新回答”。由本页面启动的模型会自动恢复：请稍等一分钟。",
    ),
    "timeout": (
        "The model did not answer in time. Choose “Ask again”, or ask something shorter.",
        "模型未能及时回答。请点“重新回答”，或缩短问题。",
    ),
    "broke_off": (
        "The answer broke off: it is not complete. Choose “Ask again”.",
        "回答中断：内容不完整。请点“重新回答”。",
    ),
    "other": ("The model gave no answer.", "模型没有回答。"),
    "failed_rest": (
        "Red-flag notices and calculators work without it.",
        "急症提示和计算器不依赖模型，仍可使用。",
    ),
    "passages": ("Passages that the answer cites", "回答所引用的资料"),
    "passages_found": ("Passages found (the answer cites none of them)", "找到的资料（回答未引用）"),
    "cite": ("Open passage {number}", "打开资料 {number}"),
    "page": ("page {number}", "第 {number} 页"),
    "line": ("line {number}", "第 {number} 行"),
    "tools": ("Tools used: {names}", "使用的工具：{names}"),
    "arguments": ("Given", "输入"),
    "result": ("Result", "结果"),
    "too_long": (
        "Your message has {length} characters; at most {most} are taken.",
        "消息有 {length} 个字符，最多 {most} 个。",
    ),
    "not_kept": (
        "The conversations stored in this browser could not be read and were left out.",
        "无法读取此浏览器中保存的对话，已跳过。",
    ),
    "busy": ("An answer is under way in this tab; stop it first.", "此标签页正在回答，请先停止。"),
    "log_in": (
        "Log in with your key: its name as the username, and the key as the password.",
        "请用密钥登录：用户名为密钥名称，密码为密钥本身。",
    ),
    "revoked": (
        "Your key works no more. Ask for a new one, and log in again.",
        "您的密钥已失效。请索取新密钥并重新登录。",
    ),
}


def words(name: str, language: Language, /, **values: object) -> str:
    """A text of the chat page."""
    return chosen(WORDS, name, language, **values)
