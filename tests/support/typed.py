"""Which test runs each command of the pages, and which cannot be run on the lab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.pages import PAGES, ROOT, Command, commands

if TYPE_CHECKING:
    from collections.abc import Iterable

START = ROOT / "docs" / "start.md"
"""Run from its first line to its last by tests/e2e/test_start.py."""

_STEPS = "needs a canary under way: tests/integration/test_rollouts.py has one, and calls the same code"
NOT_RUN = {
    "make demo": "brings up the lab that the tests run on",
    "make test": "runs this test",
    "make lint unit": "CI runs it before this test",
    "make chaos": "takes 40 minutes; its small sizes are run",
    "SLIPWAY_CHAOS=full .venv/bin/python -m pytest tests/chaos/test_kills.py": "likewise",
    "oras cp ghcr.io/aquasecurity/trivy-db:2 registry.acme.com/trivy-db:2": "needs the internet",
    "oras cp -r docker.io/aquasec/trivy:0.73.0 registry.acme.com/trivy:0.73.0": "needs the internet",
    "dagger call promote --service=api": _STEPS,
    "dagger call promote --service=api --full": _STEPS,
    "dagger call abort --service=api": _STEPS,
}
"""Command → why no test runs it."""

INSTALLING = ("pip install git+https://github.com/acme/slipway",)
FIRST = (
    "dagger call doctor",
    "dagger call plan --service=api",
    "dagger call plan --as-json -o plan.json",
    "dagger call deploy --plan=plan.json",
)
"""Run one after the other, beside what is installed, before all else."""

SETTLED = (
    "dagger call deploy --service=game-stats-api",
    "dagger call push",
    "dagger call smoke --service=api",
    "dagger call load --service=api",
)
"""Run side by side: all is in place."""

CHANGING = (
    "git clone --quiet https://github.com/acme/api && cd api",
    "dagger call rotate --service=api --key=JWT_SECRET --confirm=api-secrets",
    "dagger call rotate --service=api --key=DATABASE_URL --confirm=api-secrets --rotation=leak-2026-11",
    "dagger call rollback --revert=<GitOps commit>",
    'dagger call rollback --service=api --reason="500s since 14:05"',
    "dagger call rollback --service=api --service=ui --to=1234abcd",
    'dagger call hold --service=api --reason="incident 7"',
    "dagger call hold --service=api --lift",
    "dagger call undo --service=api",
    "dagger call resume --service=api",
    "dagger call diagnose --service=api",
)
"""Run one after the other, each on what the one before has left."""

BESIDE = (
    "slipway-host rollback --environment=prod --service=api --to=0badc0de",
    "dagger call rbac | kubectl apply -f -",
    "umask 077",
    "dagger call rbac --for-plan | kubectl apply -f -",
    "git clone --quiet --branch slipway-receipts --single-branch https://github.com/acme/gitops receipts",
    "cd ~ && cosign generate-key-pair",
    "cosign verify --key ~/cosign.pub --insecure-ignore-tlog ghcr.io/acme/api@sha256:…",
    "cosign verify-attestation --key ~/cosign.pub --insecure-ignore-tlog --type slsaprovenance1 ghcr.io/acme/api@sha256:…",  # noqa: E501
)
"""Run one after the other, beside those that change what is deployed."""

PREVIEWS = (
    "dagger call --environment=pr-42 preview --service=api",
    "dagger call --environment=pr-42 deploy --service=api",
    "dagger call previews --service=api",
    "dagger call --environment=pr-42 remove-preview --service=api --confirm=pr-42",
)
"""Run one after the other, beside all of those: they are in a namespace of their own."""

NAMED = (*INSTALLING, *FIRST, *SETTLED, *CHANGING, *BESIDE, *PREVIEWS)
READING = {"build", "config", "cost", "history", "init", "kpis", "record", "report", "scan-reports"}
"""Functions that read: every other command that calls one of them is run beside those."""

_VALUE = re.compile(r"=(?:\"[^\"]*\"|\S+)")
_CALL = re.compile(r"^(?:dagger call(?: -m \S+)?|slipway-host)(?: --\S+)* (?P<function>[a-z-]+)")


def typed() -> list[Command]:
    """Return each command of the pages that tests/e2e/test_docs.py runs, once.

    What start.md has, too, is run there; not what is shown with its output. Of commands that differ in
    nothing but the values of their flags, the first stands for all.
    """
    started = {command.line for command in commands(START)}
    found: dict[str, Command] = {}
    for page in PAGES:
        for command in commands(page) if page != START else ():
            if command.line in NOT_RUN or (command.line in started and not command.shown):
                continue
            form = _VALUE.sub("=", command.line)
            if form not in found or (command.shown and not found[form].shown):
                found[form] = command
    return list(found.values())


def reads(command: Command) -> bool:
    """Return whether it calls one of the functions that only read."""
    called = _CALL.match(command.line)
    return bool(called and called["function"] in READING and command.name not in NAMED)


def in_order(names: Iterable[str]) -> list[Command]:
    """Return the commands of these names."""
    there = {command.name: command for command in typed()}
    return [there[name] for name in names]
