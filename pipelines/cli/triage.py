"""The command triage: red flags in a text, without a model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, app
from pipelines.cli.texts import input_lines, json_line

NO_TEXT = "no text: give it as an argument, or one a line on standard input"


@app.command()
def triage(
    text: Annotated[
        str | None, typer.Argument(help="What the person writes. Default, and `-`: standard input, one text a line.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether TEXT, English or Chinese, tells of an emergency, and what to do first. No model is asked.

    Examples: `osler triage "Dad's face is drooping and he slurs"` · `osler triage --json < texts.txt`
    """
    from serving.triage import banner
    from serving.triage import triage as find

    text = None if text == "-" else text
    if (text is None and sys.stdin.isatty()) or (text is not None and not text.strip()):
        raise OslerError(NO_TEXT)
    told = 0
    for line in [text] if text is not None else input_lines():
        if not as_json and not line.strip():
            continue
        finding = find(line)
        if as_json:
            answer = json_line(finding.as_dict())
        else:
            answer = banner(finding) or (
                "没有发现急症信号。这不能替代医生。"
                if finding.language == "zh"
                else "No emergency found. This does not replace a doctor."
            )
            answer += "\n"
        sys.stdout.write(answer)
        sys.stdout.flush()
        told += 1
    if not told:
        raise OslerError(NO_TEXT)
