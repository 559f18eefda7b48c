"""Passages are found, and each says where it stands so that a reader can go there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from corpora.bundled.knowledge import KNOWLEDGE_DIR, load_knowledge
from corpora.errors import DataError
from serving.addresses import free_port, port_in_use
from serving.retrieval import RetrievalError, passage_index, terms
from serving.retrieval.bundled import bundled_passages
from serving.retrieval.documents import PASSAGE_CHARACTERS, read_documents
from serving.retrieval.passages import Passage
from serving.retrieval.vector_store import vector_store

GUIDE = """# Ward guide

Opening words on the ward.

## Fever

Check the temperature every four hours.
Call the doctor above 39.

## 咳嗽

咳嗽超过三周的病人应当拍胸片。
"""


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    folder = tmp_path / "ward"
    (folder / "deep").mkdir(parents=True)
    (folder / "guide.md").write_text(GUIDE, encoding="utf-8")
    (folder / "deep" / "long.txt").write_bytes(("\ufeff" + "Zebras live far away. " * 300).encode())
    (folder / "phones.csv").write_text('who,phone\n"Dr Quill, ""ENT""",11\n\n"Pharmacy\nnight",22\n', encoding="utf-8")
    (folder / "notes.jsonl").write_text(json.dumps({"note": "Oximeter is in drawer seven"}) + "\n", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def test_a_passage_is_the_slice_of_the_file_that_its_citation_names(ward: Path) -> None:
    passages = read_documents(ward)
    for one in passages:
        whole = (ward / one.file).read_bytes().decode("utf-8").removeprefix("\ufeff")
        assert one.line == whole.count("\n", 0, one.start) + 1
        assert len(one.text) <= PASSAGE_CHARACTERS
        if not one.file.endswith(".csv"):
            assert whole[one.start : one.end] == one.text
    zebras = "".join(one.text for one in passages if one.file == "deep/long.txt")
    assert zebras == ("Zebras live far away. " * 300).strip()


def test_headings_rows_and_lines_are_cited(ward: Path) -> None:
    index = passage_index([ward], bundled=False)
    assert index.search("How often is fever measured?")[0].place() == 'guide.md, "Fever", line 5'
    assert index.search("咳嗽三周怎么办")[0].place() == 'guide.md, "咳嗽", line 10'
    assert index.search("phone of Quill")[0].place() == 'phones.csv, "Dr Quill, "ENT"", line 2'
    assert index.search("pharmacy at night")[0].text == "who: Pharmacy\nnight; phone: 22"
    assert index.search("Where is the oximeter?")[0].place() == "notes.jsonl, line 1"


def test_nothing_is_found_where_no_word_matches(ward: Path) -> None:
    index = passage_index([ward], bundled=False)
    assert index.search("quantum chromodynamics") == []
    assert index.search("what is the of") == []
    assert index.search('"; DROP TABLE pieces; -- NEAR( * ^') == []


def test_every_entry_of_the_bundled_facts_is_found_by_its_name_and_points_into_its_file() -> None:
    knowledge = load_knowledge()
    kinds = (knowledge.conditions, knowledge.medicines, knowledge.laboratory_tests, knowledge.emergencies)
    assert len(bundled_passages()) == sum(map(len, kinds))
    index = passage_index()
    for one in bundled_passages():
        entry = (KNOWLEDGE_DIR / one.file.removeprefix("knowledge/")).read_text(encoding="utf-8")[one.start : one.end]
        assert one.heading is not None
        assert f"name: {one.heading}" in entry.replace("'", "")
        assert entry.count("- id:") == 1
        assert one.sources
        assert index.search(f"What is {one.heading.lower()}?")[0].heading == one.heading


def test_it_is_a_langchain_retriever_that_threads_may_share() -> None:
    index = passage_index()
    document = index.invoke("asthma")[0]
    assert Passage.from_document(document).heading == "Asthma"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: index.search("asthma")[0].heading, range(64)))
    assert set(found) == {"Asthma"}


def test_chinese_is_indexed_by_pairs_of_characters() -> None:
    assert terms("高血压 HbA1c, 7.5%") == ["高血", "血压", "hba1c", "7", "5"]


