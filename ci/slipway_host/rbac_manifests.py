"""The rights of `rights` as manifests: a ServiceAccount, Roles and bindings, and Argo CD's own policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from slipway_host.rights import ARGOCD_ACTIONS, NAME, RBAC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slipway_host.pods import Json
    from slipway_host.rights import Right
    from slipway_host.settings import Target


def policy(targets: Sequence[Target], *, for_plan: bool = False) -> str:
    """Return, as comments, the policy that Argo CD's own API needs for its account; empty without one."""
    named = sorted({target.app for target in targets if target.argocd_server})
    if not named:
        return ""
    actions = ["get"] if for_plan else list(ARGOCD_ACTIONS)
    lines = [f"p, role:{NAME}, applications, {action}, */{app}, allow" for app in named for action in actions]
    head = [
        "# Argo CD's Applications are reached by its own API (argocd.server): the account of the",
        "# ARGOCD_AUTH_TOKEN needs these lines in policy.csv of the ConfigMap argocd-rbac-cm:",
    ]
    granted = [f"#   {one}" for one in (*lines, f"g, <account>, role:{NAME}")]
    unneeded = [] if for_plan else ["# Without undo and resume, nothing needs update."]
    return "\n".join([*head, *granted, *unneeded, ""])


def account_of(targets: Sequence[Target]) -> str:
    """Return what the services' account is called: by the one service, or by the namespace of several.

    Another repository has another one: under one name, the roles of the second would replace the first's.
    """
    return f"{NAME}-{targets[0].app if len(targets) == 1 else targets[0].namespace}"


def manifests(
    asked: Iterable[Right], *, account: str, namespace: str, namespaces: Iterable[str] = ()
) -> list[Json]:
    """Return the ServiceAccount, and a Role and its binding for each namespace, that grant the rights.

    Args:
        asked: rights of all services.
        account: name of the ServiceAccount.
        namespace: where it is.
        namespaces: those of the services, which a Role needs before it can be made.
    """
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": NAME}
    body: list[Json] = [
        # Nothing but the name: what an existing one has besides stays.
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in sorted({namespace, *namespaces})
        ),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": namespace, "labels": labels},
        },
    ]
    every = sorted(set(asked))
    for place in sorted({right.namespace for right in every}):
        kind = "Role" if place else "ClusterRole"
        metadata: Json = {"name": account, "labels": labels}
        if place:
            metadata["namespace"] = place
        body += [
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": kind,
                "metadata": metadata,
                "rules": _rules([right for right in every if right.namespace == place]),
            },
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": account},
                "subjects": [subject],
            },
        ]
    return body


def as_yaml(body: Iterable[Json]) -> str:
    """Return manifests as one text for `kubectl apply -f -`."""
    import io

    from ruamel.yaml import YAML

    yaml, text = YAML(), io.StringIO()
    # Each document stands by itself: what two of them share is written twice.
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.explicit_start = True
    yaml.dump_all(list(body), text)
    return text.getvalue()


def _rules(asked: list[Right]) -> list[Json]:
    """Return one rule for each object or kind, with all of its verbs."""
    grouped: dict[Right, list[str]] = {}
    for right in asked:
        verbs = grouped.setdefault(replace(right, verb="", use=""), [])
        if right.verb not in verbs:
            verbs.append(right.verb)
    return [
        {
            "apiGroups": [right.group],
            "resources": [right.resource],
            **({"resourceNames": [right.name]} if right.name else {}),
            "verbs": sorted(verbs),
        }
        for right, verbs in grouped.items()
    ]
