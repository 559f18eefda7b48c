"""Merged weights are those worked out by hand, one tensor at a time; models that do not fit together are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import MergeStage, RecipeError
from pipelines.merge import MergeError, joined, merge, slerp
from pipelines.training.weights import INDEX, WeightsError


def stage(**given) -> MergeStage:
    return MergeStage(kind="merge", **{"models": {"a": 1, "b": 1}, **given})


def other(tiny_model: Path, folder: Path) -> Path:
    model = loading.load_model(tiny_model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5)
    training.save_model(model, loading.load_tokenizer(tiny_model), folder)
    return folder


BASE = torch.tensor([1.0, 1.0, 1.0, 1.0])
A = BASE + torch.tensor([4.0, -1.0, 3.0, 0.5])
B = BASE + torch.tensor([2.0, 3.0, -5.0, 0.25])


def test_task_arithmetic_adds_each_weighted_task_to_the_base():
    found = joined(stage(models={"a": 0.5, "b": 2}, method="task_arithmetic", base="c"), [A, B], BASE, 0)
    # 1 + 0.5 * a + 2 * b
    assert found.tolist() == [7.0, 6.5, -7.5, 1.75]


def test_ties_trims_elects_a_sign_and_takes_the_mean_of_what_agrees():
    found = joined(stage(method="ties", base="c", density=0.5), [A, B], BASE, 0)
    # The two largest of each: a = [4, 0, 3, 0], b = [0, 3, -5, 0]. Signs of the sums [4, 3, -2, 0]: +, +, -.
    # Of those that agree the mean: 4 (a), 3 (b), -5 (b), and nothing at the last place.
    assert found.tolist() == [5.0, 4.0, -4.0, 1.0]


def test_ties_elects_by_total_or_by_frequency():
    c = BASE + torch.tensor([0.0, 0.0, 1.0, 0.0])
    of_three = {"models": {"a": 1, "b": 1, "c": 1}, "method": "ties", "base": "d", "density": 0.9}
    total = joined(stage(**of_three), [A, B, c], BASE, 0)
    frequent = joined(stage(**of_three, majority_sign_method="frequency"), [A, B, c], BASE, 0)
    # 0.9 of four is three: at the third place 3, -5 and 1. By the sum (-1) -5 stays; by number the mean of 3 and 1.
    assert total[2] == 1 - 5
    assert frequent[2] == 1 + 2


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_dare_drops_at_random_and_makes_up_for_it(method: str):
    size, density = 20000, 0.25
    base = torch.zeros(size)
    task = torch.full((size,), 2.0)
    found = joined(stage(models={"a": 1}, method=method, base="c", density=density), [base + task], base, 5)
    assert sorted(set(found.tolist())) == [0.0, 8.0]  # dropped, or 2 / 0.25
    kept = float((found != 0).float().mean())
    assert kept == pytest.approx(density, abs=4 * (density * (1 - density) / size) ** 0.5)
    again = joined(stage(models={"a": 1}, method=method, base="c", density=density), [base + task], base, 5)
    assert torch.equal(found, again)
    assert not torch.equal(
        found, joined(stage(models={"a": 1}, method=method, base="c", density=density), [base + task], base, 6)
    )


def test_dare_linear_sums_and_dare_ties_takes_the_mean_of_what_agrees():
    size = 4000
    base, tasks = torch.zeros(size), [torch.full((size,), 1.0), torch.full((size,), 3.0)]
    given = {"base": "c", "density": 0.5}
    linear = joined(stage(method="dare_linear", **given), tasks, base, 1)
    assert sorted(set(linear.tolist())) == [0.0, 2.0, 6.0, 8.0]  # neither, a / 0.5, b / 0.5, both
    ties = joined(stage(method="dare_ties", **given), tasks, base, 1)
    # A dropped value has no sign, so the mean is of those that were kept.
    assert sorted(set(ties.tolist())) == [0.0, 2.0, 4.0, 6.0]


@pytest.mark.parametrize("own", [0, 7])
def test_the_stages_own_seed_goes_before_the_recipes(tiny_model: Path, tmp_path: Path, own: int):
    places = {"a": str(other(tiny_model, tmp_path / "a")), "c": str(tiny_model)}

    def merged(recipes: int, **given) -> torch.Tensor:
        draft = Draft(tmp_path / f"{recipes}-{len(given)}")
        merge(stage(models={"a": 1}, method="dare_linear", base="c", density=0.5, **given), recipes, places, draft)
        return load_file(draft.folder / "model" / "model.safetensors")["model.norm.weight"]

    assert torch.equal(merged(5, seed=own), merged(own))
    assert not torch.equal(merged(5, seed=own), merged(5))


def test_the_random_state_of_the_run_is_left_as_it_was():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    joined(stage(method="dare_ties", base="c", density=0.5), [A, B], BASE, 1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_slerp_goes_along_the_arc():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert torch.allclose(slerp(first, second, 0.5), torch.tensor([0.5, 0.5]).sqrt())  # 45 degrees
    third = slerp(first, second, 1 / 3)
    assert torch.allclose(third, torch.tensor([3**0.5 / 2, 0.5]), atol=1e-6)  # 30 degrees
    assert torch.allclose(slerp(first, 3 * first, 0.5), 2 * first)  # parallel: a straight line


def test_the_mean_is_weighted(tiny_model: Path, draft, tmp_path: Path):
    second = other(tiny_model, tmp_path / "other")
    merge(stage(models={"base": 1, "sft": 3}), 0, {"base": str(tiny_model), "sft": str(second)}, draft)
    a, b = loading.load_model(tiny_model), loading.load_model(second)
    mean = loading.load_model(draft.folder / "model")
    for x, y, z in zip(a.parameters(), b.parameters(), mean.parameters(), strict=True):
        assert torch.allclose(0.25 * x + 0.75 * y, z, atol=5e-3)
    assert draft.metrics["weights"] == {"base": 0.25, "sft": 0.75}
    stops = json.loads((draft.folder / "model" / "generation_config.json").read_text())["eos_token_id"]
    assert loading.load_tokenizer(tiny_model).convert_tokens_to_ids("<|im_end|>") in stops


def test_a_model_in_shards_merges_into_shards_with_the_same_weights(tiny_model: Path, draft, tmp_path: Path):
    cut = tmp_path / "cut"
    loading.load_model(tiny_model).to(torch.bfloat16).save_pretrained(cut, max_shard_size="200KB")
    loading.load_tokenizer(tiny_model).save_pretrained(cut)
    assert (cut / INDEX).is_file()
    merge(stage(), 0, {"a": str(cut), "b": str(tiny_model)}, draft, shard_size="500KB")
    made = draft.folder / "model"
    assert draft.metrics["files"] == len(list(made.glob("*.safetensors"))) > 1
    for x, y in zip(loading.load_model(made).parameters(), loading.load_model(tiny_model).parameters(), strict=True):
        assert torch.equal(x, y)


def test_new_words_that_the_base_lacks_become_the_mean(tiny_model: Path, draft, tmp_path: Path):
    """The models have two rows more than the base: these are averaged, all others are merged as tasks."""
    places = {"base": str(tiny_model)}
    for name, value in (("a", 1.0), ("b", 3.0)):
        model, tokenizer = loading.load_model(tiny_model), loading.load_tokenizer(tiny_model)
        tokenizer.add_tokens(["glucocorticoid", "metformin"])
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        with torch.no_grad():
            model.get_input_embeddings().weight[-2:] = value
            model.get_input_embeddings().weight[:-2] += value
        places[name] = str(tmp_path / name)
        training.save_model(model, tokenizer, tmp_path / name)
    merge(stage(method="task_arithmetic", base="base"), 0, places, draft)
    rows = load_file(draft.folder / "model" / "model.safetensors")["model.embed_tokens.weight"].float()
    old = load_file(tiny_model / "model.safetensors")["model.embed_tokens.weight"].float()
    assert rows[-2:].unique().tolist() == [2.0]
    assert torch.allclose(rows[:-2], old + 4.0, atol=0.05)
    assert draft.metrics["rows_without_base"] == 2
    assert len(loading.load_tokenizer(draft.folder / "model")) == len(rows)


def test_models_of_another_shape_are_refused(tiny_model: Path, base_model: Path, draft):
    with pytest.raises(MergeError, match="models of one shape"):
        merge(stage(models={"base": 1, "sft": 1}), 0, {"base": str(base_model), "sft": str(tiny_model)}, draft)


def test_models_with_other_words_under_one_number_are_refused(tiny_model: Path, draft, tmp_path: Path):
    places = {}
    for name, word in (("a", "glucocorticoid"), ("b", "metformin")):
        shutil.copytree(tiny_model, tmp_path / name)
        tokenizer = loading.load_tokenizer(tiny_model)
        tokenizer.add_tokens([word, {"a": "metformin", "b": "glucocorticoid"}[name]])
        tokenizer.save_pretrained(tmp_path / name)
        places[name] = str(tmp_path / name)
    with pytest.raises(MergeError, match="trained from one base"):
        merge(stage(), 0, places, draft)


def test_weights_that_are_no_safetensors_are_named(tiny_model: Path, draft, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "model.safetensors").unlink()
    with pytest.raises(RecipeError, match="bare: no weights here"):
        merge(stage(), 0, {"a": str(bare), "b": str(tiny_model)}, draft)
    save_file({}, bare / "model-00001-of-00002.safetensors")
    (bare / INDEX).write_text(json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}))
    with pytest.raises(WeightsError, match=r"bare: no file model-00002-of-00002\.safetensors"):
        merge(stage(), 0, {"a": str(bare), "b": str(tiny_model)}, draft)
    (bare / INDEX).write_text('{"weight_map": {"a":')
    with pytest.raises(RecipeError, match=r"bare/model\.safetensors\.index\.json: not an index of weights"):
        merge(stage(), 0, {"a": str(bare), "b": str(tiny_model)}, draft)
    (bare / INDEX).unlink()
    (bare / "model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes()[:4000])
    with pytest.raises(WeightsError, match="bare: weights that cannot be read"):
        merge(stage(), 0, {"a": str(bare), "b": str(tiny_model)}, draft)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "ties", "density": 0.5}, "adds to a base: name it in base"),
        ({"method": "ties", "base": "c"}, "needs density"),
        ({"base": "c"}, "does not belong to method: linear"),
        ({"density": 0.5}, "density does not belong"),
        ({"models": {"a": 1}}, "needs two models"),
        ({"models": {"a": 1, "b": 1, "c": 1}, "method": "slerp"}, "takes no third"),
        ({"models": {"a": 1, "b": -1}}, "not all nought"),
        ({"seed": 3}, "seed belongs to"),
        ({"majority_sign_method": "frequency"}, "majority_sign_method belongs to"),
    ],
)
def test_a_block_that_does_not_fit_its_method_is_explained(given: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        stage(**given)


def test_a_shard_is_written_before_the_tensors_of_the_next_are_read(
    tiny_model: Path, draft, monkeypatch: pytest.MonkeyPatch
):
    from pipelines.training import weights as module

    read: list[str] = []
    original = module.Weights.read
    monkeypatch.setattr(module.Weights, "read", lambda self, key: read.append(key) or original(self, key))
    saved: list[int] = []

    def save(shard, path, metadata):
        saved.append(len(read))
        save_file(shard, path, metadata=metadata)

    monkeypatch.setattr(module, "save_file", save)
    merge(stage(), 0, {"a": str(tiny_model), "b": str(tiny_model)}, draft, shard_size="100KB")
    assert len(saved) == draft.metrics["files"] > 1
    assert saved == sorted(set(saved))
    assert saved[-1] == 2 * draft.metrics["tensors"]
