"""The files of a GitOps repository: chart, Applications, limits and rights (R12, R23)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from slipway_host import rbac_manifests, rights, targets
from slipway_host.errors import SettingsError
from slipway_host.scaffold import templates
from slipway_host.scaffold.outcome import Outcome
from slipway_host.workload import ROLLOUT

if TYPE_CHECKING:
    from slipway_host.config import Config
    from slipway_host.scaffold.outcome import Step
    from slipway_host.scaffold.tree import Tree
    from slipway_host.settings import Target

CHART = "charts/app"
NOBODY = "0" * 40
"""A commit where none is meant: manifests name none."""
ACCOUNTS = "slipway"
"""Namespace of the pipelines' ServiceAccounts, as with `dagger call rbac`."""


def scaffold(
    tree: Tree,
    config: Config,
    *,
    environment: str,
    services: list[str],
    project: str = "",
    tool: str = "dagger call",
) -> Outcome:
    """Return what the GitOps repository needs for services, as Argo CD and the pipeline will look for it.

    Args:
        tree: a clone of the GitOps repository.
        config: the services' configuration.
        environment: whose branch, registry and namespaces count.
        services: keys of the services.
        tool: what the caller types, for the next steps.
        project: an AppProject that is there already; "" makes one for each namespace.

    Raises:
        SettingsError: `gitops.values` gives an application no folder of its own.
    """
    outcome = Outcome()
    git = targets.git_settings(config, environment=environment, username="slipway", token=None)
    found = [targets.target_of(config, name, environment=environment, commit=NOBODY) for name in services]
    folder, rest = _folder(config.gitops.values, environment)
    common = {"repository": git.url, "branch": git.branch, "argocd": config.argocd.namespace, "chart": CHART}
    name = git.url.rstrip("/").removesuffix(".git").rpartition("/")[2].rpartition(":")[2]
    for path, text in templates.chart().items():
        outcome.offer(tree, f"{CHART}/{path}", text)
    for target in found:
        _application(tree, target, outcome, common=common, project=project)
    include = posixpath.join("*", rest, "app.yaml")
    # One root for each environment's folder: the second one to be written takes nothing from the first.
    own = "{environment}" in config.gitops.values
    root = {
        "name": f"{name}-{environment}" if own else name,
        "folder": folder or ".",
        "include": include,
        "shown": posixpath.join(folder, include),
    }
    root_file = f"root-{environment}.yaml" if own else "root.yaml"
    outcome.offer(tree, root_file, templates.render("gitops/root.yaml", **common, **root))
    for namespace in [] if project else sorted({target.namespace for target in found}):
        kinds = {target.workload_kind for target in found if target.namespace == namespace}
        limits = templates.render(
            "gitops/project.yaml",
            **common,
            project=namespace,
            namespace=namespace,
            rollout=ROLLOUT in kinds,
        )
        outcome.offer(tree, f"cluster/project-{namespace}.yaml", limits)
    rbac = f"cluster/rbac-{_account(found)}.yaml"
    outcome.offer(tree, rbac, _rights(config, found))
    at = posixpath.join(folder, "<app>", rest).rstrip("/")
    outcome.offer(
        tree,
        "README.md",
        templates.render("gitops/README.md", **common, name=name, folder_of_app=at, root=root_file),
        compare=False,
    )
    outcome.steps = _steps(outcome, found, branch=git.branch, root=root_file, tool=tool)
    return outcome


def _application(
    tree: Tree, target: Target, outcome: Outcome, *, common: dict[str, str], project: str
) -> None:
    folder = posixpath.dirname(target.values)
    names = {"app": target.app, "namespace": target.namespace, "project": project or target.namespace}
    values, rollout = posixpath.relpath(target.values, CHART), target.workload_kind == ROLLOUT
    text = templates.render("gitops/app.yaml", **common, **names, values=values, rollout=rollout)
    outcome.offer(tree, f"{folder}/app.yaml", text)
    secrets = target.secrets
    keys = [
        *(["DATABASE_URL"] if target.database else []),
        *secrets.generate,
        *secrets.compose,
        *secrets.asked,
    ]
    text = templates.render(
        "gitops/values.yaml",
        **common,
        app=target.app,
        image=target.repository,
        pull_secret=secrets.pull_secret,
        port=target.health_port,
        health=target.health_path,
        secret=secrets.name if keys else "",
        keys=", ".join(keys),
        rollout=rollout,
    )
    # Written once and edited since: by people, and its tag by every deploy.
    outcome.offer(tree, target.values, text, compare=False)


def _folder(values: str, environment: str) -> tuple[str, str]:
    """Return what stands before and after the application's folder in `gitops.values`."""
    folder = posixpath.dirname(values).replace("{environment}", environment)
    part = "{app}" if "{app}" in folder else "{service}"
    before, _, after = folder.partition(part)
    if (
        part not in folder
        or (before and not before.endswith("/"))
        or after[:1] not in {"", "/"}
        or "{" in before + after
    ):
        raise SettingsError(
            f"gitops.values is {values}: an application has no folder there, which its app.yaml needs",
            next_command="set gitops.values to apps/{app}/values.yaml, or write app.yaml by hand",
        )
    return before.rstrip("/"), after.strip("/")


def _account(found: list[Target]) -> str:
    """Return what an account is named by: one service, or the namespace of several."""
    return found[0].app if len(found) == 1 else found[0].namespace


def _rights(config: Config, found: list[Target]) -> str:
    postgres = targets.postgres_settings(config, admin_password=None)
    asked = [right for target in found for right in rights.rights(target, postgres)]
    account = rbac_manifests.account_of(found)
    manifests = rbac_manifests.manifests(
        asked, account=account, namespace=ACCOUNTS, namespaces=[target.namespace for target in found]
    )
    return templates.render("gitops/rbac-head") + rbac_manifests.as_yaml(manifests)


def _steps(outcome: Outcome, found: list[Target], *, branch: str, root: str, tool: str) -> list[Step]:
    apps = ", ".join(target.app for target in found)
    commit = f"git add --all && git commit -m 'Add {apps}' && git push origin HEAD:{branch}"
    once = "once, as the cluster's administrator"
    return [
        *([(commit, "in the GitOps repository, as the next two")] if outcome.new else []),
        ("kubectl apply --server-side -f cluster/", f"{once}: the projects' limits, the pipeline's rights"),
        (
            f"kubectl apply --server-side -f {root}",
            f"{once}, where no root application has every app.yaml already",
        ),
        (f"{tool} doctor", "in the service's repository; then"),
        ("dagger call deploy", ""),
    ]
