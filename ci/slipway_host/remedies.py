"""The one command that mends what keeps pods from coming up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway_host import pods
from slipway_host.connection import URL
from slipway_host.errors import AccessDeniedError
from slipway_host.pull_secret import account

if TYPE_CHECKING:
    from slipway_host.diagnosis_case import Case
    from slipway_host.pods import Json, Trouble

_SECRET = re.compile(r'secret "([^"]+)" not found')
_CONFIG_MAP = re.compile(r'configmap "([^"]+)" not found')
_KEY = re.compile(r"couldn't find key ([^ ]+) in (Secret|ConfigMap) [^/ ]+/([^ ;]+)")
_QUOTA = re.compile(r"exceeded quota: ([^,]+),")


async def remedy(case: Case, trouble: Trouble, pod: Json | None = None) -> tuple[str, str]:
    """Return the command that mends a trouble, and what was found out besides.

    Args:
        case: the service.
        trouble: what keeps a pod, or the workload, from coming up.
        pod: the pod, where it is one's.
    """
    if pod and trouble.reason in {"ErrImagePull", "ImagePullBackOff"}:
        return await _pull(case, trouble, pod)
    file, then = case.target.values, f", then {case.call('sync')}"
    asks = "resources.requests" if "Insufficient" in trouble.cause else "nodeSelector or tolerations"
    known = {
        "Unschedulable": f"correct {asks} in {file}{then}",
        "CrashLoopBackOff": case.call("logs", "--previous"),
        "Unhealthy": case.call("logs", "--tail=50"),
    }
    if "OOMKilled" in trouble.cause:
        known["CrashLoopBackOff"] = f"raise resources.limits.memory in {file}{then}"
    if found := _QUOTA.search(trouble.cause):
        return f"kubectl -n {case.target.namespace} edit resourcequota {found[1]}", ""
    return _absent(case, trouble.cause) or known.get(trouble.reason) or trouble.next_command, ""


def _absent(case: Case, text: str) -> str:
    """Return what makes the Secret, ConfigMap or key that the kubelet misses; empty for anything else."""
    if found := _KEY.search(text):
        return _made(case, kind=found[2], name=found[3], key=found[1])
    if found := _SECRET.search(text):
        return _made(case, kind="Secret", name=found[1], key="")
    if found := _CONFIG_MAP.search(text):
        return _made(case, kind="ConfigMap", name=found[1], key="")
    return ""


def _made(case: Case, *, kind: str, name: str, key: str) -> str:
    """Return what makes a Secret or ConfigMap that pods ask for; Slipway's own is made by Slipway."""
    secrets, namespace = case.target.secrets, case.target.namespace
    managed = {URL, *secrets.generate, *secrets.compose, *secrets.asked}
    if kind == "Secret" and name == secrets.name and (not key or key in managed):
        return case.call("secrets", secret=key if key in secrets.asked else "")
    literal = f"--from-literal={key or 'KEY'}=VALUE"
    made = "secret generic" if kind == "Secret" else "configmap"
    if not key:
        return f"kubectl -n {namespace} create {made} {name} {literal}"
    words = f'{{"{"stringData" if kind == "Secret" else "data"}":{{"{key}":"VALUE"}}}}'
    return f"kubectl -n {namespace} patch {kind.lower()} {name} -p '{words}'"


async def _pull(case: Case, trouble: Trouble, pod: Json) -> tuple[str, str]:
    host = case.registry.host
    known = {
        pods.MISSING: case.call("deploy"),
        pods.UNREACHED: f"curl -sS https://{host}/v2/, on node {pod['spec'].get('nodeName', '')}",
    }
    if pods.DENIED in trouble.cause:
        return await _refused(case, pod)
    return next((fix for cause, fix in known.items() if cause in trouble.cause), trouble.next_command), ""


async def _refused(case: Case, pod: Json) -> tuple[str, str]:
    """Tell a pull secret that is not named, not there, another account's or without the right."""
    target, host = case.target, case.registry.host
    names = [str(one.get("name", "")) for one in pod["spec"].get("imagePullSecrets") or []]
    own = target.secrets.pull_secret
    if own not in names:
        has = f"only {', '.join(names)}" if names else "no pull secret"
        fix = f"add {own} to imagePullSecrets in {target.values}, then {case.call('sync')}"
        return fix, f"the pod names {has}, and Slipway's is {own}"
    try:
        secret = await case.kube.find(f"/api/v1/namespaces/{target.namespace}/secrets/{own}")
    except AccessDeniedError as error:
        return case.call("secrets"), f"the pull secret {own} cannot be read: {error.cause}"
    if secret is None:
        return case.call("secrets"), f"the pull secret {own} does not exist in namespace {target.namespace}"
    ours = (case.registry.username, case.registry.password.get_secret_value())
    if account(secret, host) != ours:
        fact = f"the pull secret {own} does not have the account that Slipway has for {host}"
        return case.call("secrets"), fact
    fact = f"the pull secret {own} has Slipway's own account for {host}"
    return f"allow {case.registry.username} to pull {target.repository} at {host}", fact
