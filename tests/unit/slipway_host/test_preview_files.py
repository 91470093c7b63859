"""R29: the Application of a preview, made of the one that it copies."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.errors import SettingsError
from slipway_host.preview_files import FINALIZER, copied
from slipway_host.preview_model import Preview
from support.target import api_target

BASE = api_target(app="api", namespace="shop", environment="dev", values="apps/api/values.yaml")
TARGET = api_target(
    app="api-pr-7", namespace="shop-pr-7", environment="pr-7", values="apps/api-pr-7/values.yaml"
)
VALUES = b'# by hand\nimage: {repository: ghcr.io/acme/api, tag: "1234abcd"}\n'
APP = """\
# Of team shop.
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: api
  namespace: argocd
spec:
  project: shop
  source:
    repoURL: https://git.example/acme/gitops.git
    path: charts/app
    helm:
      valueFiles:
        - values.yaml  # the chart's own
        - ../../apps/api/values.yaml
  destination:
    server: https://kubernetes.default.svc
    namespace: shop
"""


def preview(**more: Any) -> Preview:
    return Preview.model_validate({"from": "dev", **more})


def made(app: str = APP, **more: Any) -> dict[str, Any]:
    found = copied({"apps/api/app.yaml": app.encode(), BASE.values: VALUES}, BASE, TARGET, preview(**more))
    assert found[TARGET.values] == VALUES
    document: dict[str, Any] = YAML(typ="safe").load(found["apps/api-pr-7/app.yaml"])
    return document


def source(app: str = APP, **more: Any) -> Any:
    return made(app, **more)["spec"]["source"]


def test_the_application_gets_names_of_its_own_and_cleans_up_after_itself() -> None:
    found = made()
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("api-pr-7", "argocd")
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert found["spec"]["destination"]["namespace"] == "shop-pr-7"
    assert found["spec"]["project"] == "shop"
    helm = found["spec"]["source"]["helm"]
    assert helm["valueFiles"] == ["values.yaml", "../../apps/api-pr-7/values.yaml"]
    assert "valuesObject" not in helm


def test_the_release_keeps_its_name_so_that_what_names_it_finds_it() -> None:
    assert source()["helm"]["releaseName"] == "api"
    named = APP.replace("    helm:\n", "    helm:\n      releaseName: backend\n")
    assert source(named)["helm"]["releaseName"] == "backend"


def test_a_finalizer_that_is_there_is_not_doubled() -> None:
    there = APP.replace(
        "  namespace: argocd\n", f"  namespace: argocd\n  finalizers: [{FINALIZER}/background]\n"
    )
    assert made(there)["metadata"]["finalizers"] == [f"{FINALIZER}/background"]


def test_values_that_differ_are_filled_in_and_win() -> None:
    wanted = {"ingress": {"host": "{app}.example", "paths": ["/{service}", 1]}, "replicaCount": 1}
    there = APP.replace("    helm:\n", "    helm:\n      valuesObject: {ingress: {host: a, tls: true}}\n")
    expected = {"ingress": {"host": "api-pr-7.example", "paths": ["/api", 1], "tls": True}, "replicaCount": 1}
    assert source(there, values=wanted)["helm"]["valuesObject"] == expected


def test_values_as_text_would_count_no_more_and_are_taken_over() -> None:
    there = APP.replace("    helm:\n", "    helm:\n      values: |\n        debug: true\n")
    helm = source(there, values={"replicaCount": 1})["helm"]
    assert helm["valuesObject"] == {"debug": True, "replicaCount": 1}
    assert "values" not in helm


def test_a_chart_in_the_application_s_own_folder_moves_with_it() -> None:
    own = APP.replace("path: charts/app", "path: apps/api")
    own = own.replace("../../apps/api/values.yaml", "extra.yaml")
    found = source(own)
    assert (found["path"], found["helm"]["valueFiles"]) == ("apps/api-pr-7", ["values.yaml", "extra.yaml"])


@pytest.mark.parametrize(
    ("file", "after"),
    [
        ("/apps/api/values.yaml", "/apps/api-pr-7/values.yaml"),
        ("$values/apps/api/values.yaml", "$values/apps/api-pr-7/values.yaml"),
    ],
)
def test_files_named_from_a_root_are_followed(file: str, after: str) -> None:
    found = made(APP.replace("../../apps/api/values.yaml", file).replace("  source:\n", "  sources:\n  -\n"))
    assert found["spec"]["sources"][0]["helm"]["valueFiles"][1] == after


def test_an_application_that_does_not_name_its_values_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no source of Application api names apps/api/values\.yaml"):
        made(APP.replace("../../apps/api/values.yaml", "other.yaml"))


def test_what_is_no_application_of_ours_stays_byte_by_byte() -> None:
    files = {
        "apps/api/other.yaml": APP.replace("name: api", "name: other").encode(),
        "apps/api/crd.yaml": b"apiVersion: argoproj.io/v1alpha1\nkind:   AppProject\n",
        "apps/api/templates/x.txt": b"\xff\x00",
    }
    found = copied(files, BASE, TARGET, preview())
    assert found == {path.replace("/api/", "/api-pr-7/"): data for path, data in files.items()}


def test_comments_of_the_application_are_kept() -> None:
    found = copied({"apps/api/app.yaml": APP.encode()}, BASE, TARGET, preview(project="previews"))
    text = found["apps/api-pr-7/app.yaml"].decode()
    assert "# Of team shop." in text
    assert "# the chart's own" in text
    assert "project: previews" in text


@pytest.mark.parametrize("key", ["tag", "digest"])
def test_what_deploys_write_is_no_value_of_a_preview(key: str) -> None:
    with pytest.raises(ValueError, match="deploys write this to the values file"):
        preview(values={"image": {key: "x"}})
