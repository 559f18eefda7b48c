"""The judge of open answers: how it is named on the command line, and the command that measures its agreement with people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, app, out
from pipelines.cli.server_options import fields_of

if TYPE_CHECKING:
    from evals.judging.judge import Judge
    from evals.open.marking import Means

AGREEMENTS = Path("runs/judges")
PANEL = "The judge of open answers"

JudgeOption = Annotated[
    str | None,
    typer.Option(
        "--judge",
        help="An OpenAI-compatible server whose model marks open answers, as http://127.0.0.1:8001/v1.",
        rich_help_panel=PANEL,
    ),
]
JudgeModelOption = Annotated[
    str | None, typer.Option("--judge-model", help="The judge's name on that server.", rich_help_panel=PANEL)
]
JudgeKeyOption = Annotated[
    str,
    typer.Option(
        "--judge-key-env", help="Environment variable that holds the key for the judge's server.", rich_help_panel=PANEL
    ),
]
JudgeConcurrencyOption = Annotated[
    int, typer.Option("--judge-concurrency", min=1, help="Requests to the judge at once.", rich_help_panel=PANEL)
]
JudgeTokensOption = Annotated[
    int,
    typer.Option(
        "--judge-max-tokens",
        min=16,
        help="Length of a verdict with its explanation; more for a judge that thinks first.",
        rich_help_panel=PANEL,
    ),
]
JudgeExtraBodyOption = Annotated[
    str | None,
    typer.Option(
        "--judge-extra-body",
        help="Further fields of each request to the judge, as JSON (see --extra-body). Named with its scores.",
        rich_help_panel=PANEL,
    ),
]
JudgeWordingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-wording",
        help="A wording of your own, as `criterion=grader.txt` with {conversation} and {criterion}; HealthBench's published one fits as it is. Repeatable.",
        rich_help_panel=PANEL,
    ),
]
AgreementsOption = Annotated[
    Path,
    typer.Option(
        "--agreements",
        help="Folder of the agreements that `osler judge-agreement` has measured.",
        rich_help_panel=PANEL,
    ),
]
SimilarityOption = Annotated[
    Path | None,
    typer.Option(
        "--similarity",
        help="Folder of a local model by whose embeddings long answers are compared with their references (BERTScore's formula).",
        rich_help_panel=PANEL,
    ),
]


def judge_of(
    *,
    url: str | None,
    model: str | None,
    key_env: str,
    concurrency: int,
    max_tokens: int,
    extra_body: str | None,
    wordings: list[str] | None,
    agreements: Path,
) -> Judge | None:
    """The judge that the command line names, with what is known of it; None where it names none.

    Raises:
        OslerError: only one of address and name is given, or a wording or a further field cannot be used.
    """
    if url is None and model is None:
        return None
    if url is None or model is None:
        raise OslerError("a judge is named by both its server and its model: --judge URL --judge-model NAME")
    from evals.judging.agreement import known
    from evals.judging.judge import Judge
    from evals.judging.prompts import worded

    fields = fields_of(extra_body, "--judge-extra-body")
    kinds = worded(wordings or [])
    judge = Judge(url, model, key_env, concurrency, max_tokens=max_tokens, kinds=kinds, extra_body=fields)
    judge.agreements = known(judge, agreements)
    return judge


def means_of(judge: Judge | None, similarity: Path | None) -> Means:
    """What open answers are marked with.

    Raises:
        OslerError: the model for the similarity cannot be loaded.
    """
    from evals.open.marking import Means

    if similarity is None:
        return Means(judge)
    from evals.text_metrics.similarity import Similarity

    return Means(judge, Similarity(similarity))


@app.command("judge-agreement")
def judge_agreement(
    file: Annotated[
        Path,
        typer.Argument(
            help="Judgements with people's labels: HealthBench's meta-evaluation, K-QA's annotated statements, or rows of your own with "
            "`question`, `answer`, `criterion` and `label`."
        ),
    ],
    judge: JudgeOption = None,
    judge_model: JudgeModelOption = None,
    judge_key_env: JudgeKeyOption = "OSLER_JUDGE_KEY",
    judge_concurrency: JudgeConcurrencyOption = 8,
    judge_max_tokens: JudgeTokensOption = 2048,
    judge_extra_body: JudgeExtraBodyOption = None,
    judge_wording: JudgeWordingOption = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="Of rows of your own: `criterion`, `entails`, `contradicts`, `harm` (1 to 5) or `reference` (1 to 4).",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first so many rows.")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the figures, where `osler eval --judge` finds them.")
    ] = AGREEMENTS,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a judge model agrees with people: macro-F1 and Cohen's kappa with intervals, and how many of its verdicts cannot be read.

    The figures go with every later score of this judge in this wording. A run that was stopped goes on when the same command is given again.

    Example: `osler judge-agreement 2025-05-07-06-14-12_oss_meta_eval.jsonl --judge http://127.0.0.1:8001/v1 --judge-model qwen3-32b`
    """
    from evals.asking.finished import Finished
    from evals.judging.agreement import measure, save
    from evals.judging.labels import labelled
    from evals.judging.prompts import KINDS

    asked = judge_of(
        url=judge,
        model=judge_model,
        key_env=judge_key_env,
        concurrency=judge_concurrency,
        max_tokens=judge_max_tokens,
        extra_body=judge_extra_body,
        wordings=judge_wording,
        agreements=output,
    )
    if asked is None:
        raise OslerError("name the judge with --judge URL --judge-model NAME")
    if kind is not None and kind not in KINDS:
        raise OslerError(f"--kind is one of {', '.join(KINDS)}, not '{kind}'")
    groups = labelled(file, kind, limit, asked.kinds)
    found, paths = [], []
    with Finished(output / ".finished.sqlite") as finished:
        for name, items in groups.items():
            found.append(measure(asked, asked.kinds[name], items, file, finished))
            paths.append(save(found[-1], output))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    shown = Table(title=f"{asked.model} against the labels of {file.name}")
    for head in ("judgement", "n", "labels", "unparsed", "macro-F1 (95%)", "kappa (95%)", "people: macro-F1, kappa"):
        shown.add_column(head, justify="left" if head == "judgement" else "right")
    for one in found:
        cells = [
            f"{one[name]['value']:.3f} ({one[name]['low']:.3f} to {one[name]['high']:.3f})"
            if one[name]
            else "undefined"
            for name in ("macro_f1", "kappa")
        ]
        people = one["humans"]
        among = f"{people['macro_f1']:.3f}, {people['kappa']:.3f}" if people and people["kappa"] is not None else "–"
        lost = one["unparsed"] + one["refused"] + one["failed"]
        shown.add_row(one["kind"], f"{one['n']:,}", f"{one['pairs']:,}", f"{lost:,}", *cells, among)
    out.print(shown)
    for path in paths:
        out.print(f"written: {path}", markup=False, soft_wrap=True)
