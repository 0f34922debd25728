"""The manifests: valid by Kubernetes' own schemas, and true to what the process does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from ops.config import Config
from ops.layers import load
from ops.life import DRAIN_COMMIT_S, DRAIN_TELL_S, DRAIN_TIMEOUT_S
from tests.end_to_end.loads import PROJECT
from tests.test_documents import keys

FOLDER: Final = PROJECT / "ops/deploy/kubernetes"
MANIFESTS: Final = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
OLDEST: Final = "1.31"
"""What a cluster in use may still be; the newest is what the validator knows."""


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in documents(path) if document["kind"] == kind]


def pod() -> dict[str, Any]:
    (stateful_set,) = of_kind("StatefulSet")
    spec: dict[str, Any] = stateful_set["spec"]["template"]["spec"]
    return spec


def validate(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    validator = Path(sys.executable).with_name("kubernetes-validate")
    return subprocess.run([validator, "--strict", *options, path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [(), ("-k", OLDEST)], ids=["newest", OLDEST])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifest_is_valid_by_the_schemas_of_kubernetes(path: Path, options: tuple[str, ...]) -> None:
    done = validate(path, *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_manifest_with_a_word_that_kubernetes_does_not_know_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((FOLDER / "statefulset.yaml").read_text().replace("podManagementPolicy", "podManagmentPolicy"))
    assert validate(wrong).returncode == 1


def test_kustomization_lists_every_manifest() -> None:
    (kustomization,) = documents(FOLDER / "kustomization.yaml")
    assert sorted(kustomization["resources"]) == [path.name for path in MANIFESTS]


def test_configuration_is_one_that_the_service_takes(tmp_path: Path) -> None:
    (configuration,) = of_kind("ConfigMap")
    file = tmp_path / "jedel.toml"
    file.write_text(configuration["data"]["jedel.toml"], encoding="utf-8")
    config = load(file, {}, {}).config
    assert config.listen.ingest_tcp == "0.0.0.0:7111"
    assert config.database == Config().database  # the DSN is a secret


def test_variables_are_keys_of_the_configuration() -> None:
    known = {f"JEDEL_{key.replace('.', '_').upper()}" for key in keys()} | {"JEDEL_CONFIG"}
    named = set(re.findall(r"JEDEL_[A-Z_]+", "".join(path.read_text() for path in [*MANIFESTS, FOLDER.parent / "Dockerfile"])))
    assert named - {"JEDEL_"} <= known


def test_pods_are_given_longer_than_the_longest_drain() -> None:
    assert pod()["terminationGracePeriodSeconds"] > DRAIN_TIMEOUT_S + DRAIN_COMMIT_S + DRAIN_TELL_S + 10


def test_service_leads_to_the_ready_pod_and_a_standby_holds_nothing_up() -> None:
    (stateful_set,) = of_kind("StatefulSet")
    assert stateful_set["spec"]["replicas"] == 2
    assert stateful_set["spec"]["podManagementPolicy"] == "Parallel"
    assert stateful_set["spec"]["updateStrategy"] == {"type": "OnDelete"}
    service, headless = of_kind("Service")
    assert service["spec"]["publishNotReadyAddresses"] is False
    assert (headless["spec"]["clusterIP"], stateful_set["spec"]["serviceName"]) == ("None", headless["metadata"]["name"])
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    selectors = [one["spec"]["selector"] for one in (service, headless)]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in (stateful_set, *of_kind("PodDisruptionBudget"))]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
    assert [selector for selector in selectors if not selector.items() <= labels.items()] == []
    (container,) = pod()["containers"]
    probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    targets = {port["targetPort"]: port["port"] for one in (service, headless) for port in one["spec"]["ports"]}
    assert targets == ports


def test_pod_may_do_nothing_but_its_work() -> None:
    (container,) = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # The image's user, so that the volume is its own.
    user = re.search(r"^USER (\d+):(\d+)$", (FOLDER.parent / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert (pod()["securityContext"]["runAsUser"], pod()["securityContext"]["fsGroup"]) == (int(user[1]), int(user[2]))
