"""A vector database by URL, in place of the index that is built in."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from serving.retrieval import RetrievalError
from serving.retrieval.passages import Passage

# Scheme of the URL to the package that LangChain keeps for it.
STORES = {"qdrant": "langchain_qdrant", "chroma": "langchain_chroma"}
BATCH = 500  # passages sent at once: Chroma takes some 5,000


def vector_store(url: str, embeddings: Embeddings, passages: Sequence[Passage] = ()) -> VectorStore:
    """A vector database by URL, as ``qdrant+http://localhost:6333/medicine`` or ``chroma+http://localhost:8000/medicine``.

    Args:
        url: scheme ``qdrant+http``, ``qdrant+https``, ``chroma+http`` or ``chroma+https``; the path is the collection.
        embeddings: of the passages and the questions, as ``OpenAIEmbeddings`` on a served embedding model.
        passages: put into the collection, if any are given; each is there once, however often it is given.

    Raises:
        RetrievalError: another scheme, no collection, a package that is not installed, or a database that does not answer.
    """
    parts = urlsplit(url)
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # for messages: without the key and the password
    kind, _, scheme = parts.scheme.partition("+")
    collection = parts.path.strip("/")
    if kind not in STORES or scheme not in ("http", "https"):
        raise RetrievalError(
            f"{url}: not a vector database known here; give {' or '.join(f'{one}+http://HOST:PORT/COLLECTION' for one in STORES)}"
        )
    if not collection or parts.hostname is None:
        raise RetrievalError(f"{url}: name the host and the collection: {kind}+{scheme}://HOST:PORT/COLLECTION")
    try:
        module = importlib.import_module(STORES[kind])
    except ImportError as error:
        package = STORES[kind].replace("_", "-")
        raise RetrievalError(f"{url}: needs the package {package}; run `pip install {package}`") from error
    key = parse_qs(parts.query).get("api_key", [None])[0]
    try:
        if kind == "qdrant":
            settings: dict[str, Any] = {
                "url": f"{scheme}://{parts.netloc}",
                "collection_name": collection,
                "api_key": key,
            }
            # It makes the collection by the size of a first vector.
            make = module.QdrantVectorStore
            store = (
                make.from_documents(
                    [one.document() for one in passages[:1]], embeddings, ids=_ids(passages[:1]), **settings
                )
                if passages
                else make.from_existing_collection(embedding=embeddings, **settings)
            )
        else:
            store = module.Chroma(
                collection_name=collection,
                embedding_function=embeddings,
                host=parts.hostname,
                port=parts.port or (443 if scheme == "https" else 8000),
                ssl=scheme == "https",
            )
        each = list(dict(zip(_ids(passages), passages, strict=True)).values())  # Chroma refuses an id that stands twice
        for at in range(0, len(each), BATCH):
            some = each[at : at + BATCH]
            store.add_documents(
                [_flat(one.document()) if kind == "chroma" else one.document() for one in some], ids=_ids(some)
            )
    except Exception as error:  # each client has errors of its own
        raise RetrievalError(
            f"{parts.scheme}://{parts.hostname}: the database did not answer as expected: {error}"
        ) from error
    made: VectorStore = store
    return made


def _ids(passages: Sequence[Passage]) -> list[str]:
    """An id for each that is the same at the next time, so that nothing is there twice."""
    return [str(uuid5(NAMESPACE_URL, one.model_dump_json())) for one in passages]


def _flat(document: Document) -> Document:
    """Chroma's metadata hold neither lists nor nothing."""
    told = {
        key: "\n".join(map(str, value)) if isinstance(value, list) else value
        for key, value in document.metadata.items()
        if value is not None and value != []
    }
    return Document(page_content=document.page_content, metadata=told)
