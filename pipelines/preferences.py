"""Preference pairs from a model's own answers, sampled through vLLM and judged against the facts.

For each prompt the best and the worst of several answers are kept, unless they are too close to each other
(``min_margin``), as in on-policy DPO. Writes ``records.jsonl``. Raises DataError when no pair is left, and ServerError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpora.errors import DataError
from corpora.records import Dialogue, Preference
from pipelines import training
from pipelines.artifact import Draft
from pipelines.config import PreferencesStage
from pipelines.data import Sources, records
from pipelines.judge import judge
from serving.sampling import Sample, sample
from serving.server import serving


def pair(dialogue: Dialogue, drawn: list[Sample], min_margin: float) -> tuple[Preference | None, list[float]]:
    """The best and the worst answer as a pair, or None when they are too close; and the score of each answer."""
    question, reference = dialogue.messages[-2].content, dialogue.messages[-1].content
    meta: dict[str, Any] = {"judge": "fact", "items": [reference], **dialogue.meta}
    scores = [judge(question, reference, one.text.strip(), one.finished, meta) for one in drawn]
    best = max(range(len(drawn)), key=scores.__getitem__)
    worst = min(range(len(drawn)), key=scores.__getitem__)
    chosen, rejected = drawn[best].text.strip(), drawn[worst].text.strip()
    if scores[best] - scores[worst] < min_margin or not chosen or not rejected:
        return None, scores
    kept = Preference(
        id=dialogue.id,
        prompt=dialogue.messages[:-1],
        chosen=chosen,
        rejected=rejected,
        source="judged samples",
        meta={"chosen_score": round(scores[best], 3), "rejected_score": round(scores[worst], 3)},
    )
    return kept, scores


def preferences(stage: PreferencesStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Writes ``records.jsonl`` of preference pairs to ``draft``."""
    tokenizer = training.load_tokenizer(model_path)
    dialogues = records([stage.prompts], sources, Dialogue)
    prompts = [
        str(
            tokenizer.apply_chat_template(
                [message.as_dict() for message in dialogue.messages[:-1]], tokenize=False, add_generation_prompt=True
            )
        )
        for dialogue in dialogues
    ]
    longest = max(len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts)
    with serving(model_path, flags={"max-model-len": longest + stage.max_tokens + 8, "seed": seed}) as server:
        samples = sample(
            server,
            prompts,
            n=stage.samples,
            max_tokens=stage.max_tokens,
            temperature=stage.temperature,
            label="preferences",
        )
        memory, started = server.peak_memory_gib, server.start_seconds
    pairs: list[Preference] = []
    scores: list[float] = []
    for dialogue, drawn in zip(dialogues, samples, strict=True):
        kept, its_scores = pair(dialogue, drawn, stage.min_margin)
        scores += its_scores
        if kept is not None:
            pairs.append(kept)
    if not pairs:
        raise DataError(
            f"none of {len(dialogues)} prompts gave two answers whose scores differ by min_margin {stage.min_margin}; "
            "raise samples or temperature, or lower min_margin"
        )
    with (draft.folder / "records.jsonl").open("w", encoding="utf-8") as stream:
        for kept in pairs:
            stream.write(kept.model_dump_json() + "\n")
    draft.metrics = {
        "prompts": len(dialogues),
        "samples": len(scores),
        "mean_score": round(sum(scores) / len(scores), 4),
        "pairs": len(pairs),
        "mean_chosen_characters": round(sum(len(kept.chosen or "") for kept in pairs) / len(pairs), 1),
        "mean_rejected_characters": round(sum(len(kept.rejected or "") for kept in pairs) / len(pairs), 1),
        "vllm_start_seconds": round(started, 1),
        "vllm_memory_gib": round(memory, 2),
        "examples": [kept.model_dump(mode="json") for kept in pairs[:3]],
    }
