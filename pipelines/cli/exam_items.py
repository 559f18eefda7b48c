"""The exam without a task, as ``osler eval`` has it: the bundled exam or other items by name, bits per byte and emergencies, in one JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from rich.markup import escape

from corpora.disk import writing
from pipelines.cli.options import out, table


def examine_items(
    model: str,
    names: list[str],
    *,
    letters: bool,
    normalise: str,
    chat: bool | None,
    limit: int | None,
    data: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Examines a model on items and shows the results.

    Args:
        model: a folder, a hub's id or a bundled model.
        names: of sets of exam items, catalogued or bundled.
        letters: whether the options' letters are scored beneath a list of them, and not their texts.
        normalise: what an option's log-probability is divided by, or freed of (``evals.asking.normalisation``).
        chat: whether it is asked in its chat format; None: if it has one and is no base model.
        limit: items at most of each set.
        data: folder of the catalogued ones.
        output: file of the answers.
        as_json: whether the results are shown to a program.
    """
    from corpora.bundled.wording import wordings
    from pipelines.config import Corpus, ExamItems, ExamStage, resolve_model
    from pipelines.data import Sources
    from pipelines.exam import examine, summary
    from pipelines.examiner import is_base
    from pipelines.loading import load_tokenizer

    place = resolve_model(model)
    in_chat = not is_base(model) and load_tokenizer(place).chat_template is not None if chat is None else chat
    stage = ExamStage(
        kind="exam",
        models=["model"],
        chat=["model"] if in_chat else [],
        instruction=wordings()["brief"] if in_chat and not letters else "",
        items=[
            ExamItems(name=name, options="letters" if letters else "text", normalise=normalise, limit=limit)  # type: ignore[arg-type]
            for name in names
        ],
        medical=[Corpus(name="bundled-held-out", limit=150)],
        general=[Corpus(name="bundled-general")],
        emergencies=[Corpus(name="bundled-emergencies")],
    )
    found = {**examine(stage, Sources(data, 0, {}), "model", place), "model": model}
    if output is not None:
        with writing(output) as stream:
            json.dump(found, stream, ensure_ascii=False)
    if as_json:
        print(json.dumps(summary(found), ensure_ascii=False))
        return
    shown = table(escape(model), "items", "part", "n", "accuracy, %", "95% interval")
    for name, result in found["items"].items():
        for part in ("all", "dialogues", "documents_only"):
            if part in result:
                score = result[part]
                interval = f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
                shown.add_row(escape(name), part, str(score["n"]), f"{100 * score['share']:.1f}", interval)
    out.print(shown)
    for kind, value in found["bits_per_byte"].items():
        out.print(f"bits per byte, {kind} text: {value:.3f}")
    out.print(f"emergencies referred first: {100 * found['emergencies']['share']:.1f}% of {found['emergencies']['n']}")
