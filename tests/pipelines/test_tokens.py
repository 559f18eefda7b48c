"""Training from token files is training from memory, goes on at any step with the same bytes, and holds no corpus."""

import collections
import json
import pickle
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import default_data_collator

from corpora.bundled.render import render
from corpora.curate.executor import Scale
from corpora.errors import DataError
from corpora.records import Document
from corpora.token_files import read_manifest
from pipelines import loading, training
from pipelines.artifact import Artifact, Draft
from pipelines.config import MODELS, Corpus, CptStage, RecipeError, TokenizeStage, load_recipe
from pipelines.cpt import cpt
from pipelines.data import Sources
from pipelines.reproduce import reproduce
from pipelines.tokens import Windows, tokenize, windows
from pipelines.training.checkpoint import newest_whole
from tests.pipelines.drafts import fresh

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "tests" / "recipes" / "tokens.yaml"
LENGTH = 32
TEXTS = [one.text for one in render("bundled-documents", seed=1) if isinstance(one, Document)][:30]


@pytest.fixture(autouse=True)
def _threads() -> None:
    """So small a model is trained no slower by one, and on a busy machine two wait for each other."""
    torch.set_num_threads(1)


def written(path: Path, texts: list[str]) -> Path:
    path.write_text("\n".join(json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts)))
    return path


def artifact(folder: Path, corpus: Path, model: Path, shards: int = 4, **more) -> Artifact:
    """A finished tokenize stage."""
    draft = fresh(folder)
    stage = TokenizeStage(kind="tokenize", corpora=[Corpus(name=str(corpus))], scale=Scale(shards=shards), **more)
    tokenize(stage, 3, model, Sources(None, 3, {}), draft)
    return Artifact(folder, {"metrics": draft.metrics, "files": {}})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("made")
    return artifact(
        folder / "tokens", written(folder / "texts.jsonl", TEXTS), MODELS / "osler-nano-base", shards=3, held_out=0.1
    )


def stage(**given) -> CptStage:
    block = {
        "max_steps": 6,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.001,
        "logging_steps": 1,
        "save_steps": 2,
        "bf16": False,
    } | given.pop("training", {})
    return CptStage(kind="cpt", model="base", sequence_length=LENGTH, **({"tokens": "tokens"} | given), training=block)


