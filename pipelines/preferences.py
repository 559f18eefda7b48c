"""Preference pairs from a model's own answers, sampled through vLLM, scored and paired, as in on-policy DPO.

Answers are scored by the bundled facts, by verifiers, by a reward model or by a judge (``scorers``), and paired with length control (``pairing``).
Writes ``records.jsonl`` and the report ``preferences.md`` with its pictures. Samples and a judge's scores are kept in the stage's checkpoints, so that a
run that was cut goes on. Raises DataError when no pair is left, ServerError, and what a scorer raises.
"""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

from corpora.curate.waterfall import Step
from corpora.disk import write_whole
from corpora.errors import DataError
from corpora.records import Dialogue, ExamItem, Preference
from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import PreferencesStage, Rewards, VerifierScorer
from pipelines.data import Sources, records
from pipelines.preference_data.pairing import paired
from pipelines.preference_data.report import Answers, write_preferences_report
from pipelines.preference_data.scorers import score
from pipelines.synthesis.questions import Asked, asked_of, of_dialogue, of_item
from serving.vllm.options import on_every_gpu
from serving.vllm.sampling import Sample, sample
from serving.vllm.start import serving

LAYOUT = Rewards(rewards={"right_option": 1.0})  # how items are put where the scorer does not say it


def questions(stage: PreferencesStage, sources: Sources) -> list[Asked]:
    """The stage's prompts.

    Raises:
        DataError: a corpus cannot be used, or holds a prompt that the stage's verifiers cannot judge.
    """
    items = [stage.items] if stage.items is not None else []
    prompts = [stage.prompts] if stage.prompts is not None else []
    if isinstance(stage.scorer, VerifierScorer):
        return asked_of(items, prompts, stage.scorer, sources)
    return [of_item(item, LAYOUT) for item in (records(items, sources, ExamItem) if items else [])] + [
        of_dialogue(dialogue, LAYOUT) for dialogue in (records(prompts, sources, Dialogue) if prompts else [])
    ]


def _sampled(
    stage: PreferencesStage, seed: int, model_path: str | Path, tokenizer: Any, asked: list[Asked], draft: Draft
) -> list[list[Sample]]:
    """The answers to each question: those of an interrupted run, or new ones."""
    kept = draft.checkpoints / "samples.json"
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
    else:
        prompts = [
            str(tokenizer.apply_chat_template(one.messages(), tokenize=False, add_generation_prompt=True))
            for one in asked
        ]
        longest = max(len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) for prompt in prompts)
        flags = {"max-model-len": longest + stage.max_tokens + 8, "seed": seed, **on_every_gpu(stage.vllm)}
        with serving(model_path, flags=flags) as server:
            samples = sample(
                server,
                prompts,
                n=stage.samples,
                max_tokens=stage.max_tokens,
                temperature=stage.temperature,
                top_p=stage.top_p,
                label="preferences",
            )
            figures = {
                "vllm_start_seconds": round(server.start_seconds, 1),
                "vllm_memory_gib": round(server.peak_memory_gib, 2),
            }
        drawn = [[dataclasses.astuple(one) for one in answers] for answers in samples]
        found = {"samples": drawn, "figures": figures}
        write_whole(kept, json.dumps(found, ensure_ascii=False))
    draft.metrics |= found["figures"]
    return [[Sample(*one) for one in answers] for answers in found["samples"]]


def preferences(
    stage: PreferencesStage,
    seed: int,
    model_path: str | Path,
    sources: Sources,
    draft: Draft,
    scorer_path: str | None = None,
) -> None:
    """Writes ``records.jsonl`` of preference pairs, and the report on them, to ``draft``.

    ``scorer_path`` is where the reward model is, or the judge of ours, if the stage's scorer has one.
    """
    seed += stage.round - 1
    sources = dataclasses.replace(sources, seed=sources.seed + stage.round - 1)
    tokenizer = loading.load_tokenizer(model_path)
    asked = questions(stage, sources)
    drawn = _sampled(stage, seed, model_path, tokenizer, asked, draft)
    scored = score(stage, asked, drawn, seed, scorer_path, draft)
    step = Step("prompts", received=len(asked))
    rng = random.Random(seed)
    pairs: list[Preference] = []
    answers: list[Answers] = []
    for one, its_samples, scores in zip(asked, drawn, scored.scores, strict=True):
        texts = [answer.text.strip() for answer in its_samples]
        lengths = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        places, reason = paired(texts, scores, lengths, stage.pairing, stage.min_margin, rng)
        step.kept += bool(places)
        step.dropped.update([reason] if reason else [])
        answers.append(Answers(one.kind, scores, lengths, places))
        pairs += [_pair(one, texts, scores, pair, number) for number, pair in enumerate(places)]
    if not pairs:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in step.dropped.most_common())
        raise DataError(
            f"none of {len(asked)} prompts gave a pair with min_margin {stage.min_margin} ({reasons}); raise samples or temperature, lower "
            "min_margin, or loosen pairing"
        )
    with (draft.folder / "records.jsonl").open("w", encoding="utf-8") as stream:
        for kept in pairs:
            stream.write(kept.model_dump_json() + "\n")
    figures = write_preferences_report(draft.folder, stage, answers, step, scored, pairs)
    draft.metrics |= {
        **figures,
        **scored.figures,
        "mean_chosen_characters": round(sum(len(kept.chosen or "") for kept in pairs) / len(pairs), 1),
        "mean_rejected_characters": round(sum(len(kept.rejected or "") for kept in pairs) / len(pairs), 1),
        "examples": [kept.model_dump(mode="json") for kept in pairs[:3]],
    }


def _pair(
    asked: Asked, texts: list[str], scores: list[float | None], places: tuple[int, int], number: int
) -> Preference:
    """The record of a pair; a prompt's second one and further ones have their number in the id."""
    chosen, rejected = places
    values = [value for value in (scores[chosen], scores[rejected]) if value is not None]
    return Preference(
        id=f"{asked.id}/{number + 1}" if number else asked.id,
        prompt=list(asked.prompt),
        chosen=texts[chosen],
        rejected=texts[rejected],
        source="judged samples",
        meta={"chosen_score": round(values[0], 3), "rejected_score": round(values[1], 3)},
    )
