"""Scores of sampled answers: by the bundled facts, by verifiers, by a reward model, or by a judge behind an endpoint."""

from __future__ import annotations

import collections
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from tqdm import tqdm

from corpora.adapters.documents import script
from corpora.records import Message
from evals.reading.replies import strip_thinking
from pipelines.artifact import Draft
from pipelines.config import JudgeScorer, PreferencesStage, RewardScorer, VerifierScorer
from pipelines.preference_data.facts import judge
from pipelines.synthesis.asking import ask_all
from pipelines.synthesis.estimate import Estimate
from pipelines.synthesis.journal import Journal
from pipelines.synthesis.prompting import load_prompts
from pipelines.synthesis.questions import Asked, reward
from pipelines.synthesis.teacher import Failed, Spent, Teacher
from pipelines.synthesis.token_counts import token_counter
from serving.vllm.sampling import Sample

console = Console(stderr=True, highlight=False)

Drawn = Sequence[Sequence[Sample]]  # the answers to each question


@dataclass
class Scored:
    """The score of each answer to each question, None where there is none, and what is told of the scoring."""

    scores: list[list[float | None]]
    unscored: collections.Counter[str] = field(
        default_factory=collections.Counter
    )  # answers without a score, by reason
    figures: dict[str, Any] = field(default_factory=dict)


def by_facts(asked: Asked, answer: Sample) -> float:
    """See ``judge``."""
    return judge(asked.prompt[-1].content, asked.reference, answer.text.strip(), answer.finished, asked.meta)


def score(
    stage: PreferencesStage, asked: Sequence[Asked], drawn: Drawn, seed: int, scorer_path: str | None, draft: Draft
) -> Scored:
    """Every answer's score, by the stage's scorer.

    Args:
        stage: its scorer and that scorer's settings.
        asked: the questions.
        drawn: the answers to each.
        seed: of a judge's replies.
        scorer_path: where the reward model is, or the judge that our own vLLM is started for.
        draft: the stage's folder; a judge's journal is in its checkpoints, so that a run that was cut goes on.

    Raises:
        OslerError: the reward model cannot be read, or the judge cannot be asked (see ``asking.ask_all``).
    """
    scorer = stage.scorer
    if isinstance(scorer, JudgeScorer):
        return _by_judge(scorer, asked, drawn, seed, scorer_path, draft)
    if isinstance(scorer, RewardScorer):
        assert scorer_path is not None
        return _by_reward(scorer, asked, drawn, scorer_path)
    if isinstance(scorer, VerifierScorer):
        return Scored(
            [[reward(one, answer.text, scorer) for answer in answers] for one, answers in _pairs(asked, drawn)]
        )
    return Scored([[by_facts(one, answer) for answer in answers] for one, answers in _pairs(asked, drawn)])


def _pairs(asked: Sequence[Asked], drawn: Drawn) -> Iterator[tuple[Asked, Sequence[Sample]]]:
    return zip(asked, drawn, strict=True)


def _by_reward(scorer: RewardScorer, asked: Sequence[Asked], drawn: Drawn, place: str) -> Scored:
    from pipelines.reward import score_answers

    told = [(n, m, one.text.strip()) for n, answers in enumerate(drawn) for m, one in enumerate(answers)]
    said = [(n, m, text) for n, m, text in told if text]
    conversations = [[*asked[n].prompt, Message(role="assistant", content=text)] for n, _, text in said]
    found = Scored([[None] * len(answers) for answers in drawn], collections.Counter())
    for (n, m, _), value in zip(said, score_answers(place, conversations, scorer.batch), strict=True):
        found.scores[n][m] = value
    if len(told) > len(said):
        found.unscored["empty answer"] = len(told) - len(said)
    return found


_SCORE = re.compile(r"(?:score|评分)\s{0,4}[:：]\s{0,4}(10|[1-9])(?:\s{0,4}/\s{0,4}10)?分?[.。]?", re.IGNORECASE)
_BEGINS = re.compile(r"(?:score|评分)\s{0,4}[:：]", re.IGNORECASE)


def stated_score(reply: str) -> int | None:
    """The whole number from 1 to 10 of the reply's last line, "Score: 7" or "评分：7", bold or not; None for anything else, as two such lines."""
    text = strip_thinking(reply)
    lines = [line for raw in text.splitlines() if (line := raw.replace("**", "").strip(" \t*"))]
    match = _SCORE.fullmatch(lines[-1]) if lines else None
    return int(match[1]) if match and sum(bool(_BEGINS.match(line)) for line in lines) == 1 else None


@dataclass(frozen=True)
class _Work:
    key: str
    prompt: str


