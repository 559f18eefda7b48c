"""Token files hold what tokenizing directly gives, each document once, whoever made them; what is damaged is refused."""

import collections
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

import corpora.token_files
from corpora.bundled.render import render
from corpora.curate.executor import Scale
from corpora.curate.shards import split
from corpora.errors import DataError
from corpora.records import Document
from corpora.token_files import MANIFEST, ShardTokenizer, read_manifest, verify, write_tokens

DOCUMENTS = [one for one in render("bundled-documents", seed=1) if isinstance(one, Document)][:120]
DOCUMENTS += [Document(id=f"notes/{n}", text=f"A note on número {n}: 心电图。") for n in range(41)]
SHARDS = 3


@pytest.fixture(scope="module")
def tokenizer():
    from pipelines import loading
    from pipelines.config import MODELS

    return loading.load_tokenizer(MODELS / "osler-nano-base")


def made(folder: Path, tokenizer, workers: int = 1, seed: int = 7) -> Path:
    texts = folder / "texts"
    if not texts.exists():
        split(DOCUMENTS, texts, SHARDS)
    scale = Scale(shards=SHARDS, options={"workers": workers})
    return write_tokens(texts, folder, tokenizer, ["CC0"], seed, scale)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    return made(tmp_path_factory.mktemp("tokens") / "one", tokenizer)


def documents_of(folder: Path, file: str, dtype: np.dtype) -> list[tuple[int, ...]]:
    tokens = np.fromfile(folder / file, dtype)
    ends = np.fromfile(folder / f"{file}.index", "<u8").astype(int)
    assert ends[-1] == len(tokens)
    return [tuple(map(int, part)) for part in np.split(tokens, ends[:-1])]


def direct(tokenizer, document: Document) -> tuple[int, ...]:
    return (*tokenizer(document.text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_ids_are_those_of_tokenizing_directly_and_each_document_is_there_once(folder: Path, tokenizer):
    manifest = read_manifest(folder)
    verify(folder, manifest)
    expected = [direct(tokenizer, one) for one in DOCUMENTS]
    found = [ids for shard in manifest.shards for ids in documents_of(folder, shard.file, manifest.numpy_dtype)]
    assert collections.Counter(found) == collections.Counter(expected)
    assert found[: len(expected)] != expected  # they are shuffled
    assert manifest.documents == len(DOCUMENTS)
    assert manifest.tokens == sum(map(len, expected)) == sum(shard.tokens for shard in manifest.shards)
    assert manifest.eos_token_id == tokenizer.eos_token_id
    for source in ("documents", "notes"):
        own = [ids for one, ids in zip(DOCUMENTS, expected, strict=True) if one.id.startswith(source)]
        assert manifest.sources[source].documents == len(own)
        assert manifest.sources[source].tokens == sum(map(len, own))
        assert manifest.sources[source].tokens == sum(shard.sources[source].tokens for shard in manifest.shards)


def test_what_a_caller_of_the_tokenizer_chooses_is_not_in_the_files(folder: Path, tokenizer, tmp_path: Path):
    # A tokenizer.json can carry a length limit, which would cut every document in silence.
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=5)
    try:
        assert contents(made(tmp_path / "two", tokenizer)) == contents(folder)
    finally:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()


def test_two_workers_give_the_bytes_of_one_and_another_seed_another_order(folder: Path, tokenizer, tmp_path: Path):
    assert contents(made(tmp_path / "two", tokenizer, workers=2)) == contents(folder)
    other = made(tmp_path / "other", tokenizer, seed=8)
    first = read_manifest(folder).shards[0].file
    assert (other / first).read_bytes() != (folder / first).read_bytes()
    assert (other / first).stat().st_size == (folder / first).stat().st_size


class Killed(ShardTokenizer):
    """Notes each shard that is begun; the worker of the second is killed after it has written some of it, the first time."""

    def write_unshuffled(self, data, filename):
        begun = Path(self.output_folder.resolve_paths("")).parent / "begun"
        with begun.open("a") as notes:
            notes.write(filename[:5] + "\n")
        if begun.read_text().split().count("00001") == 1 and filename.startswith("00001"):
            super().write_unshuffled([document for document, _ in zip(data, range(9), strict=False)], filename)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write_unshuffled(data, filename)


def test_a_worker_that_is_killed_costs_one_shard(
    folder: Path, tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corpora.token_files, "ShardTokenizer", Killed)
    assert contents(made(tmp_path / "two", tokenizer, workers=2)) == contents(folder)
    assert sorted((tmp_path / "two" / "begun").read_text().split()) == ["00000", "00001", "00001", "00002"]


def test_shards_that_are_done_are_not_written_again(folder: Path, tokenizer, tmp_path: Path):
    made(tmp_path / "two", tokenizer)
    files = {path.name: path for path in (tmp_path / "two" / "tokens").glob("*.ds*")}
    before = {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in files.items()}
    (tmp_path / "two" / "logs" / "tokenize" / "completions" / "00001").unlink()  # as if it had been cut off
    assert contents(made(tmp_path / "two", tokenizer)) == contents(folder)
    again = {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in files.items()}
    assert {name for name in files if again[name] != before[name]} == {name for name in files if name[:5] == "00001"}


@pytest.mark.parametrize(("size", "dtype"), [(65_536, "uint16"), (65_537, "uint32")])
def test_a_token_has_two_bytes_where_every_id_fits_into_them(tmp_path: Path, size: int, dtype: str):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    # The words of the vocabulary are numbered, and the last of them ends a text.
    words = Tokenizer(WordLevel({f"w{n}": n for n in range(size)}, unk_token="w0"))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=f"w{size - 1}")
    split([Document(id="one", text="w1 w255 w65535")], tmp_path / "texts", 1)
    folder = write_tokens(tmp_path / "texts", tmp_path, tokenizer, [], 0, Scale(shards=1))
    manifest = read_manifest(folder)
    assert manifest.dtype == dtype
    assert documents_of(folder, manifest.shards[0].file, np.dtype(dtype)) == [(1, 255, 65_535, size - 1)]


def test_what_is_damaged_is_named(folder: Path, tmp_path: Path):
    def copy() -> tuple[Path, Path]:
        place = tmp_path / "copy"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
        return place, place / read_manifest(place).shards[1].file

    place, file = copy()
    whole = file.read_bytes()
    file.write_bytes(whole[:-2])
    with pytest.raises(
        DataError, match=rf"{file.name}: {len(whole) - 2:,} bytes where the manifest says {len(whole):,}"
    ):
        read_manifest(place)
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DataError, match=rf"{file.name}: damaged \(its SHA-256 is not the manifest's\)"):
        verify(place, read_manifest(place))
    file.unlink()
    with pytest.raises(DataError, match=rf"{file.name}: missing"):
        read_manifest(place)
    place, _ = copy()
    (place / MANIFEST).write_text((place / MANIFEST).read_text()[:-40])
    with pytest.raises(DataError, match=rf"{MANIFEST}: damaged"):
        read_manifest(place)
    (place / MANIFEST).unlink()
    with pytest.raises(DataError, match="made by a stage of kind tokenize"):
        read_manifest(place)
