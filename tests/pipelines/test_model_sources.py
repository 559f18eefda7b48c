"""A model comes from a folder or a hub by one name; what could run a stranger's program is refused before it is fetched."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import Qwen3ForCausalLM

from corpora.errors import DataError
from pipelines import loading, model_sources
from pipelines.config import Recipe, RecipeError, load_recipe, resolve_model
from pipelines.inputs import Inputs
from pipelines.model_sources import allowing
from tests.corpora.test_fetch import COMMIT, server

__all__ = ["server"]  # the stand-in for both hubs

CODE = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nraise SystemExit('a stranger ran')\n"


def edited(folder: Path, name: str, **values) -> None:
    settings = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**settings, **values}))


@pytest.fixture
def own(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "own"))


@pytest.fixture
def pickled(own: Path) -> Path:
    """The same model with its weights as a pickle, as transformers wrote them until 2023."""
    torch.save(Qwen3ForCausalLM.from_pretrained(own).state_dict(), own / "pytorch_model.bin")
    (own / "model.safetensors").unlink()
    return own


@pytest.fixture
def hub(server, own: Path, tmp_path: Path, monkeypatch):
    """Both hubs with the files of the tiny model, and a cache of their own."""
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def publish() -> None:
        server.files = {path.name: path.read_bytes() for path in own.iterdir()}
        server.files["original/consolidated.00.pth"] = b"a pickle that nothing is loaded from"

    server.publish = publish
    publish()
    return server


@pytest.mark.parametrize("name", ["osler/small", f"osler/small@{COMMIT}", "modelscope:osler/small"])
def test_a_hubs_model_arrives_in_a_folder_and_a_second_time_nothing_is_fetched(hub, own: Path, name: str):
    folder = Path(resolve_model(name))
    for path in own.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert not (folder / "original").exists()
    loading.load_model(folder)
    sent = [path for path in hub.sent if path == "model.safetensors"]
    model_sources._fetch_model.cache_clear()
    assert Path(resolve_model(name)) == folder
    assert [path for path in hub.sent if path == "model.safetensors"] == sent


@pytest.mark.parametrize("name", ["osler/small", "modelscope:osler/small"])
def test_for_a_check_the_tokenizer_comes_without_the_weights(hub, name: str):
    assert loading.load_tokenizer(resolve_model(name, weights=False)).chat_template
    assert "model.safetensors" not in hub.sent


@pytest.mark.parametrize("name", ["osler/small", "modelscope:osler/small"])
def test_pickled_weights_of_a_hub_are_refused_before_they_are_fetched(hub, pickled: Path, name: str):
    hub.publish()
    with pytest.raises(RecipeError, match=r"osler/small/pytorch_model\.bin: pickled .* allow: \[pickled_weights\]"):
        resolve_model(name)
    assert not hub.sent
    with allowing(["pickled_weights"]):
        loading.load_model(resolve_model(name))


@pytest.mark.parametrize("name", ["osler/small", "modelscope:osler/small"])
def test_code_of_a_hub_is_refused_before_it_or_a_weight_is_fetched(hub, own: Path, name: str):
    edited(own, "config.json", model_type="stranger", auto_map={"AutoConfig": "code.Config"})
    (own / "code.py").write_text(CODE)
    hub.publish()
    with pytest.raises(
        RecipeError, match=r"osler/small/config\.json: auto_map .*code\.Config.* allow: \[remote_code\]"
    ):
        resolve_model(name)
    assert not {"code.py", "model.safetensors"} & set(hub.sent)


@pytest.mark.parametrize("name", ["osler/none", "modelscope:osler/none"])
def test_a_model_that_is_not_there_is_said(hub, name: str):
    with pytest.raises(DataError, match=f"'{name}' is no folder here, and was looked for on its hub: .*no such model"):
        resolve_model(name)


@pytest.mark.parametrize(
    ("name", "other"),
    [("osler/small", "'modelscope:osler/small'"), ("modelscope:osler/small", "Hugging Face hub for it: 'osler/small'")],
)
def test_a_hub_that_cannot_be_reached_is_told_with_what_is_left(hub, monkeypatch, name: str, other: str):
    folder = resolve_model(name)
    model_sources._fetch_model.cache_clear()
    model_sources._files.cache_clear()
    for one in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(one, "http://127.0.0.1:9")
    with pytest.raises(
        DataError,
        match=rf"'{name}' is no folder here, .* http://127\.0\.0\.1:9 cannot be reached .*name the folder .*{other}",
    ) as error:
        resolve_model(name)
    assert (f"HF_HUB_OFFLINE=1 takes the copy of it that is in the hub's cache ({folder})" in str(error.value)) is (
        name == "osler/small"
    )
    with pytest.raises(DataError, match=r"cache, where there is none of this name|ask the Hugging Face hub"):
        resolve_model(name.replace("small", "smal"))


def test_without_the_network_the_hubs_cache_is_read(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="not in the hub's cache and HF_HUB_OFFLINE is set"):
        resolve_model("osler/small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = resolve_model("osler/small")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model_sources._fetch_model.cache_clear()
    hub.files = {}
    assert resolve_model("osler/small") == folder


def test_the_commit_of_a_hubs_model_is_what_a_stage_depends_on(hub, own: Path):
    assert model_sources.identity(Path(resolve_model("osler/small"))) == f"models--osler--small@{COMMIT}"
    before = model_sources.identity(Path(resolve_model("modelscope:osler/small@v1")))
    edited(own, "config.json", note="another")
    hub.publish()
    model_sources._files.cache_clear()
    assert model_sources.identity(Path(resolve_model("modelscope:osler/small@v2"))) != before


def test_pickled_weights_of_a_folder_are_loaded_only_where_the_recipe_allows_it(pickled: Path):
    for refused in (resolve_model, loading.load_model):
        with pytest.raises(RecipeError, match=r"pytorch_model\.bin: pickled weights, which can run any program"):
            refused(str(pickled))
    with allowing(["pickled_weights"]):
        assert loading.load_model(resolve_model(str(pickled))).num_parameters() > 0
    with pytest.raises(RecipeError):
        loading.load_model(pickled)


def test_a_pickle_beside_safetensors_is_left_where_it_is(own: Path):
    for name in ("pytorch_model.bin", "training_args.bin"):
        (own / name).write_bytes(b"not even a pickle")
    loading.load_model(resolve_model(str(own)))


@pytest.mark.parametrize("shard", ["weights.bin", "../model.safetensors", "sub/model.safetensors"])
def test_an_index_of_safetensors_does_not_bring_a_pickle_in(own: Path, shard: str):
    keys = list(Qwen3ForCausalLM.from_pretrained(own).state_dict())
    torch.save(Qwen3ForCausalLM.from_pretrained(own).state_dict(), own / "weights.bin")
    (own / "model.safetensors").unlink()
    index = own / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(keys, shard)}))
    with pytest.raises(RecipeError, match=r"index\.json: names '.*' as a shard, which is no safetensors file"):
        loading.load_model(own)
    index.write_text("{}")
    with pytest.raises(RecipeError, match="not an index of weights"):
        loading.load_model(own)


def test_code_of_a_folder_runs_only_where_the_recipe_allows_it(own: Path):
    edited(own, "config.json", model_type="stranger", auto_map={"AutoConfig": "code.Config"})
    (own / "code.py").write_text(CODE)
    for refused in (resolve_model, loading.load_model, loading.load_tokenizer):
        with pytest.raises(RecipeError, match=r"own/config\.json: auto_map names Python code of the model's own"):
            refused(str(own))
    with allowing(["remote_code"]), pytest.raises(SystemExit, match="a stranger ran"):
        loading.load_model(resolve_model(str(own)))


def test_code_of_a_tokenizer_is_refused_as_well(own: Path):
    edited(own, "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["code.Own", None]})
    with pytest.raises(RecipeError, match=r"own/tokenizer_config\.json: auto_map"):
        loading.load_tokenizer(own)


def test_where_transformers_knows_the_architecture_a_models_own_code_is_not_run(own: Path):
    edited(own, "config.json", auto_map={"AutoModelForCausalLM": "code.Model"})
    (own / "code.py").write_text(CODE)
    for allowed in ([], ["remote_code"]):
        with allowing(allowed):
            assert isinstance(loading.load_model(resolve_model(str(own))), Qwen3ForCausalLM)


def test_an_adapter_is_no_model(own: Path):
    (own / "adapter_config.json").write_text('{"base_model_name_or_path": "somewhere/else"}')
    with pytest.raises(RecipeError, match=r"own holds a LoRA adapter .* merge it into its base model first"):
        resolve_model(str(own))


def test_a_model_is_a_string_or_a_block(tmp_path: Path):
    def named(model: str) -> str | None:
        path = tmp_path / "mine.yaml"
        path.write_text(
            f"name: mine\nbase_model: {model}\nstages:\n  sft: {{kind: sft, model: base, corpora: [{{name: bundled-dialogues}}]}}"
        )
        return load_recipe(str(path)).base_model

    assert named("Qwen/Qwen3-8B-Base") == named("{name: Qwen/Qwen3-8B-Base}") == "Qwen/Qwen3-8B-Base"
    assert (
        named("{name: Qwen/Qwen3-8B-Base, source: modelscope, revision: v1.0}") == "modelscope:Qwen/Qwen3-8B-Base@v1.0"
    )
    with pytest.raises(RecipeError, match=r"base_model: unknown key 'sourse'; did you mean 'source'\?"):
        named("{name: x, sourse: modelscope}")
    with pytest.raises(
        RecipeError, match=r"base_model: source: 'github' is no source of models; it is one of: huggingface"
    ):
        named("{name: x, source: github}")


def test_what_one_recipe_allows_no_other_does(pickled: Path, sources):
    stage = {"kind": "sft", "model": "base", "corpora": [{"name": "bundled-dialogues"}]}
    blocks = {"name": "mine", "base_model": str(pickled), "stages": {"sft": stage}}
    trusting = Recipe.model_validate({**blocks, "allow": ["pickled_weights"]})
    assert Inputs(trusting, sources).model("base") == str(pickled)
    with pytest.raises(RecipeError, match="pickled weights"):
        Inputs(Recipe.model_validate(blocks), sources).model("base")
