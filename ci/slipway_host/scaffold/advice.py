"""What a script does that has no place in `slipway.yaml`, and what takes its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.scaffold.secretive import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.scaffold.script import Command, Script


@dataclass(frozen=True, kw_only=True, order=True)
class Advice:
    """One line for whoever moves over: where, what stands there, and what to know.

    Args:
        line: of the script.
        what: what stands there, in short and without values.
        instead: what Slipway does, or what somebody has to do.
    """

    line: int
    what: str
    instead: str


def _has(*words: str) -> Callable[[Command], bool]:
    """Return a test for a command that has these words, in any order."""
    return lambda command: all(word in command.raw for word in words)


def _prints_secret(command: Command) -> bool:
    if command.program not in {"echo", "printf", "info", "log", "log_info"} or not command.shown:
        return False
    return any(is_secret(name, "") for name in re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", command.text))


# The first that fits a command counts; each is told once, with the lines of all.
RULES: tuple[tuple[str, Callable[[Command], bool], str], ...] = (
    (
        "Trivy's result is thrown away (`|| true`)",
        lambda c: c.program == "trivy" and c.ignored,
        "`scan` tells findings from a scan that failed; environments.<name>.scan says what stops a run",
    ),
    ("Trivy", lambda c: c.program == "trivy", "`scan` does it, with environments.<name>.scan as its policy"),
    (
        "a password in an argument of docker login, where every process sees it",
        lambda c: (
            c.program == "docker"
            and "login" in c.raw
            and any(w in {"-p", "--password"} or w.startswith("--password=") for w in c.raw)
        ),
        "registryPassword=env://REGISTRY_PASSWORD in .env: it stays a secret of the engine",
    ),
    (
        "docker login",
        lambda c: c.program == "docker" and "login" in c.raw,
        "registryUsername and registryPassword in .env",
    ),
    (
        "docker build",
        lambda c: c.program in {"docker", "buildctl", "podman"} and bool({"build", "buildx"} & set(c.raw)),
        "`build` does it",
    ),
    (
        "pushes the tag latest",
        lambda c: c.program == "docker" and "push" in c.raw and any(w.endswith(":latest") for w in c.raw),
        "`push` writes latest in dev, and never in prod",
    ),
    (
        "docker push",
        lambda c: c.program == "docker" and "push" in c.raw,
        "`push` does it, and returns the digest",
    ),
    (
        "kubectl set image: Argo CD's selfHeal takes it back",
        lambda c: c.program == "kubectl" and "set" in c.raw and "image" in c.raw,
        "`gitops` commits the tag, and Argo CD applies it; drop this line",
    ),
    (
        "scales to 0: an outage that no rollout needs",
        lambda c: c.program == "kubectl" and "scale" in c.raw and bool(re.search(r"replicas[= ]0", c.text)),
        "drop it; `rollback` needs none either",
    ),
    (
        "deletes a Secret, and with it every session or key that hangs on it",
        lambda c: c.program == "kubectl" and "delete" in c.raw and bool({"secret", "secrets"} & set(c.raw)),
        "`secrets` adds missing keys and never changes one; `rotate` does, when asked",
    ),
    (
        "makes the pull secret",
        lambda c: c.program == "kubectl" and "docker-registry" in c.raw,
        "`secrets` makes registry-credentials, and renews it when the account changed",
    ),
    (
        "makes a Secret with every run",
        lambda c: c.program == "kubectl" and "create" in c.raw and "secret" in c.raw,
        "`secrets` makes it once and never changes a value",
    ),
    (
        "makes the namespace",
        lambda c: c.program == "kubectl" and "create" in c.raw and bool({"ns", "namespace"} & set(c.raw)),
        "`secrets` makes it",
    ),
    (
        "runs psql",
        lambda c: c.program == "psql" or (c.program == "kubectl" and "psql" in c.raw),
        "`database` makes role, database and grants; services.<name>.migration runs what is yours",
    ),
    (
        "makes a random value with every run",
        lambda c: (
            (c.program == "openssl" and "rand" in c.raw)
            or c.program in {"uuidgen", "pwgen"}
            or "urandom" in c.text
        ),
        "secrets.generate makes it once and keeps it",
    ),
    (
        "waits for the rollout",
        lambda c: c.program == "kubectl" and "rollout" in c.raw and "status" in c.raw,
        "`rollout`, `health` and `proof` do, and fail in seconds where pods cannot start",
    ),
    (
        "restarts the pods",
        lambda c: c.program == "kubectl" and "rollout" in c.raw and "restart" in c.raw,
        "a new tag is a new rollout; drop it",
    ),
    (
        "kubectl apply",
        lambda c: (
            c.program == "kubectl"
            and "apply" in c.raw
            and any(w in {"-f", "-k"} for w in c.raw)
            and "-" not in c.raw
        ),
        "put the manifest into the GitOps repository: Argo CD applies it",
    ),
    (
        "helm changes the cluster past Argo CD",
        lambda c: c.program == "helm" and bool({"upgrade", "install"} & set(c.raw)),
        "Argo CD renders the chart; drop it",
    ),
    ("argocd", lambda c: c.program == "argocd", "`sync` does it, bound to the pushed commit"),
    (
        "edits the values file",
        lambda c: c.program in {"yq", "sed"} and bool(re.search(r"image\W*tag|\.tag|values", c.text)),
        "`gitops` changes the tag's scalar and no other byte",
    ),
    (
        "one push, lost when somebody else is faster",
        lambda c: c.program == "git" and "push" in c.raw,
        "`gitops` fetches and tries again",
    ),
    (
        "downloads what it then runs",
        lambda c: c.program in {"curl", "wget"} and bool(re.search(r"\.sh\b|raw\.githubusercontent", c.text)),
        "nothing is downloaded to be run; what that script does is for you to look at",
    ),
    (
        "runs another script, which was not read",
        lambda c: (
            c.program in {"source", "."}
            or (c.program in {"bash", "sh"} and len(c.raw) > 1 and "-c" not in c.raw)
        ),
        "look into it: --from reads one file",
    ),
    (
        "prints every command with its values (set -x)",
        lambda c: c.program == "set" and any(re.fullmatch(r"-\w*x\w*", w) for w in c.raw),
        "no secret is in any output; drop it",
    ),
    ("prints a secret", _prints_secret, "no secret is in any output; rotate what is in old logs"),
)
SILENT = ("docker build", "docker login", "docker push", "argocd", "Trivy")
"""What is done just so: nobody has to be told line by line."""


def advice(script: Script) -> list[Advice]:
    """Return what to know of the script's commands, by line; what is said of several lines, once."""
    found: dict[str, list[int]] = {}
    told: dict[str, str] = {}
    for command in script.commands:
        rule = next(((what, instead) for what, fits, instead in RULES if fits(command)), None)
        if rule and rule[0] not in SILENT:
            found.setdefault(rule[0], []).append(command.line)
            told[rule[0]] = rule[1]
    return sorted(
        Advice(line=lines[0], what=what + _also(lines[1:]), instead=told[what])
        for what, lines in found.items()
    )


def _also(lines: list[int]) -> str:
    more = sorted(set(lines))
    return f", also in line{'s' if len(more) > 1 else ''} {', '.join(map(str, more))}" if more else ""