def _works(scorer: JudgeScorer, asked: Sequence[Asked], drawn: Drawn) -> list[list[_Work | None]]:
    """What the judge is asked of each answer, None for an empty one. Two answers that are alike are one thing to ask."""
    prompts = load_prompts(scorer)
    found: list[list[_Work | None]] = []
    for number, (one, answers) in enumerate(_pairs(asked, drawn)):
        question = "\n\n".join(message.content for message in one.prompt)
        reference = one.reference if scorer.with_reference else ""
        values = {"question": question, "reference": reference, "criteria": scorer.criteria}
        prompt = prompts[f"score.{script(question)}"]
        works: list[_Work | None] = []
        for text in (answer.text.strip() for answer in answers):
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            works.append(_Work(f"{number}/{digest}", prompt.render(**values, answer=text)) if text else None)
        found.append(works)
    return found


def _by_judge(
    scorer: JudgeScorer, asked: Sequence[Asked], drawn: Drawn, seed: int, model: str | None, draft: Draft
) -> Scored:
    with closing(Journal(draft.checkpoints / "judge.jsonl")) as journal:
        return _judged(scorer, asked, drawn, seed, model, journal)


def _judged(
    scorer: JudgeScorer, asked: Sequence[Asked], drawn: Drawn, seed: int, model: str | None, journal: Journal
) -> Scored:
    journal.forget_failed()
    before = journal.spent.requests
    works = _works(scorer, asked, drawn)
    wanted = {work.key: work for row in works for work in row if work is not None}
    expected = _expected(scorer, list(wanted.values()), journal, model)
    console.print(f"judge: {scorer.teacher.name or scorer.teacher.model}", markup=False)
    for told in expected.lines():
        console.print(f"  {told}", markup=False, soft_wrap=True)
    expected.check()

    async def make(teacher: Teacher, work: _Work) -> dict[str, Any]:
        spent, tries, said, value = Spent(), 0, "", None
        line: dict[str, Any] = {"key": work.key}
        try:
            while value is None and tries < scorer.max_tries:
                tries += 1
                drawn_seed = hashlib.sha256(f"{seed}/{work.key}/{tries}".encode()).digest()
                reply = await teacher.ask(work.prompt, int.from_bytes(drawn_seed[:4], "big") >> 1, spent)
                said, value = reply.text, None if reply.cut else stated_score(reply.text)
            line |= {"outcome": "dropped", "reason": "no score in the reply", "said": said[-500:]}
            if value is not None:
                line = {"key": work.key, "outcome": "kept", "score": value, "said": said[-500:]}
        except Failed as failure:
            line |= {"outcome": "failed", "reason": f"endpoint: {failure.reason}", "said": teacher.told(failure)}
        return {**line, "tries": tries, "spent": spent.as_dict()}

    spent, figures = journal.spent, dict[str, Any]()
    pending = (work for key, work in wanted.items() if key not in journal)
    if expected.wished > expected.done:
        with tqdm(total=expected.wished, initial=expected.done, desc="judge", unit="answer", dynamic_ncols=True) as bar:

            def show(line: dict[str, Any], spent: Spent) -> None:
                bar.set_postfix_str(f"{spent.prompt_tokens + spent.completion_tokens:,} tokens", refresh=False)
                bar.update()

            spent, figures = ask_all(expected, model, seed, journal, pending, make, show)
    found = Scored([], collections.Counter(), {f"judge_{name}": value for name, value in figures.items()})
    for row in works:
        lines: list[dict[str, Any]] = [journal.read(work.key) if work else {"reason": "empty answer"} for work in row]
        found.scores.append([line.get("score") for line in lines])
        found.unscored.update(line["reason"] for line in lines if "score" not in line)
    found.figures |= {
        "judge": scorer.teacher.name or scorer.teacher.model,
        "spent": spent.as_dict(),
        "requests_of_this_run": spent.requests - before,
    }
    if scorer.teacher.price_per_million is not None:
        found.figures["cost"] = round(spent.cost(scorer.teacher.price_per_million), 6)
    return found


def _expected(scorer: JudgeScorer, works: list[_Work], journal: Journal, model: str | None) -> Estimate:
    count, how = token_counter(model)
    found = Estimate(scorer, how, wished=len(works), done=sum(work.key in journal for work in works))
    for work in (work for work in works if work.key not in journal):
        tokens = count(work.prompt)
        found.requests += 1
        found.prompt_tokens += tokens
        found.most_prompt_tokens += tokens
        found.largest = max(found.largest, tokens + scorer.teacher.max_tokens)
    return found
