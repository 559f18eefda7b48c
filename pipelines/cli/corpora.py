"""Commands on corpora that need a tokenizer or a model: stats, mix, synthesise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from corpora.cli import app as corpora
from pipelines.cli.options import DataOption, JsonOption, RecipeArgument, RunOption, out


@corpora.command()
def stats(
    names: Annotated[list[str], typer.Argument(help="Catalogued or bundled corpora, or files of any shape.")],
    data: DataOption = None,
    tokenizer: Annotated[str, typer.Option(help="The model whose tokenizer counts.")] = "bundled:osler-nano-base",
    extend: Annotated[
        int, typer.Option(min=0, help="New tokens for which the saving of an extension is estimated; 0 for none.")
    ] = 2000,
    as_json: JsonOption = False,
) -> None:
    """Count tokens by source, their lengths, how finely each language is cut, and what a vocabulary extension would save.

    Example: `osler corpora stats bundled-documents chats.jsonl --tokenizer Qwen/Qwen3-8B`
    """
    from pipelines.config import resolve_model
    from pipelines.corpus_stats import corpus_stats

    found = corpus_stats(names, data, resolve_model(tokenizer), extend)
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("source", "records", "characters", "tokens", "share", box=None, header_style="bold", pad_edge=False)
    for name, counts in found["sources"].items():
        share = f"{100 * counts['tokens'] / found['tokens']:.1f}%"
        table.add_row(name, *(f"{counts[key]:,}" for key in ("records", "characters", "tokens")), share)
    out.print(table)
    most = max(found["lengths"].values())
    out.print("\ntokens of a record")
    for octave, count in found["lengths"].items():
        out.print(f"{octave:>15}  {count:>9,}  {'█' * max(1, round(40 * count / most))}", markup=False)
    named = {"en": "tokens for each word of Latin script", "zh": "tokens for each Chinese character"}
    out.print()
    for language, value in found["fertility"].items():
        out.print(f"{named.get(language, language)}: {value}")
    if "extension" in found:
        saved = found["extension"]
        share = 1 - saved["tokens_after"] / max(1, saved["tokens_before"])
        out.print(
            f"{saved['new_tokens']:,} more tokens in the vocabulary would make it {100 * share:.1f}% shorter (recipe: a stage of kind extend)"
        )


@corpora.command("mix")
def mix_(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="CORPUS=SHARE of the tokens, as chats.jsonl=3 bundled-general=1; two or more.", metavar="CORPUS=SHARE"
        ),
    ],
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for the mix, its counts and its data card.")],
    tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens of the mix. Default: as many as the shares allow without repeating."),
    ] = None,
    max_repeat: Annotated[
        float, typer.Option(min=0.01, help="Passes over a source at most, where it is too small.")
    ] = 4.0,
    seed: Annotated[int, typer.Option(help="Of the order of the records.")] = 0,
    tokenizer: Annotated[str, typer.Option(help="The model whose tokenizer counts.")] = "bundled:osler-nano-base",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put corpora together by their share of tokens, and say what the shares really are.

    Writes to OUT `records.jsonl`, a manifest and `card.html`.

    Example: `osler corpora mix medical.jsonl=0.8 bundled-general=0.2 --tokens 5000000 -o mixed`
    """
    from pipelines.mix import mix_corpora

    found = mix_corpora(sources, to, tokens, max_repeat, seed, tokenizer, data)
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table(
        "source", "records", "tokens", "share", "wished", "passes", box=None, header_style="bold", pad_edge=False
    )
    for name, one in found["mix"].items():
        table.add_row(
            name,
            f"{one['records']:,}",
            f"{one['tokens']:,}",
            f"{100 * one['share']:.1f}%",
            f"{100 * one['wished_share']:.1f}%",
            f"{one['passes']:.2f}",
        )
    out.print(table)
    out.print(f"{found['tokens']:,} tokens of {found['wished_tokens']:,} wished; {to / 'records.jsonl'}")


@corpora.command()
def synthesise(
    recipe: RecipeArgument,
    stage: Annotated[
        str | None, typer.Option(help="The stage of kind `synthesise`. Default: the recipe's last one.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Count requests, tokens and cost, and send nothing.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a teacher write records: run RECIPE up to its `synthesise` stage, or only say what that would take.

    What is done is kept: the same command goes on where an interrupted run ended. See docs/synthetic.md.

    Examples: `osler corpora synthesise nano-synthetic --estimate` · `osler corpora synthesise mine.yaml --stage guidelines`
    """
    from pipelines.config import load_recipe
    from pipelines.reproduce import reproduce
    from pipelines.synthesise import estimate_stage, synthesise_stage

    loaded = load_recipe(recipe)
    folder = run or Path("runs") / loaded.name
    if estimate:
        name, found = estimate_stage(loaded, stage, folder, data)
        if as_json:
            typer.echo(json.dumps(found.as_dict()))
            return
        out.print(f"stages.{name}, from nothing done:", markup=False)
        for line in found.lines():
            out.print(f"  {line}", markup=False, soft_wrap=True)
        return
    name = synthesise_stage(loaded, stage)
    metrics = reproduce(loaded, folder, data, until_stage=name)[name].metrics
    if as_json:
        typer.echo(json.dumps(metrics))
        return
    spent = metrics["spent"]
    cost = f", cost {metrics['cost']:.4g}" if "cost" in metrics else ""
    out.print(
        f"{metrics['records']:,} records in {folder / name}/records.jsonl; {spent['requests']:,} requests, "
        f"{spent['prompt_tokens']:,} + {spent['completion_tokens']:,} tokens{cost}",
        markup=False,
        soft_wrap=True,
    )
