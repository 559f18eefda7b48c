"""The files for clusters hold to the platforms' own schemas, and to what the manifest promises."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import httpx
import kubernetes_validate
import pytest
import yaml

from corpora.errors import OslerError
from pipelines.config import Launch, Recipe
from pipelines.launching.task_files import task_file
from serving.deployment import PLATFORMS, Deployment, deployment_file
from serving.gateway.settings import Settings
from tests.serving.gateway_world import world

IMAGE = "registry.example/osler:1"
HUB = Deployment("Qwen/Qwen3-8B", image=IMAGE, gpus=4, gpu="H100", replicas=2, words=["--max-model-len", "8k"])
CLAIM = Deployment("/models/nano: it's", name="ward-7", image=IMAGE, gpus=0, words=["--lora-modules", "a=/models/x y"])


def manifest(wanted: Deployment) -> dict[tuple[str, str], dict]:
    documents = list(yaml.safe_load_all(deployment_file(wanted, "kubernetes", Path("osler.yaml"))))
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}


@pytest.mark.parametrize("version", ["1.28", "1.32", "1.37"])
@pytest.mark.parametrize("wanted", [HUB, CLAIM])
def test_kubernetes_own_schemas_accept_every_document(wanted: Deployment, version: str):
    documents = manifest(wanted)
    assert len(documents) == 8
    for one in documents.values():
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_would_refuse_a_field_that_is_none():
    broken = manifest(HUB)["Deployment", "osler-vllm"]
    broken["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.37", strict=True)


@pytest.mark.parametrize("wanted", [HUB, CLAIM])
def test_services_and_policies_select_the_pods_that_they_mean(wanted: Deployment):
    found = manifest(wanted)
    pods = {
        name: one["spec"]["template"]["metadata"]["labels"]
        for (kind, name), one in found.items()
        if kind == "Deployment"
    }

    def selects(labels: dict[str, str]) -> list[str]:
        return [name for name, own in pods.items() if labels.items() <= own.items()]

    name, vllm, gateway = wanted.name, f"{wanted.name}-vllm", f"{wanted.name}-gateway"
    assert selects(found["Service", vllm]["spec"]["selector"]) == [vllm]
    assert selects(found["Service", name]["spec"]["selector"]) == [gateway]
    policy = found["NetworkPolicy", vllm]["spec"]
    assert selects(policy["podSelector"]["matchLabels"]) == [vllm]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    assert list(source) == ["podSelector"]
    assert selects(source["podSelector"]["matchLabels"]) == [gateway]
    assert [port["port"] for port in rule["ports"]] == [8000]
    assert "Egress" in policy["policyTypes"]
    assert (policy["egress"] == []) is (wanted is CLAIM)
    allowed = found["NetworkPolicy", gateway]["spec"]["egress"][0]
    assert selects(allowed["to"][0]["podSelector"]["matchLabels"]) == [vllm]


@pytest.mark.parametrize("wanted", [HUB, CLAIM])
def test_pods_have_no_rights_that_they_do_not_need_and_time_to_drain(wanted: Deployment):
    for (kind, _), one in manifest(wanted).items():
        if kind != "Deployment":
            continue
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        waits = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
        drains = [int(word.split("=")[1]) for word in container["command"] if word.startswith("--drain-seconds")]
        assert pod["terminationGracePeriodSeconds"] > waits + sum(drains)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"] == "/health"
        # Each mounted volume is there, and no secret stands in the file itself.
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        for variable in container["env"]:
            assert ("KEY" in variable["name"] or "TOKEN" in variable["name"]) is ("valueFrom" in variable)


@pytest.mark.parametrize(("wanted", "mode"), [(HUB, "ReadWriteMany"), (CLAIM, "ReadWriteOnce")])
def test_pods_on_several_machines_may_read_the_models(wanted: Deployment, mode: str):
    """With ReadWriteOnce the second of ``HUB``'s replicas would wait for the first one's machine; the audit has one writer."""
    found = manifest(wanted)
    assert found["PersistentVolumeClaim", f"{wanted.name}-models"]["spec"]["accessModes"] == [mode]
    assert found["PersistentVolumeClaim", f"{wanted.name}-audit"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    told = deployment_file(wanted, "kubernetes", Path("osler.yaml")).split("apiVersion")[0]
    assert ("must offer ReadWriteMany" in told) == (mode == "ReadWriteMany")
    assert all(line.startswith("#") for line in told.splitlines())


def test_vllm_gets_its_flags_as_they_are():
    container = manifest(HUB)["Deployment", "osler-vllm"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][-2:] == ["--max-model-len", "8k"]
    assert container["command"][container["command"].index("--tensor-parallel-size") + 1] == "4"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 4}
    own = Deployment("a/b", image=IMAGE, gpus=4, words=["-dp", "4", "--served-model-name", "x"])
    words = manifest(own)["Deployment", "osler-vllm"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "--tensor-parallel-size" not in words
    assert words.count("--served-model-name") == 1
    words = manifest(CLAIM)["Deployment", "ward-7-vllm"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[:3] == ["osler", "serve", "/models/nano: it's"]
    assert words[-2:] == ["--lora-modules", "a=/models/x y"]


def test_a_skypilot_service_runs_the_one_command():
    text = deployment_file(HUB, "skypilot", Path("sky.yaml"))
    found = yaml.safe_load(text)
    assert found["resources"]["accelerators"] == "H100:4"
    assert found["service"]["replicas"] == 2
    words = shlex.split(found["run"])
    assert words[:4] == ["exec", ".venv/bin/osler", "serve", "Qwen/Qwen3-8B"]
    assert words[-4:] == ["--vllm-python", ".vllm/bin/python", "--max-model-len", "8k"]
    assert str(found["resources"]["ports"]) == words[words.index("--port") + 1]


@pytest.mark.parametrize(
    ("wanted", "platform", "message"),
    [
        (HUB, "nomad", "one of: kubernetes, skypilot"),
        (Deployment("a/b", name="Osler!", image=IMAGE), "kubernetes", "--name Osler!"),
        (Deployment("runs/nano/final/model", image=IMAGE), "kubernetes", "a pod sees no folder of this machine"),
        (Deployment("a/b"), "kubernetes", "--image"),
        (
            Deployment("a/b", image=IMAGE, words=["--api-key", "s"]),
            "kubernetes",
            "a secret does not belong into a file",
        ),
        (Deployment("a/b"), "skypilot", "--gpu: SkyPilot asks for a kind"),
        (Deployment("/somewhere/model", gpus=0), "skypilot", "name a folder in it"),
        (Deployment("a/b", image=IMAGE, words=["stray"]), "kubernetes", "unexpected argument 'stray'"),
    ],
)
def test_what_a_platform_could_not_take_is_named(wanted: Deployment, platform: str, message: str):
    with pytest.raises(OslerError) as error:
        deployment_file(wanted, platform, Path("x.yaml"))
    assert message in str(error.value)


def test_a_replica_without_its_model_is_not_ready(tmp_path: Path):
    with world(tmp_path, Settings(), up=False) as down:
        assert httpx.get(f"{down.url}/health").status_code == 200
        assert httpx.get(f"{down.url}/health?need=model").status_code == 503
    (tmp_path / "up").mkdir()
    with world(tmp_path / "up") as up:
        assert httpx.get(f"{up.url}/health?need=model").status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(
    "OSLER_SKYPILOT_PYTHON" not in os.environ, reason="SkyPilot needs an environment of its own: docs/deployment.md"
)
def test_skypilot_itself_accepts_the_files(tmp_path: Path):
    files = {name: tmp_path / f"{name}.yaml" for name in ("gpu", "cpu", "task")}
    files["gpu"].write_text(deployment_file(HUB, "skypilot", files["gpu"]))
    files["cpu"].write_text(deployment_file(Deployment("runs/nano", gpus=0), "skypilot", files["cpu"]))
    block = {
        "kind": "sft",
        "model": "base",
        "global_batch": 8,
        "corpora": [{"name": "bundled-dialogues"}],
        "training": {"per_device_train_batch_size": 2},
    }
    launch = Launch(strategy="fsdp2", processes=4, gpu="h100")
    recipe = Recipe.model_validate({"name": "r", "base_model": "osler-nano-base", "stages": {"sft": block}})
    recipe = recipe.model_copy(update={"launch": launch})
    files["task"].write_text(task_file(recipe, "r.yaml", "skypilot", files["task"], Path("runs"), None))
    script = """
import sys, sky
import yaml
from sky.utils import common_utils, schemas
for path in sys.argv[1:]:
    content = yaml.safe_load(open(path))
    common_utils.validate_schema(content, schemas.get_task_schema(), "task: ")
    common_utils.validate_schema(content["resources"], schemas.get_resources_schema(), "resources: ")
    if "service" in content:
        common_utils.validate_schema(content["service"], schemas.get_service_schema(), "service: ")
        print(sky.serve.SkyServiceSpec.from_yaml_config(content["service"]))
    print(path)
try:
    common_utils.validate_schema({**content, "servce": {}}, schemas.get_task_schema(), "task: ")
except ValueError:
    print("a field that is none is refused")
"""
    done = subprocess.run(
        [os.environ["OSLER_SKYPILOT_PYTHON"], "-c", script, *map(str, files.values())],
        capture_output=True,
        text=True,
        env={**os.environ, "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"},
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "a field that is none is refused"


def test_every_platform_has_its_template():
    for platform in PLATFORMS:
        assert deployment_file(HUB, platform, Path("x")).startswith("# ")
