"""R18: Applications that do not apply the branch, each for a reason of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from slipway_host import applications, diagnosis_argocd, gitops, proof, rbac_manifests, rights
from slipway_host.diagnosis import diagnose
from slipway_host.errors import AccessDeniedError
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_lab import argocd, argocd_token, gitserver
from slipway_lab.kubernetes import apply, kubectl
from support import argocd_objects
from support.argocd_account import least, over_server
from support.worlds import World, Worlds, at_private, deployment, private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway_host.settings import PostgresSettings
    from slipway_lab.layout import Layout

Json = dict[str, Any]
HELD: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "held", "finalizers": ["slipway.invalid/never"]},
}


def source(**changes: object) -> Callable[[Json], object]:
    return lambda app: app["spec"]["source"].update(changes)


def by_hand(app: Json) -> None:
    del app["spec"]["syncPolicy"]["automated"]


def own_project(app: Json) -> None:
    app["spec"]["project"] = app["metadata"]["name"]


def without_path(app: Json) -> None:
    app["spec"]["source"] |= {"path": "charts/none"}
    files = app["spec"]["source"]["helm"]["valueFiles"]
    app["spec"]["source"]["helm"]["valueFiles"] = [f"../{name}" for name in files]


def unwatched(app: Json) -> None:
    app["metadata"]["namespace"] = app["metadata"]["name"]


WORLDS = {
    "no-app": World(
        link="application",
        says=r"has no Application \S+ in namespace argocd, although apps/\S+/app.yaml is on the branch",
        fix="git clone --depth=1 https://",
        application=None,
    ),
    "other-branch": World(
        link="application",
        says=r"follows release, and Slipway commits to branch main",
        fix="kubectl -n argocd patch application {app} --type=merge -p "
        """'{{"spec":{{"source":{{"targetRevision":"main"}}}}}}'""",
        application=source(targetRevision="release"),
    ),
    "other-repo": World(
        link="application",
        says=r"follows https://git.invalid/else.git, and Slipway commits to",
        fix="kubectl -n argocd patch application {app} --type=merge -p ",
        application=source(repoURL="https://git.invalid/else.git"),
    ),
    "other-values": World(
        link="application",
        says=r"reads apps/none/values.yaml, and Slipway writes apps/",
        fix="kubectl -n argocd patch application {app} --type=merge -p "
        """'{{"spec":{{"source":{{"helm":{{"valueFiles":["../apps/{app}/values.yaml"]}}}}}}}}'""",
        application=source(helm={"valueFiles": ["../apps/none/values.yaml"]}),
    ),
    "repo-denied": World(
        link="application",
        says=r"Argo CD cannot read the repository; ComparisonError: .*authentication required",
        fix="argocd repo add https://",
        application=lambda app: source(repoURL=private(app["spec"]["source"]["repoURL"]))(app),
        git=at_private,
    ),
    "no-path": World(
        link="application",
        says=r"Argo CD does not find a path .*ComparisonError: .*app path does not exist",
        fix="git clone --depth=1 --branch=main https://",
        application=without_path,
    ),
    "unrenderable": World(
        link="application",
        says=r"Argo CD cannot render the manifests; ComparisonError: .*settings.host is missing",
        fix="git clone --depth=1 --branch=main https://",
        objects=(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "{{ required `settings.host is missing` .Values.host }}"},
            },
        ),
    ),
    "by-hand": World(
        link="sync",
        says=r"is OutOfSync and its automated sync is off.*Deployment/",
        fix="dagger call sync --service={app}",
        application=by_hand,
    ),
    "invalid": World(
        link="sync",
        says=r"the sync fails and is tried again: .*containerPort: Invalid value: 99999",
        fix="correct the manifest on branch main, then dagger call sync --service={app}",
        objects=(deployment(ports=[{"containerPort": 99999}]),),
    ),
    "window": World(
        link="sync",
        says=r"a sync window of project \S+ holds the sync back; deny \* \* \* \* \* \(UTC\) for 1h",
        fix="kubectl -n argocd edit appproject {app}",
        application=own_project,
    ),
    "no-namespace": World(
        link="sync",
        says=r"namespace \S+ does not exist",
        fix="dagger call secrets --service={app}",
        namespaced=False,
    ),
    "terminating": World(
        link="sync",
        says=r"is being deleted \(Terminating\); .*configmaps. has 1 resource instances",
        fix="kubectl wait --for=delete namespace/{app} --timeout=5m",
        before=(HELD,),
    ),
    "nobody-looks": World(
        link="application",
        says=r"application controller does not answer: a refresh waits for 3 s",
        fix="kubectl -n {app} rollout restart statefulset argocd-application-controller",
        application=unwatched,
        settings=lambda target: replace(target, argocd_namespace=target.namespace),
    ),
    "moved-tag": World(
        link="proof",
        says=r"although its tag aaaa1111 is ours: the tag was moved",
        fix="git commit --allow-empty --message 'A tag of its own' && dagger call deploy --service={app}",
        tag="aaaa1111",
        settings=lambda target: replace(target, commit="aaaa1111" + "0" * 32),
    ),
    "well": World(link="", says="", fix=""),
}


@pytest.fixture(scope="module")
def worlds(layout: Layout) -> Iterator[Worlds]:
    made = Worlds(layout, WORLDS)
    closed = made.name("window")
    held = ("-n", made.name("terminating"), "patch", "configmap", "held", "--type=merge")
    try:
        apply(layout, argocd_objects.closed_project(closed))
        made.images.push("aaaa1111", label="first")
        made.up()
        kubectl(layout, "delete", "namespace", made.name("terminating"), "--wait=false")
        yield made
    finally:
        kubectl(layout, *held, "--patch", json.dumps({"metadata": {"finalizers": None}}))
        made.down()
        kubectl(layout, "-n", "argocd", "delete", "appproject", closed)


@pytest.mark.parametrize("name", WORLDS)
async def test_the_first_broken_link_is_named_with_its_fix(
    worlds: Worlds, kube: KubeClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "nobody-looks":
        monkeypatch.setattr(diagnosis_argocd, "REFRESH_S", 3.0)
    if name == "moved-tag":
        place = worlds.name(name)
        ready = ("--for=condition=Available", f"deployment/{place}", "--timeout=60s")
        kubectl(worlds.layout, "-n", place, "wait", *ready)
        worlds.images.push("aaaa1111", label="second")
    await worlds.check(name, kube)


async def test_walk_and_proof_over_argo_cds_own_api_need_no_right_on_applications_in_the_cluster(
    layout: Layout, worlds: Worlds, kube: KubeClient, postgres: PostgresSettings
) -> None:
    await worlds.check("well", kube)  # at rest
    target = replace(worlds.case("well", None).target, argocd_server=argocd.URL)  # type: ignore[arg-type]
    with least(layout, target, postgres) as kubeconfig:
        async with (
            await KubeClient.connect(SecretStr(kubeconfig)) as weak,
            over_server(layout, argocd_token.token(layout, argocd_token.ACCOUNT)) as own_api,
        ):
            with pytest.raises(AccessDeniedError, match="applications"):
                await worlds.case("well", weak).applications.read(target)
            case = replace(worlds.case("well", weak), applications=own_api)
            found = await diagnose(case)
            commit = gitserver.head_of(layout, worlds.repository)
            proven = await proof.prove(
                weak,
                own_api,
                case.target,
                commit=commit,
                digest=case.digest,
                manifests=case.manifests,
                contains=partial(gitops.contains, case.git, commit),
                report=silent,
                deadline_s=30,
            )
    assert found.error is None, found.text()
    assert (proven.outputs["revision"], len(proven.outputs["pods"])) == (commit, 1)
    held = await diagnose(replace(worlds.case("window", kube), applications=own_api))
    assert (held.links[-1].name, held.evidence) == ("sync", "deny * * * * * for 1h")


async def test_missing_rights_are_told_from_a_missing_application(layout: Layout, worlds: Worlds) -> None:
    place = worlds.name("well")  # fault 78
    kubectl(layout, "-n", place, "create", "serviceaccount", "weak")
    token = kubectl(layout, "-n", place, "create", "token", "weak").strip()
    config = json.loads(kubectl(layout, "config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    async with await KubeClient.connect(SecretStr(json.dumps(config))) as weak:
        document = (await diagnose(worlds.case("well", weak))).document()
    assert document["broken"] == "application"
    assert "forbidden" in document["cause"]
    assert document["fix"] == "kubectl auth can-i get applications --namespace argocd"


async def test_the_optional_right_is_granted_by_what_rbac_prints_with_it(
    layout: Layout, worlds: Worlds, postgres: PostgresSettings
) -> None:
    place = worlds.name("well")
    target = worlds.case("well", None).target  # type: ignore[arg-type]  # the cluster is not asked
    (optional,) = rights.sync_windows(target)
    needed = rights.rights(target, postgres)

    async def missing(account: str, asked: list[rights.Right]) -> list[rights.Right]:
        apply(layout, *rbac_manifests.manifests(asked, account=account, namespace=place))
        token = kubectl(layout, "-n", place, "create", "token", account).strip()
        config = json.loads(kubectl(layout, "config", "view", "--raw", "-o", "json"))
        config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
        async with await KubeClient.connect(SecretStr(json.dumps(config))) as kube:
            return await rights.denied(kube, [*needed, optional])

    accounts = (f"{place}-least", f"{place}-more")
    try:
        assert await missing(accounts[0], needed) == [optional]
        assert await missing(accounts[1], [*needed, optional]) == []
    finally:
        for role in accounts:
            gone = ("--ignore-not-found", role)
            kubectl(layout, "delete", "clusterrole,clusterrolebinding", *gone)
            kubectl(layout, "-n", "argocd", "delete", "role,rolebinding", *gone)


async def test_a_cluster_without_argo_cd_is_told_from_one_without_the_application(
    worlds: Worlds, kube: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lab has Argo CD's CRDs: what its API server answers for a group that it does not have, is the same.
    monkeypatch.setattr(applications, "GROUP", "/apis/argoproj.invalid/v1alpha1")  # fault 78
    document = (await diagnose(worlds.case("well", kube))).document()
    assert document["broken"] == "application"
    assert "Argo CD is not installed" in document["cause"]
    assert document["fix"] == "kubectl get crd applications.argoproj.io"
