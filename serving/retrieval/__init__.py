"""Retrieval over passages: an embedded BM25 index.

The index is SQLite's FTS5, whose ``bm25()`` is Robertson and Zaragoza's function (Foundations and Trends in Information Retrieval
3:333-389, 2009) with k1 1.2 and b 0.75. English words are stemmed by Porter's algorithm; Chinese, which has no spaces, is indexed by
pairs of characters.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, PrivateAttr

from corpora.errors import OslerError
from serving.medicine_names import with_usual_names
from serving.retrieval.bundled import bundled_passages
from serving.retrieval.documents import read_documents
from serving.retrieval.passages import Passage

PASSAGES = 4  # given to the model by default
KEPT_SCORE = 0.35  # of the best passage's score; below it a passage shares little but common words with the question
TITLE_WEIGHT = 4.0  # a heading names what its passage is about
CANDIDATES = 20  # that BM25 hands on to be ranked by title
# Words of questions, which say nothing of what is asked.
_STOP_WORDS = (
    "a an the of in on for to and or is are was were be been do does did what which who whom how why when where can "
    "could should would will with without by from at as it its this that these those i me my you your he she they we "
    "not no have has had any if than then so such about into may might must there their tell please"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())


class RetrievalError(OslerError):
    """An index or vector database that cannot be used."""


def terms(text: str) -> list[str]:
    """Words and numbers in lower case, and pairs of neighbouring Chinese characters."""
    found: list[str] = []
    for run in re.findall(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+", text.lower()):
        if re.match(r"[\u3400-\u9fff]", run):
            found += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
        else:
            found.append(run)
    return found


class PassageIndex(BaseRetriever):
    """BM25 over passages, in memory; a LangChain retriever."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    passages: list[Passage]
    k: int = PASSAGES
    _database: sqlite3.Connection = PrivateAttr()
    _lock: Any = PrivateAttr(default_factory=threading.Lock)  # LangChain's ``batch`` asks from several threads

    def model_post_init(self, context: Any, /) -> None:
        """Builds the index."""
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute("CREATE VIRTUAL TABLE pieces USING fts5(title, body, tokenize='porter unicode61')")
        self._database.executemany(
            "INSERT INTO pieces(rowid, title, body) VALUES (?, ?, ?)",
            (
                (number, " ".join(terms(passage.heading or "")), " ".join(terms(passage.text)))
                for number, passage in enumerate(self.passages)
            ),
        )

    def search(self, query: str, k: int | None = None) -> list[Passage]:
        """At most ``k`` passages, best first; none when no word of the query occurs."""
        words = list(dict.fromkeys(word for word in terms(with_usual_names(query)) if word not in STOP_WORDS))
        if not words:
            return []
        asked = " OR ".join(f'"{word}"' for word in words)
        with self._lock:
            rows = self._database.execute(
                "SELECT rowid, -bm25(pieces, ?, 1.0) AS score FROM pieces WHERE pieces MATCH ? ORDER BY score DESC, rowid LIMIT ?",
                (TITLE_WEIGHT, asked, CANDIDATES),
            ).fetchall()
        # BM25 knows the length of the whole passage, not of its title: "Asthma" must stand before "Severe asthma attack".
        ranked = sorted(
            ((score * (1 + self._titled(number, words)), number) for number, score in rows),
            key=lambda hit: (-hit[0], hit[1]),
        )
        return [self.passages[number] for score, number in ranked[: k or self.k] if score >= KEPT_SCORE * ranked[0][0]]

    def _titled(self, number: int, words: list[str]) -> float:
        """Share of the title's words that the query holds."""
        title = [word for word in terms(self.passages[number].heading or "") if word not in STOP_WORDS]
        return sum(word in words for word in title) / len(title) if title else 0.0

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [passage.document() for passage in self.search(query)]


def passage_index(folders: Iterable[str | Path] = (), bundled: bool = True, k: int = PASSAGES) -> PassageIndex:
    """An index of the bundled facts and of the user's folders.

    Raises:
        DataError: a folder or file that cannot be read.
        RetrievalError: nothing to index.
    """
    passages = list(bundled_passages()) if bundled else []
    for folder in folders:
        passages += read_documents(Path(folder))
    if not passages:
        raise RetrievalError("nothing to index: give a folder of documents, or keep the bundled facts")
    return PassageIndex(passages=passages, k=k)