def weights(draft: Draft) -> dict[str, torch.Tensor]:
    return load_file(draft.folder / "model" / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_windows_cover_every_token_once_but_for_the_end_of_each_shard(made: Artifact):
    tokenizer = loading.load_tokenizer(MODELS / "osler-nano-base")
    found, _, told = windows(made.folder, tokenizer, LENGTH)
    manifest = read_manifest(made.folder / "tokens")
    expected: collections.Counter[tuple[int, ...]] = collections.Counter()
    for shard in manifest.shards:
        tokens = np.fromfile(made.folder / "tokens" / shard.file, manifest.numpy_dtype)
        expected.update(tuple(map(int, row)) for row in tokens[: len(tokens) // LENGTH * LENGTH].reshape(-1, LENGTH))
    assert len(manifest.shards) == 3
    assert collections.Counter(tuple(found[n]["input_ids"].tolist()) for n in range(len(found))) == expected
    assert len(found) * LENGTH + told["dropped_tokens"] == manifest.tokens
    row = found[0]
    assert row["input_ids"].dtype == torch.int64
    assert torch.equal(row["input_ids"], row["labels"])
    with pytest.raises(IndexError):
        found[len(found)]


def test_worker_processes_read_what_one_reads(made: Artifact):
    found = Windows(made.folder / "tokens", read_manifest(made.folder / "tokens"), LENGTH)
    alone = [batch["input_ids"] for batch in DataLoader(found, 8, collate_fn=default_data_collator)]
    assert len(pickle.dumps(found)) < 2000  # its maps, open by now, stay behind
    loader = DataLoader(found, 8, collate_fn=default_data_collator, num_workers=2)
    assert all(torch.equal(a, b["input_ids"]) for a, b in zip(alone, loader, strict=True))
    again = pickle.loads(pickle.dumps(found))  # as a process that is not forked gets it
    assert all(torch.equal(again[n]["input_ids"], found[n]["input_ids"]) for n in range(len(found)))


def test_the_losses_are_those_of_training_from_memory(tiny_model: Path, tmp_path: Path):
    single = artifact(tmp_path / "tokens", written(tmp_path / "texts.jsonl", TEXTS), tiny_model, shards=1)
    file = single.folder / "tokens" / read_manifest(single.folder / "tokens").shards[0].file
    tokenizer = loading.load_tokenizer(tiny_model)
    ends = np.fromfile(f"{file}.index", "<u8").astype(int)
    order = [tuple(part) for part in np.split(np.fromfile(file, "<u2"), ends[:-1])]
    text_of = {(*tokenizer(text)["input_ids"], tokenizer.eos_token_id): text for text in TEXTS}
    # The stage shuffles documents in memory: they are laid down so that this shuffle leads to the order of the file.
    places = list(range(len(order)))
    random.Random(3).shuffle(places)
    laid = [""] * len(order)
    for place, ids in zip(places, order, strict=True):
        laid[place] = text_of[ids]
    drafts = [fresh(tmp_path / name) for name in ("memory", "files")]
    corpora = [Corpus(name=str(written(tmp_path / "laid.jsonl", laid)))]
    cpt(stage(tokens=None, corpora=corpora), 3, tiny_model, Sources(None, 3, {}), drafts[0])
    cpt(stage(), 3, tiny_model, Sources(None, 3, {"tokens": single}), drafts[1])
    assert drafts[0].metrics["losses"] == drafts[1].metrics["losses"]
    assert drafts[0].metrics["blocks"] == drafts[1].metrics["blocks"]
    assert same(weights(drafts[0]), weights(drafts[1]))


class Stop(Exception):
    """Ends a run as a cut would."""


def cut_at(monkeypatch: pytest.MonkeyPatch, steps: list[int], end) -> None:
    """Ends the run after the next of ``steps``."""
    original = training.Progress.on_step_end

    def on_step_end(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if steps and state.global_step == steps[0]:
            steps.pop(0)
            end()

    monkeypatch.setattr(training.Progress, "on_step_end", on_step_end)


def stop() -> None:
    raise Stop


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The windows in the order in which they are read."""
    seen: list[int] = []
    original = Windows.__getitem__

    def getitem(self, index):
        seen.append(index)
        return original(self, index)

    monkeypatch.setattr(Windows, "__getitem__", getitem)
    return seen


def test_a_run_that_was_cut_twice_goes_on_in_the_same_order_to_the_same_bytes(
    tiny_model: Path, made: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[int]
):
    sources = Sources(None, 3, {"tokens": made})
    # One and a half passes, checkpoints at every third step: neither they nor the cuts fall on the end of a pass.
    block = {"per_device_train_batch_size": 16, "num_train_epochs": 1.5, "max_steps": -1, "save_steps": 3}
    whole, cut = fresh(tmp_path / "whole"), fresh(tmp_path / "cut")
    cpt(stage(training=block), 3, tiny_model, sources, whole)
    uninterrupted = list(read)
    steps = whole.metrics["steps"]
    per_pass = -(-whole.metrics["blocks"] // 16)
    assert steps > per_pass > 5
    cuts = [5, per_pass + 2]
    assert all((step - step % 3) % per_pass for step in cuts)

    cut_at(monkeypatch, list(cuts), stop)
    for step in cuts:
        with pytest.raises(Stop):
            cpt(stage(training=block), 3, tiny_model, sources, cut)
        assert newest_whole(cut.checkpoints) == cut.checkpoints / f"checkpoint-{step - step % 3}"
    read.clear()
    cpt(stage(training=block), 3, tiny_model, sources, cut)
    assert 0 < len(read) < len(uninterrupted)
    assert read == uninterrupted[-len(read) :]
    assert same(weights(whole), weights(cut))


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tiny_model: Path, made: Artifact, tmp_path: Path):
    block = {"max_steps": 7, "save_steps": 3, "dataloader_num_workers": 1}
    whole, cut = fresh(tmp_path / "whole"), fresh(tmp_path / "cut")
    sources = Sources(None, 3, {"tokens": made})
    cpt(stage(training=block), 3, tiny_model, sources, whole)
    code = f"""
import os, signal, sys, torch
from pathlib import Path
import pytest
from tests.pipelines.test_tokens import *
training.quiet()
torch.set_num_threads(1)
cut_at(pytest.MonkeyPatch(), [5], lambda: os.kill(os.getpid(), signal.SIGKILL))
sources = Sources(None, 3, {{"tokens": Artifact(Path({str(made.folder)!r}), {{}})}})
cpt(stage(training={block!r}), 3, {str(tiny_model)!r}, sources, Draft(Path({str(cut.folder)!r})))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert newest_whole(cut.checkpoints) == cut.checkpoints / "checkpoint-3"
    cpt(stage(training=block), 3, tiny_model, sources, cut)
    assert same(weights(whole), weights(cut))


def test_held_out_documents_are_in_no_token_and_their_bits_per_byte_are_told(
    tiny_model: Path, made: Artifact, tmp_path: Path
):
    draft = fresh(tmp_path / "cpt")
    cpt(stage(training={"max_steps": 1}), 3, tiny_model, Sources(None, 3, {"tokens": made}), draft)
    kept_out = json.loads((draft.folder / "held_out.json").read_text())
    assert made.metrics["documents"] + len(kept_out) == len(TEXTS)
    assert len(kept_out) == made.metrics["held_out_documents"] > 0
    assert draft.metrics["held_out_bits_per_byte"] > 1
    manifest = read_manifest(made.folder / "tokens")
    tokenizer = loading.load_tokenizer(tiny_model)
    everything = "".join(
        tokenizer.decode(np.fromfile(made.folder / "tokens" / shard.file, manifest.numpy_dtype).astype(int))
        for shard in manifest.shards
    )
    held_out = {f"texts/{n}": text for n, text in enumerate(TEXTS)}
    assert all(held_out[one] not in everything for one in kept_out)
    assert sum(text in everything for one, text in held_out.items() if one not in kept_out) == len(TEXTS) - len(
        kept_out
    )


def test_more_shards_than_documents_make_no_empty_file(tiny_model: Path, tmp_path: Path):
    few = artifact(tmp_path / "tokens", written(tmp_path / "texts.jsonl", TEXTS[:2]), tiny_model, shards=5)
    assert [shard.documents for shard in read_manifest(few.folder / "tokens").shards] == [1, 1]


def test_a_stage_that_was_cut_off_reads_nothing_again(tiny_model: Path, tmp_path: Path):
    corpus = written(tmp_path / "texts.jsonl", TEXTS)
    whole = artifact(tmp_path / "whole", corpus, tiny_model)
    artifact(tmp_path / "cut", corpus, tiny_model)
    shutil.rmtree(tmp_path / "cut")  # as when the stage is begun again: its checkpoints stay
    (tmp_path / "cut").mkdir()
    work = tmp_path / "cut.checkpoints"
    (work / "logs" / "tokenize" / "completions" / "00002").unlink()
    corpus.unlink()
    again = TokenizeStage(kind="tokenize", corpora=[Corpus(name=str(corpus))])
    tokenize(again, 3, tiny_model, Sources(None, 3, {}), Draft(tmp_path / "cut"))
    for path in (whole.folder / "tokens").iterdir():
        assert (tmp_path / "cut" / "tokens" / path.name).read_bytes() == path.read_bytes()


def test_what_does_not_fit_the_training_is_said_before_it_starts(tiny_model: Path, made: Artifact, tmp_path: Path):
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.add_tokens(["electrocardiogram"])
    with pytest.raises(DataError, match="made with another tokenizer than the model's"):
        windows(made.folder, tokenizer, LENGTH)
    tokenizer = loading.load_tokenizer(tiny_model)
    with pytest.raises(DataError, match=r"no shard holds 100000 tokens.* lower sequence_length"):
        windows(made.folder, tokenizer, 100_000)
    shutil.copytree(made.folder, tmp_path / "tokens")
    file = next((tmp_path / "tokens" / "tokens").glob("*.ds"))
    damaged = bytearray(file.read_bytes())
    damaged[7] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(DataError, match=f"{file.name}: damaged"):
        cpt(
            stage(),
            3,
            tiny_model,
            Sources(None, 3, {"tokens": Artifact(tmp_path / "tokens", {})}),
            fresh(tmp_path / "m"),
        )
    corpus = written(tmp_path / "texts.jsonl", TEXTS[:2])
    with pytest.raises(DataError, match=r"held_out 0\.49 leaves no document|is empty"):
        artifact(tmp_path / "none", written(tmp_path / "empty.jsonl", []), tiny_model, held_out=0.49)
    with pytest.raises(DataError, match="is empty after exclude; loosen them"):
        tokenize(
            TokenizeStage(kind="tokenize", corpora=[Corpus(name=str(corpus), exclude=".")]),
            3,
            tiny_model,
            Sources(None, 3, {}),
            fresh(tmp_path / "excluded"),
        )
    with pytest.raises(DataError, match="holds Dialogue records; here Document is needed"):
        tokenize(
            TokenizeStage(kind="tokenize", corpora=[Corpus(name="bundled-dialogues")]),
            3,
            tiny_model,
            Sources(None, 3, {}),
            fresh(tmp_path / "dialogues"),
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "tokens: packed",
            "tokens: packd",
            "no earlier stage of kind tokenize is called 'packd'; did you mean 'packed'?",
        ),
        ("tokens: packed", "tokens: base", "no earlier stage of kind tokenize is called 'base'"),
        ("tokens: packed", "", r"stages.cpt: a cpt stage reads either corpora or the tokens of a tokenize stage"),
        ("tokens: packed", "tokens: packed\n    corpora: [{name: bundled-documents}]", "give one of the two keys"),
        ("tokens: packed", "tokens: packed\n    held_out: 0.1", "held_out belongs to the tokenize stage"),
    ],
)
def test_a_recipe_names_one_source_of_text(tmp_path: Path, old: str, new: str, message: str):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    assert message in str(caught.value)


def test_a_recipe_tokenizes_once_and_where_it_ran_is_no_reason_to_do_it_again(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.read_text().replace("bundled:osler-nano-base", str(tiny_model)))
    reproduce(load_recipe(str(path)), tmp_path, until_kind="cpt")
    manifest = json.loads((tmp_path / "packed" / "manifest.json").read_text())
    assert manifest["metrics"]["tokens"] == read_manifest(tmp_path / "packed" / "tokens").tokens
    assert manifest["metrics"]["sources"].keys() == {"documents"}
    path.write_text(path.read_text().replace("workers: 1", "workers: 2").replace("max_steps: 2", "max_steps: 1"))
    capsys.readouterr()
    reproduce(load_recipe(str(path)), tmp_path, until_kind="cpt")
    said = capsys.readouterr().err
    assert "packed: done before, skipped" in said
    assert "cpt: done before" not in said
    assert not list(tmp_path.glob("*.checkpoints"))


MEASURE = """
import json, os, resource, sys
from pathlib import Path
from tests.pipelines.test_tokens import *
corpus, folder = Path(sys.argv[1]), Path(sys.argv[2])
training.quiet()
tokens = artifact(folder, corpus, MODELS / "osler-nano-base")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def own():  # memory maps are the system's to take back
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024
found, _, _ = windows(folder, loading.load_tokenizer(MODELS / "osler-nano-base"), 128)
before, most = own(), 0
for number, batch in enumerate(DataLoader(found, 64, shuffle=True, collate_fn=default_data_collator)):
    if number % 50 == 0:
        most = max(most, own())
print(json.dumps({"peak": peak, "reading": most - before, "tokens": tokens.metrics["tokens"]}))
"""


def measured(folder: Path, megabytes: int) -> dict[str, float]:
    """MiB of memory for tokenizing and reading a corpus of so many megabytes, in a process of its own."""
    folder.mkdir()
    rng = random.Random(0)
    with (folder / "texts.jsonl").open("w") as out:
        size = number = 0
        while size < megabytes * 10**6:
            text = " ".join(rng.choices(TEXTS, k=6))
            size += out.write(json.dumps({"id": str(number), "text": text}) + "\n")
            number += 1
    command = [sys.executable, "-c", MEASURE, str(folder / "texts.jsonl"), str(folder / "tokens")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_ten_times_the_corpus_takes_no_more_memory(tmp_path: Path):
    small, large = measured(tmp_path / "small", 5), measured(tmp_path / "large", 50)
    assert large["tokens"] > 9 * small["tokens"]
    assert large["peak"] - small["peak"] < 30  # the texts alone are 45 MB more
    assert large["reading"] - small["reading"] < 15  # as are the tokens, as int64, over 100 MB
