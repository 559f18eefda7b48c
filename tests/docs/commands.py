"""The commands that the documentation shows: in its fenced blocks, and within its sentences."""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from pipelines.cli import app

UsageError = typer.BadParameter.__mro__[1]  # typer has a click of its own, whose names are private

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)(`{3,})(\w*)\n(.*?)^\1\2$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(osler [^`]+)`(?!`)")
PROGRAMS = ("osler", "make", "python")
ENDS = {"|", ";", "&&", "||", "&"}
REDIRECTIONS = {"<", ">", ">>"}


@dataclass(frozen=True)
class Command:
    """One command of a page."""

    page: str
    words: tuple[str, ...]
    reads: str | None = None  # the file that its standard input comes from

    @property
    def text(self) -> str:
        """As one line."""
        return shlex.join(self.words)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def split(line: str, page: str) -> list[Command]:
    """The commands of a line of shell that are ours; comments and redirections are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found, words, reads, redirected = [], [], None, ""
    for word in [*lexer, ";"]:
        if word in ENDS:
            while words and re.match(r"[A-Z_]+=", words[0]):  # of the environment
                words.pop(0)
            if words and (words[0] in PROGRAMS or words[0].endswith("/osler")):
                found.append(Command(page, (words[0].rpartition("/")[2], *words[1:]), reads))
            words, reads, redirected = [], None, ""
        elif word in REDIRECTIONS:
            redirected = word
        elif redirected:
            reads, redirected = (word, "") if redirected == "<" else (reads, "")
        else:
            words.append(word)
    return found


def in_blocks(page: Path) -> list[Command]:
    """The commands of a page's fenced blocks of shell, and of those that name no language."""
    found = []
    for _, _, language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in ("sh", "shell", "bash", ""):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(rf"\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\S*/)?(?:{'|'.join(PROGRAMS)}) ", line):
                    found += split(line.strip().removeprefix("$ "), page.relative_to(ROOT).as_posix())
    return found


def in_sentences(page: Path) -> list[Command]:
    """The commands that a page names within a sentence; they may leave arguments out."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    name = page.relative_to(ROOT).as_posix()
    return [one for found in INLINE.findall(text) for one in split(" ".join(found.split()), name)]


@functools.cache
def _tree() -> Any:
    return typer.main.get_command(app)


def parse(words: list[str], whole: bool = True) -> list[str]:
    """Reads the words behind `osler` as the real command line does, without running anything; returns the names of the command.

    Args:
        words: behind `osler`.
        whole: whether required arguments must be there.

    Raises:
        UsageError: there is no such command or option, or an argument is missing or wrong.
    """
    command, context, names = _tree(), None, []
    # The reader's own folder of data, which has to be there.
    words = ["." if before == "--data" else word for before, word in zip(["", *words], words, strict=False)]
    while isinstance(command, TyperGroup):
        context = typer.Context(command, parent=context)
        if not words or words[0] in ("--help", "-h"):
            return names
        name, command, words = command.resolve_command(context, list(words))
        assert name is not None
        names.append(name)
    assert command is not None
    try:
        command.make_context(names[-1], list(words), parent=context)
    except typer.Exit:  # --help
        pass
    except UsageError as error:
        if whole or type(error).__name__ != "MissingParameter":
            raise
    return names
