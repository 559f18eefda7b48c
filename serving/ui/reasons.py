"""What exactly went wrong with an answer, in the page's language.

Our own words are translated: the assistant's (``serving.faults.REASONS``) and the door's, which it sends with a code. What vLLM, a library or a
tool said stays as it was said.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.ui.history import Fault
from serving.ui.texts import Language

Part = tuple[str, Language]  # some words and their language

# By the names of serving.faults.REASONS.
CHINESE: Mapping[str, str] = {
    "too_long": "回答未能在长度限制内结束；请调大 max_tokens",
    "late": "未能及时收到回答；请重试，或延长等待时间",
    "key": "密钥无效；请把 api_key= 设为用 `osler keys add NAME --own-triage` 生成的密钥",
    "address": "{told}；服务器地址应以 /v1 结尾",
    "refused": "请求被拒绝（{status}）：{told}",
    "away": "无法连接模型；请用 `osler serve` 启动",
    "connection": "连接中断；请重新提问",
    "unreadable": "无法读取回答：{told}",
    "broke_off": "模型的回答中断；请重新提问",
    "empty": "模型没有给出回答",
    "retriever": "检索失败：{told}",
    "tool": "工具 {name} 出错：{told}",
}
# By the codes of the door's errors, as the page's own requests can meet them.
CHINESE_OF_CODES: Mapping[str, str] = {
    "bad_answer": "模型的回答不完整或无法读取",
    "body_too_large": "请求太大",
    "context_length_exceeded": "对话超出模型的上下文长度",
    "internal_error": "服务器出错，原因见其日志",
    "invalid_api_key": "密钥无效",
    "model_not_found": "没有这个名称的模型",
    "model_unavailable": "模型没有应答",
    "not_found": "没有这个地址",
    "over_capacity": "服务器已满负荷，请稍后再试",
    "rate_limit_exceeded": "超过了每分钟的限额，请稍后再试",
    "request_too_large": "此请求可能用去的词元超过密钥每分钟的限额",
    "timeout": "模型未能及时回答",
    "tools_not_served": "vLLM 启动时没有开启工具调用",
}


def detail(fault: Fault, language: Language) -> list[Part]:
    """What went wrong, in pieces that are each in one language; empty where nothing is known.

    The fault comes from the browser, so its names and values may be anything.
    """
    template = CHINESE.get(fault.reason)
    if language == "en" or template is None:
        return [(fault.detail, "en")] if fault.detail else []
    ours = CHINESE_OF_CODES.get(fault.values.get("code", ""))
    told: Part = (ours, "zh") if ours else (fault.values.get("told", ""), "en")
    values = {name: fault.values.get(name, "") for name in ("status", "name")}
    before, found, after = template.partition("{told}")
    parts: list[Part] = [(before.format(**values), "zh"), told if found else ("", "zh"), (after, "zh")]
    where: list[Part] = [(f"{fault.where}：", "zh")] if fault.where else []
    return [part for part in [*where, *parts] if part[0]]
