"""A mix has the shares that it was asked for, in tokens that were counted, and says where it could not."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from corpora.errors import DataError
from corpora.records import Document, text_of
from pipelines import loading
from pipelines.cli import app
from pipelines.config import MixStage, Stage
from pipelines.mix import mix, mix_corpora


def stage(folder: Path, **more) -> MixStage:
    for name, count in (("medical", 300), ("general", 60)):
        rows = [{"id": str(n), "text": f"{name} text number {n}. " + "word " * (n % 17)} for n in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    block = {
        "kind": "mix",
        "sources": {
            "medical": {"corpora": [{"name": str(folder / "medical.jsonl")}], "share": 3},
            "replay/general": {"corpora": [{"name": str(folder / "general.jsonl")}], "share": 1},
        },
        **more,
    }
    made: MixStage = TypeAdapter(Stage).validate_python(block)
    return made


def written(draft, base_model: Path) -> tuple[list[str], int]:
    """Ids in order, and the tokens counted anew."""
    documents = [
        Document.model_validate_json(line) for line in (draft.folder / "records.jsonl").read_text().splitlines()
    ]
    tokenizer = loading.load_tokenizer(base_model)
    return [one.id for one in documents], sum(len(tokenizer(text_of(one))["input_ids"]) for one in documents)


def test_the_shares_are_the_wished_ones_and_the_tokens_are_real(tmp_path: Path, base_model: Path, sources, draft):
    mix(stage(tmp_path), 1, base_model, sources, draft)
    ids, tokens = written(draft, base_model)
    metrics = draft.metrics
    assert metrics["tokens"] == tokens == sum(part["tokens"] for part in metrics["mix"].values())
    assert metrics["mix"]["medical"]["share"] == pytest.approx(0.75, abs=0.01)
    # No source is repeated, and the scarcer one is used up but for the last record.
    assert len(ids) == len(set(ids))
    assert metrics["mix"]["replay/general"]["passes"] == pytest.approx(1, abs=0.03)
    # They are interleaved: the first quarter has both in their shares.
    start = ids[: len(ids) // 4]
    assert 0.1 < sum(one.startswith("general/") for one in start) / len(start) < 0.4


def test_a_source_is_repeated_up_to_its_limit_and_what_is_short_is_said(
    tmp_path: Path, base_model: Path, sources, draft
):
    mix(stage(tmp_path, tokens=12_000, max_repeat=2), 1, base_model, sources, draft)
    ids, tokens = written(draft, base_model)
    assert draft.metrics["wished_tokens"] == 12_000
    assert draft.metrics["tokens"] == tokens < 12_000
    assert draft.metrics["mix"]["replay/general"]["passes"] == pytest.approx(2, abs=0.05)
    assert max(ids.count(one) for one in set(ids)) == 2


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, base_model: Path, sources, draft):
    found = []
    for seed in (1, 1, 2):
        mix(stage(tmp_path), seed, base_model, sources, draft)
        found.append((draft.folder / "records.jsonl").read_bytes())
    assert found[0] == found[1] != found[2]


def test_an_empty_source_is_named(tmp_path: Path, base_model: Path, sources, draft):
    made = stage(tmp_path)
    made.sources["replay/general"].corpora[0] = (
        made.sources["replay/general"].corpora[0].model_copy(update={"exclude": "text"})
    )
    with pytest.raises(DataError, match="source 'replay/general' of the mix is empty"):
        mix(made, 1, base_model, sources, draft)


def test_the_command_mixes_and_says_the_real_shares(tmp_path: Path):
    stage(tmp_path)
    words = [
        "corpora",
        "mix",
        f"{tmp_path}/medical.jsonl=3",
        f"{tmp_path}/general.jsonl=1",
        "-o",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*words, "--tokens", "1500", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    shares = {name: one["share"] for name, one in found["mix"].items()}
    assert shares["01-medical"] == pytest.approx(0.75, abs=0.02)
    assert shares["02-general"] == pytest.approx(0.25, abs=0.02)
    assert len((tmp_path / "out" / "records.jsonl").read_text().splitlines()) == found["records"]
    assert "## The mix" in (tmp_path / "out" / "card.md").read_text()
    first = (tmp_path / "out" / "records.jsonl").read_bytes()
    CliRunner().invoke(app, [*words, "--tokens", "1500"])
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.jsonl=3"], "two corpora or more"),
        (["a.jsonl", "b.jsonl=1"], "'a.jsonl' is not CORPUS=SHARE"),
        (["a.jsonl=0", "b.jsonl=1"], "share above 0"),
        (["a.jsonl=1", "a.jsonl=2"], "named twice"),
    ],
)
def test_a_wrong_share_is_named(tmp_path: Path, words: list[str], said: str):
    result = CliRunner().invoke(app, ["corpora", "mix", *words, "-o", str(tmp_path / "out")])
    assert said in str(result.exception)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    stage(tmp_path)
    with pytest.raises(DataError, match="exists and is no mix"):
        mix_corpora(
            [f"{tmp_path}/medical.jsonl=1", "bundled-general=1"], tmp_path, None, 4, 0, "bundled:osler-nano-base", None
        )
    assert (tmp_path / "medical.jsonl").is_file()