def test_a_row_ends_where_its_format_says_and_not_at_every_sign_for_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"note": "gout\u2028and scurvy"}\n{"note": "rickets\x85"}\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text(
        f"who,what\nQuill,ear\u2028nose\nReed,{'x' * 200_000}\nSage,bone\n", encoding="utf-8"
    )
    found = {one.place(): one for one in read_documents(tmp_path)}
    assert list(found) == [
        "a.jsonl, line 1",
        "a.jsonl, line 2",
        'b.csv, "Quill", line 2',
        'b.csv, "Reed", line 3',
        'b.csv, "Sage", line 4',
    ]
    for place, one in found.items():
        whole = (tmp_path / one.file).read_text(encoding="utf-8")
        assert whole[one.start : one.end] in whole.split("\n"), place


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"caf\xe9", "a.txt: byte 3 is not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"b"\n', "a.jsonl, line 2: not JSON"),
        ("a.png", b"x", "no text found here"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_documents(tmp_path)
    assert words in str(caught.value)


def test_a_pdf_is_cited_by_its_page_or_asks_for_the_package(tmp_path: Path) -> None:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with PdfPages(tmp_path / "a.pdf") as pages:
        for words in ("First page on gout", "Second page on scurvy"):
            figure = Figure()
            figure.text(0.1, 0.5, words)
            pages.savefig(figure)
    try:
        import pypdf  # noqa: F401
    except ImportError:
        with pytest.raises(DataError, match="needs pypdf; run `pip install pypdf`"):
            read_documents(tmp_path)
        return
    assert passage_index([tmp_path], bundled=False).search("scurvy")[0].place() == "a.pdf, page 2"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://localhost:6333/medicine", "not a vector database known here"),
        ("qdrant+http://localhost:6333", "name the host and the collection"),
        ("qdrant+http://127.0.0.1:9/medicine", "pip install langchain-qdrant|did not answer"),
        ("chroma+http://127.0.0.1:9/medicine", "pip install langchain-chroma|did not answer"),
    ],
)
def test_a_vector_database_that_cannot_be_used_says_what_to_do(url: str, words: str) -> None:
    with pytest.raises(RetrievalError, match=words) as told:
        vector_store(url.replace("://", "://me:hidden@") + "?api_key=secret", DeterministicFakeEmbedding(size=8))
    assert "hidden" not in str(told.value)
    assert "secret" not in str(told.value)


def test_a_passage_that_is_given_twice_is_put_into_chroma_once(ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chroma refuses a call in which an id stands twice."""
    kept: list[str] = []

    class Chroma:
        def __init__(self, **_: object) -> None: ...

        def add_documents(self, documents: list[Document], ids: list[str]) -> None:
            assert len(ids) == len(documents) == len(set(ids))
            kept.extend(ids)

    monkeypatch.setitem(sys.modules, "langchain_chroma", SimpleNamespace(Chroma=Chroma))
    passages = read_documents(ward)
    vector_store("chroma+http://127.0.0.1:9/ward", DeterministicFakeEmbedding(size=8), [*passages, *passages])
    assert len(set(kept)) == len(kept) == len(passages)


def test_another_retrievers_metadata_are_taken_as_far_as_they_go() -> None:
    """A page "iv", a line of another kind: what they say is left out, and the passage is not."""
    odd = Document(page_content="Zinc.", metadata={"source": "a.pdf", "page": "iv", "line": [1, 2], "heading": "Fever"})
    found = Passage.from_document(odd)
    assert (found.file, found.page, found.line, found.heading, found.end) == ("a.pdf", None, None, "Fever", 5)


@pytest.mark.slow
def test_a_chroma_server_keeps_each_passage_once_with_its_place_and_sources(ward: Path, tmp_path: Path) -> None:
    """Needs `pip install langchain-chroma`, in an environment that has Osler too."""
    pytest.importorskip("langchain_chroma")
    port = free_port()
    command = [sys.executable, "-c", "from chromadb.cli.cli import app; app()", "run", "--path", str(tmp_path / "db")]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log)
    url = f"chroma+http://127.0.0.1:{port}/ward"
    passages = [*read_documents(ward), *bundled_passages()[:600]]
    embeddings = DeterministicFakeEmbedding(size=8)  # alike only for the same text
    try:
        until = time.monotonic() + 60
        while not port_in_use("127.0.0.1", port):
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        for _ in range(2):
            vector_store(url, embeddings, passages)
        sought = passages[-1]
        found = [
            Passage.from_document(one) for one in vector_store(url, embeddings).similarity_search(sought.text, k=2)
        ]
    finally:
        server.terminate()
        server.wait()
    assert found[0] == sought
    assert found[0].sources
    assert found[1] != sought


def test_a_long_document_is_read_in_time_and_cited_by_its_lines(tmp_path: Path) -> None:
    paragraph = "Call the doctor above 39 degrees. " * 25 + "\n\n"
    (tmp_path / "book.txt").write_text(paragraph * 8000, encoding="utf-8")  # 7 MB
    began = time.monotonic()
    passages = read_documents(tmp_path)
    assert time.monotonic() - began < 6  # counted from the top for each passage, the lines alone took 12
    assert [one.line for one in passages] == list(range(1, 16001, 2))
