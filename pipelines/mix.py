"""Several corpora as one, by their share of tokens.

Each source is read once and written down with the place and the tokens of its records; then records are taken in turn from the source that
is furthest behind its share, in an order of the seed's, until the mix has its tokens. A source that has too few is gone through again,
``max_repeat`` times at most; what that leaves short is reported and not hidden: the manifest has the tokens that were taken, beside those
that were wished. Holds 16 bytes a record in memory, and no text. Raises DataError.
"""

from __future__ import annotations

import itertools
import random
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.card import Census, write_card
from corpora.curate.shards import record_of
from corpora.errors import DataError
from corpora.page import percent, table
from corpora.records import Record, text_of
from pipelines import loading
from pipelines.artifact import MANIFEST, Draft, drafting
from pipelines.config import Corpus, MixSource, MixStage, resolve_model
from pipelines.data import Sources, identity, one_by_one

BATCH = 256  # records tokenized at once


class Source:
    """A source's records on disk, and where each begins and how many tokens it has."""

    def __init__(self, name: str, share: float, path: Path) -> None:
        self.name, self.share, self.path = name, share, path
        self.starts, self.lengths = array("q"), array("q")
        self.taken = self.records = 0  # tokens and records of the mix so far

    @property
    def tokens(self) -> int:
        """Tokens of the source, each record once."""
        return sum(self.lengths)

    def fill(self, stream: Iterator[Record], tokenizer: Any) -> None:
        """Writes the records down and counts them."""
        with self.path.open("wb") as out:
            for batch in iter(lambda: list(itertools.islice(stream, BATCH)), []):
                for record, ids in zip(batch, tokenizer([text_of(one) for one in batch])["input_ids"], strict=True):
                    self.starts.append(out.tell())
                    self.lengths.append(len(ids))
                    out.write(record.model_dump_json().encode() + b"\n")
        if not self.starts:
            raise DataError(f"source '{self.name}' of the mix is empty; an empty corpus cannot be used")

    def order(self, seed: int) -> Iterator[int]:
        """Places of the records, all of them before any comes again."""
        for turn in itertools.count():
            places = list(range(len(self.starts)))
            random.Random(f"{seed}/{self.name}/{turn}").shuffle(places)
            yield from places


def mix(stage: MixStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Writes the mix to ``draft`` as ``records.jsonl``, and its real counts to the manifest."""
    tokenizer = loading.load_tokenizer(model_path)
    whole = sum(source.share for source in stage.sources.values())
    found = [
        Source(name, block.share / whole, draft.checkpoints / f"{number}.jsonl")
        for number, (name, block) in enumerate(stage.sources.items())
    ]
    for source, block in zip(found, stage.sources.values(), strict=True):
        streams = [one_by_one(one, sources) for one in block.corpora]
        shown = tqdm(itertools.chain.from_iterable(streams), desc=source.name, unit="record", disable=None)
        source.fill(iter(shown), tokenizer)

    # Without a number of tokens: as many as the shares allow before any source has to be repeated.
    total = stage.tokens or int(min(source.tokens / source.share for source in found))
    limits = {source.name: min(source.share * total, stage.max_repeat * source.tokens) for source in found}
    orders = {source.name: source.order(seed) for source in found}
    open_sources = list(found)
    census = Census()
    with ExitStack() as stack:
        files = {source.name: stack.enter_context(source.path.open("rb")) for source in found}
        out = stack.enter_context((draft.folder / "records.jsonl").open("wb"))
        while open_sources:
            source = min(open_sources, key=lambda one: one.taken / one.share)
            place = next(orders[source.name])
            if source.taken and source.taken + source.lengths[place] / 2 > limits[source.name]:
                open_sources.remove(source)
                continue
            files[source.name].seek(source.starts[place])
            line = files[source.name].readline()
            out.write(line)
            census.add(record_of(line))
            source.taken += source.lengths[place]
            source.records += 1
    taken = sum(source.taken for source in found)
    draft.metrics = {
        **census.as_dict(),
        "tokens": taken,
        "wished_tokens": total,
        "mix": {
            source.name: {
                "records": source.records,
                "tokens": source.taken,
                "share": round(source.taken / taken, 4),
                "wished_share": round(source.share, 4),
                "passes": round(source.taken / source.tokens, 3),
            }
            for source in found
        },
    }
    names = [corpus.name for block in stage.sources.values() for corpus in block.corpora]
    rows = [
        [
            name,
            f"{one['records']:,}",
            f"{one['tokens']:,}",
            percent(one["share"]),
            percent(one["wished_share"]),
            f"{one['passes']:.2f}",
        ]
        for name, one in draft.metrics["mix"].items()
    ]
    head = ["source", "records", "tokens", "% of tokens", "% wished", "passes over the source"]
    shares = ["## The mix", "", f"{taken:,} tokens of {total:,} wished.", "", table(head, rows), ""]
    write_card(draft.folder, draft.folder.stem, names, draft.metrics, shares)


def mix_corpora(
    said: list[str], to: Path, tokens: int | None, max_repeat: float, seed: int, tokenizer: str, data_dir: Path | None
) -> dict[str, Any]:
    """A mix outside a recipe: of ``name=share`` each, written with its manifest to the folder ``to``; returns the counts.

    Raises:
        DataError: a share is none, a corpus is missing or named twice, or ``to`` holds something else.
    """
    shares: dict[str, float] = {}
    for word in said:
        name, _, share = word.rpartition("=")
        try:
            if not name or not float(share) > 0:
                raise ValueError
        except ValueError as error:
            raise DataError(f"'{word}' is not CORPUS=SHARE with a share above 0, as chats.jsonl=3") from error
        if name in shares:
            raise DataError(f"'{name}' is named twice; give it one share")
        shares[name] = float(share)
    if len(shares) < 2:
        raise DataError("a mix has two corpora or more; one alone needs no shares")
    if to.exists() and not (to / MANIFEST).is_file():
        raise DataError(f"{to} exists and is no mix; name a new folder with --out")
    labels = {name: f"{number:02d}-{Path(name).stem}" for number, name in enumerate(shares, start=1)}
    stage = MixStage(
        kind="mix",
        sources={labels[name]: MixSource(corpora=[Corpus(name=name)], share=share) for name, share in shares.items()},
        tokens=tokens,
        max_repeat=max_repeat,
    )
    sources = Sources(data_dir, seed, {})
    given = {"config": stage.model_dump(), "seed": seed, "tokenizer": tokenizer}
    given["corpora"] = [identity(corpus, sources) for block in stage.sources.values() for corpus in block.corpora]
    with drafting(to, "mix", given) as draft:
        mix(stage, seed, resolve_model(tokenizer), sources, draft)
    return draft.metrics
