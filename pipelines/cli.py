"""The command ``osler``. Each subcommand is thin: it reads its arguments, calls one function, and prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from corpora.cli import app as corpora
from corpora.errors import OslerError

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

app = typer.Typer(
    help="Make a medical language model from a base model, examine it, serve it, and ask it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(help="Measure Osler beside a plain loop and the libraries' defaults.", no_args_is_help=True)
app.add_typer(bench, name="bench")
app.add_typer(corpora, name="corpora")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

RecipeArgument = Annotated[
    str,
    typer.Argument(
        help="Name of a bundled recipe (`nano`, `nano-base`, `nano-real`, `nano-synthetic`) or the path of a YAML file."
    ),
]
RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", help="Folder for the artifacts and the report. Default: `runs/NAME`, after the recipe's name."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that holds the published datasets a recipe names (see corpora/catalog.yaml)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="An OpenAI-compatible server that already runs, as http://127.0.0.1:8000/v1."),
]
RECIPE = "nano"


def _run(name: str, run: Path | None, data: Path | None, kind: str | None) -> None:
    from pipelines.config import load_recipe
    from pipelines.reproduce import reproduce

    recipe = load_recipe(name)
    if kind is not None and not any(stage.kind == kind for stage in recipe.stages.values()):
        kinds = ", ".join(dict.fromkeys(stage.kind for stage in recipe.stages.values()))
        raise OslerError(f"recipe '{recipe.name}' has no stage of kind '{kind}'; it has: {kinds}")
    reproduce(recipe, run or Path("runs") / recipe.name, data, until_kind=kind)


@app.command()
def reproduce(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Run every stage of a RECIPE, serve the result, ask it, and write the report.

    Finished stages are skipped; an interrupted one goes on from its last checkpoint.

    Examples: `osler reproduce` · `osler reproduce nano-real --data ~/datasets`
    """
    _run(recipe, run, data, None)


