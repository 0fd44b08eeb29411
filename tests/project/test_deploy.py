"""The manifest for Kubernetes follows its schema, and its parts belong together."""

import kubernetes_validate
import pytest
import yaml

from course.steps import ROOT

VERSION = "1.34"
MANIFEST = ROOT / "deploy" / "fleet.yaml"
PARTS = list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))


def named(kind, name):
    """One part of the manifest."""
    [part] = [p for p in PARTS if (p["kind"], p["metadata"]["name"]) == (kind, name)]
    return part


@pytest.mark.parametrize("part", PARTS, ids=lambda p: f"{p['kind']} {p['metadata']}")
def test_schema(part):
    """Each part follows the schema of its kind, and has no other fields."""
    kubernetes_validate.validate(part, VERSION, strict=True)


def test_schema_refuses():
    """A field that is misspelt is refused: the schema is looked at."""
    wrong = named("Service", "gpt2") | {"spec": {"selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_labels():
    """Whoever selects pods selects those of a deployment here."""
    deployments = [part["spec"] for part in PARTS if part["kind"] == "Deployment"]
    labels = [spec["template"]["metadata"]["labels"] for spec in deployments]
    assert [spec["selector"]["matchLabels"] for spec in deployments] == labels
    assert named("Service", "gpt2")["spec"]["selector"] in labels
    policy = named("NetworkPolicy", "gpt2-worker")["spec"]
    assert policy["podSelector"]["matchLabels"] in labels
    [allowed] = policy["ingress"][0]["from"]
    assert allowed["podSelector"]["matchLabels"] in labels


def test_discovery():
    """Routers look for the workers' label and port, and may ask for pods."""
    worker, router = (
        named("Deployment", name)["spec"]["template"]
        for name in ("gpt2-worker", "gpt2-router")
    )
    command = router["spec"]["containers"][0]["command"]
    [(key, value)] = worker["metadata"]["labels"].items()
    assert command[command.index("--selector") + 1] == f"{key}={value}"
    [port] = worker["spec"]["containers"][0]["ports"]
    assert f"--service-discovery-port={port['containerPort']}" in command
    account = router["spec"]["serviceAccountName"]
    assert named("ServiceAccount", account)
    [subject] = named("RoleBinding", account)["subjects"]
    assert subject["name"] == account
