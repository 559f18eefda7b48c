"""The command that examines a model: eval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.options import DataOption, JsonOption, app, out


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