@app.command()
def cpt(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Continue pretraining: run RECIPE up to its last `cpt` stage.

    Next-token prediction on the stage's documents; `training:` in the recipe is transformers' TrainingArguments, field for field.
    Finished stages are skipped. The model is left in `runs/NAME/cpt/model`.

    Examples: `osler cpt` · `osler cpt my-recipe.yaml --run runs/try`
    """
    _run(recipe, run, data, "cpt")


@app.command()
def sft(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Fine-tune on dialogues: run RECIPE up to its last `sft` stage.

    Loss counts on the assistant's tokens only; `training:` is TRL's SFTConfig, and `lora:` trains an adapter and merges it.

    Examples: `osler sft` · `osler sft my-recipe.yaml`
    """
    _run(recipe, run, data, "sft")


@app.command()
def prefs(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Build preference pairs from the model's own answers: run RECIPE up to its last `preferences` stage.

    Several answers to each prompt are sampled through vLLM and judged against the facts; the best and the worst are kept in
    `runs/NAME/preferences/records.jsonl`.

    Examples: `osler prefs` · `osler prefs my-recipe.yaml`
    """
    _run(recipe, run, data, "preferences")


@app.command()
def dpo(recipe: RecipeArgument = RECIPE, run: RunOption = None, data: DataOption = None) -> None:
    """Align with DPO: run RECIPE up to its last `dpo` stage.

    Trains on preference pairs with TRL's DPOTrainer; `training:` is its DPOConfig, and `lora:` is merged at the end.

    Examples: `osler dpo` · `osler dpo my-recipe.yaml`
    """
    _run(recipe, run, data, "dpo")


@corpora.command()
def stats(
    names: Annotated[list[str], typer.Argument(help="Catalogued or bundled corpora, or files of any shape.")],
    data: DataOption = None,
    tokenizer: Annotated[str, typer.Option(help="The model whose tokenizer counts.")] = "bundled:osler-nano-base",
    extend: Annotated[
        int, typer.Option(help="New tokens for which the saving of an extension is estimated; 0 for none.")
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
        int | None, typer.Option(help="Tokens of the mix. Default: as many as the shares allow without repeating.")
    ] = None,
    max_repeat: Annotated[float, typer.Option(help="Passes over a source at most, where it is too small.")] = 4.0,
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


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="A model's folder or hub id, or `bundled:osler-nano-base`.")],
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items",
            help="Exam items by catalogue name (`bundled-exam`, `medmcqa-validation`, `pubmedqa-test`); repeatable.",
        ),
    ] = None,
    letters: Annotated[
        bool, typer.Option(help="Score the letters A to D beneath a list of the options, not the options' texts.")
    ] = False,
    normalise: Annotated[
        str, typer.Option(help="none, bytes, or unconditional (see evals/score.py).")
    ] = "unconditional",
    chat: Annotated[
        bool | None,
        typer.Option(
            help="Ask in the model's chat format. Default: yes if it has a chat template and is no base model."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many items, taken by seed.")] = None,
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write every item's answer to this JSON file, for `osler compare`."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Examine MODEL: accuracy with 95% intervals, bits per byte, emergencies referred first.

    Example: `osler eval runs/nano/final/model --chat -o final.json`
    """
    from pipelines import training
    from pipelines.config import Corpus, ExamItems, ExamStage, resolve_model
    from pipelines.data import Sources
    from pipelines.exam import examine, summary
    from serving.hardware import use_processor_well

    training.quiet()
    use_processor_well()
    names = items or ["bundled-exam"]
    place = resolve_model(model)
    in_chat = chat if chat is not None else "base" not in Path(place).name
    stage = ExamStage(
        kind="exam",
        models=["model"],
        chat=["model"] if in_chat else [],
        instruction="Answer in a few words." if in_chat and not letters else "",
        items=[
            ExamItems(name=name, options="letters" if letters else "text", normalise=normalise, limit=limit)  # type: ignore[arg-type]
            for name in names
        ],
        medical=[Corpus(name="bundled-held-out")],
        general=[Corpus(name="bundled-general")],
        emergencies=[Corpus(name="bundled-emergencies")],
    )
    found = {**examine(stage, Sources(data, 0, {}), "model", place), "model": model}
    if output is not None:
        output.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    if as_json:
        print(json.dumps(summary(found), ensure_ascii=False))
        return
    shown = Table(title=model)
    for head in ("items", "part", "n", "accuracy, %", "95% interval"):
        shown.add_column(head)
    for name, result in found["items"].items():
        for part in ("all", "dialogues", "documents_only"):
            if part in result:
                score = result[part]
                interval = f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
                shown.add_row(name, part, str(score["n"]), f"{100 * score['share']:.1f}", interval)
    out.print(shown)
    for kind, value in found["bits_per_byte"].items():
        out.print(f"bits per byte, {kind} text: {value:.3f}")
    out.print(f"emergencies referred first: {100 * found['emergencies']['share']:.1f}% of {found['emergencies']['n']}")


@app.command()
def compare(
    before: Annotated[
        Path, typer.Argument(help="Answers of the first model: a JSON file of `osler eval -o` or of an exam stage.")
    ],
    after: Annotated[Path, typer.Argument(help="Answers of the second model.")],
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the items that both sat: difference and exact McNemar p.

    Example: `osler compare runs/nano/exam/sft.json runs/nano/exam/final.json`
    """
    from pipelines.exam import compare as paired

    loaded: list[dict[str, Any]] = []
    for path in (before, after):
        if not path.is_file():
            raise OslerError(f"{path}: no such file; write one with `osler eval MODEL -o {path}`")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise OslerError(f"{path}: not valid JSON: {error}") from error
        if not isinstance(found, dict) or "items" not in found:
            raise OslerError(f"{path}: no exam answers in this file; write it with `osler eval MODEL -o {path}`")
        loaded.append(found)
    result = paired(*loaded)
    if not result:
        raise OslerError(f"{before} and {after} have no items in common")
    if as_json:
        print(json.dumps(result))
        return
    for name, figures in result.items():
        p = figures["p"]
        verdict = "the difference is significant at 5%" if p < 0.05 else "no significant difference at 5%"
        out.print(
            f"{name}: {100 * figures['difference']:+.1f} points on {figures['n']} items "
            f"(won {figures['gained']}, lost {figures['lost']}), exact McNemar p = {p:.4g}: {verdict}"
        )


def _served_model(model: str | None, run: Path | None) -> str:
    """The folder of the model to serve: as given, or the one that the run's recipe serves."""
    from pipelines.config import load_recipe, resolve_model

    if model is not None:
        return resolve_model(model)
    recipe = load_recipe(RECIPE)
    assert recipe.serve is not None
    folder = (run or Path("runs") / recipe.name) / recipe.serve.model / "model"
    if not (folder / "config.json").is_file():
        raise OslerError(f"{folder}: no model yet; run `osler reproduce` first, or name a model with --model")
    return str(folder)


ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model's folder or hub id. Default: what `osler reproduce` made last."),
]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model's folder or hub id. Default: what `osler reproduce` made.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. vLLM's own door is not guarded: keep it on loopback.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve MODEL with vLLM until Ctrl-C. Any of vLLM's own flags can follow.

    Example: `osler serve runs/nano/final/model --port 8000 --max-model-len 1024`
    """
    from serving.server import serving

    flags: dict[str, Any] = {}
    words = list(context.args)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise OslerError(f"unexpected argument '{word}'; vLLM's flags start with --")
        key, _, value = word[2:].partition("=")
        flags[key] = value or (words.pop(0) if words and not words[0].startswith("--") else True)
    # A plain `kill` stops the child as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with serving(_served_model(model, None), flags=flags, host=host, port=port) as server:
        out.print(f"vLLM answers at {server.url} as model '{server.model}'. Ctrl-C stops it; its log is {server.log}")
        out.print(f'Ask it from another terminal: osler ask --url {server.url} "What is asthma?"')
        try:
            while True:
                time.sleep(0.5)
                server.check()
        except KeyboardInterrupt:
            err.print("stopping")


def _with_server(url: str | None, model: str | None, talk: Any) -> None:
    """Calls ``talk`` with the address of a running server, or of one started for it."""
    if url is not None:
        talk(url)
        return
    from serving.server import serving

    with serving(_served_model(model, None)) as server:
        talk(server.url)


def _say(pieces: Any) -> str:
    """Prints the pieces as they come and returns the whole."""
    said = ""
    for piece in pieces:
        said += piece
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return said


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    model: ModelOption = None,
    url: UrlOption = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Continue the text, as a base model does, instead of answering.")
    ] = False,
) -> None:
    """Ask one QUESTION through LangChain. Starts vLLM for it, unless --url names a server.

    Examples: `osler ask "What is asthma?"` · `osler ask --complete -m bundled:osler-nano-base "The old man"`
    """
    import openai

    from serving.assistant import NOTICE, chat_model, completion_model, stream_answer

    def talk(address: str) -> None:
        try:
            if complete:
                _say(completion_model(address).stream(question))
            else:
                _say(stream_answer(chat_model(address), question))
                err.print(f"[dim]{NOTICE}[/dim]")
        except openai.APIConnectionError as error:
            raise OslerError(
                f"{address}: no server answers there; start one with `osler serve`, or leave --url out"
            ) from error
        except openai.NotFoundError as error:
            raise OslerError(f"{address}: {error}; `osler serve` names its model 'osler'") from error

    _with_server(url, model, talk)


@app.command()
def chat(model: ModelOption = None, url: UrlOption = None) -> None:
    """Talk with the model, several turns. An empty line or Ctrl-D ends it.

    Starts vLLM and stops it at the end, unless --url names a server. The last three exchanges are remembered.

    Examples: `osler chat` · `osler chat --url http://127.0.0.1:8000/v1`
    """
    import openai
    from langchain_core.messages import BaseMessage

    from serving.assistant import NOTICE, chat_model, remember, stream_answer

    def talk(address: str) -> None:
        history: list[BaseMessage] = []
        client = chat_model(address)
        err.print(f"[dim]{NOTICE} An empty line ends the talk.[/dim]")
        while True:
            try:
                question = out.input("[bold]you:[/bold] ").strip()
            except (EOFError, KeyboardInterrupt):
                break
            if not question:
                break
            out.print("[bold]osler:[/bold] ", end="")
            try:
                answer = _say(stream_answer(client, question, history))
            except openai.APIConnectionError as error:
                raise OslerError(f"{address}: no server answers there; start one with `osler serve`") from error
            history = remember(history, question, answer)

    _with_server(url, model, talk)


@app.command()
def publish(
    stage: Annotated[str, typer.Argument(help="The stage whose model is given away.")],
    target: Annotated[Path, typer.Argument(help="Folder to write to.")],
    recipe: Annotated[str, typer.Option("--recipe", "-r", help="The recipe that made it.")] = RECIPE,
    run: RunOption = None,
) -> None:
    """Copy the model of a STAGE to TARGET with its manifest: sources, licences, tokens, losses, ten samples.

    Example: `osler publish extend my-base --recipe nano-base`
    """
    from pipelines import training
    from pipelines.config import load_recipe
    from pipelines.publish import publish as write

    training.quiet()
    loaded = load_recipe(recipe)
    out.print(str(write(loaded, run or Path("runs") / loaded.name, stage, target)))


@bench.command("train")
def bench_train(
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model's folder or `bundled:…`.")
    ] = "bundled:osler-nano-base",
    seconds: Annotated[float, typer.Option(help="Time for each measurement, after warming up.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Tokens per second of each training stage beside a plain loop and TRL's defaults, in one run.

    Examples: `osler bench train` · `osler bench train --seconds 60 --json`
    """
    from pipelines.bench import bench_train as measure
    from pipelines.config import resolve_model

    rows = measure(resolve_model(model), seconds)
    if as_json:
        print(json.dumps(rows))
        return
    shown = Table(title="training speed on this machine")
    for head in ("data", "how", "tokens/s", "beside the plain loop"):
        shown.add_column(head)
    for row in rows:
        shown.add_row(row["data"], row["how"], f"{row['tokens_per_second']:,.0f}", f"{row['ratio']:.2f}")
    out.print(shown)


def main() -> None:
    """Entry point: an error that the user can mend is one message and exit code 1, without a traceback."""
    try:
        app()
    except OslerError as error:
        err.print(f"[bold red]error:[/bold red] {error}", markup=True, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("stopped; run the same command to go on")
        sys.exit(130)


if __name__ == "__main__":
    main()
