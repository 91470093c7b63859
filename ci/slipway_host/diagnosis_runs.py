"""The links of a diagnosis that only the run itself has seen: tests, build, scan and push, by its receipt.

They tell of the commit that the values file names, or of HEAD where that is not deployed and is asked for.
What is deployed has passed its gates at some time: then nothing that a run says is broken. And where no run
is known, that is what is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.diagnosis_branch import branch
from slipway_host.diagnosis_case import BrokenLinkError, Unknown
from slipway_host.errors import quote
from slipway_host.run_facts import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.diagnosis_case import Branch, Case
    from slipway_host.receipt_model import StageReceipt
    from slipway_host.receipts import Stored

GATES = {
    "tests": ("test",),
    "build": ("build",),
    "scan": ("scan-source", "scan-image"),
    "push": ("push", "sign", "verify"),
}
"""Link → the stages that it is about."""
OPTIONAL = frozenset({"sign", "verify"})
FUNCTIONS = {
    "preflight": "doctor",
    "test": "test",
    "build": "build",
    "scan-source": "scan",
    "scan-image": "scan",
    "push": "push",
    "sign": "sign",
    "verify": "verify",
    "secrets": "secrets",
    "database": "database",
    "migrate": "migrate",
    "gitops": "gitops",
}
"""Stage up to the GitOps commit → the function that shows its failure anew."""
CAUSE_LIMIT = 500


async def tests(case: Case) -> str | Unknown:
    """Say how the tests ended."""
    return await _gate(case, "tests")


async def build(case: Case) -> str | Unknown:
    """Say how the build ended."""
    return await _gate(case, "build")


async def scan(case: Case) -> str | Unknown:
    """Say what the scans of source and image found."""
    return await _gate(case, "scan")


async def push(case: Case) -> str | Unknown:
    """Say how push and signature ended."""
    return await _gate(case, "push")


async def _gate(case: Case, link: str) -> str | Unknown:
    """Say what the newest run of the commit found; of a deployed one, the newest that came to its end."""
    seen, stages = await branch(case), GATES[link]
    tag = case.head_tag if case.expect_head or not seen.tag else seen.tag
    deployed = tag == seen.tag
    runs = [one for one in seen.runs if one.receipt.tag == tag and _ended(one, _ALL)]
    shown = quote(tag, limit=80)
    if not runs:
        why = f": {seen.silence}" if seen.silence else ""
        return Unknown(f"no run of {shown} in {case.target.environment} is known{why}")
    run = next((one for one in runs if deployed and _written(one)), runs[0])
    name = run.receipt.run
    failed = _failed(run, stages)
    if failed and not deployed:
        raise BrokenLinkError(
            f"{failed.stage} of {shown} failed in run {name}",
            fix=case.call(FUNCTIONS[failed.stage]),
            evidence=quote(failed.summary, limit=CAUSE_LIMIT),
        )
    if failed:
        return Unknown(f"{shown} is deployed, although {_told(failed, name)}")
    later = _failed(runs[0], stages)
    if later:
        case.notes.append(f"{shown} is deployed, and then {_told(later, runs[0].receipt.run)}")
    return _said(run, stages)


_ALL = tuple(stage for stages in GATES.values() for stage in stages)


def _said(run: Stored, stages: Sequence[str]) -> str | Unknown:
    ended = _ended(run, stages)
    several = len(stages) - len(OPTIONAL & set(stages)) > 1 or len(ended) > 1
    said = [f"{one.stage}: {one.summary}" if several else one.summary for one in ended]
    lacking = [stage for stage in stages if run.service.stage(stage) is None and stage not in OPTIONAL]
    if lacking:
        stopped = f", which {run.service.failed_stage} stopped" if run.service.failed_stage else ""
        said.append(f"{', '.join(lacking)} did not come to an end in run {run.receipt.run}{stopped}")
        return Unknown(quote("; ".join(said), limit=CAUSE_LIMIT))
    line = quote(f"{'; '.join(said)} (run {run.receipt.run})", limit=CAUSE_LIMIT)
    return Unknown(line) if any(one.status == "Inconclusive" for one in ended) else line


def of_head(case: Case, seen: Branch) -> tuple[str, str]:
    """Return how HEAD's newest run ended, and the function that shows a failure anew; else `deploy`."""
    runs = [one for one in seen.runs if one.receipt.tag == case.head_tag]
    if not runs:
        why = f": {seen.silence}" if seen.silence else ""
        return f"no run of HEAD is known{why}", "deploy"
    run, name = runs[0].service, runs[0].receipt.run
    if run.status == "Waiting":
        return f"run {name} waits for the merge of {quote(run.pull_request)}", "deploy"
    if run.status != "Failed":
        return f"run {name} ended as {run.status}, and the branch was changed since", "deploy"
    told = failure(run.error)
    stage = run.failed_stage or told.stage
    at = run.stage(stage)
    cause = quote(at.summary if at else told.cause.rstrip("."), limit=CAUSE_LIMIT)
    return f"run {name} failed at {quote(stage)}: {cause}", FUNCTIONS.get(stage, "deploy")


def _told(stage: StageReceipt, name: str) -> str:
    return f"{stage.stage} failed in run {name}: {quote(stage.summary, limit=CAUSE_LIMIT)}"


def _ended(run: Stored, stages: Sequence[str]) -> list[StageReceipt]:
    return [found for stage in stages if (found := run.service.stage(stage))]


def _failed(run: Stored, stages: Sequence[str]) -> StageReceipt | None:
    return next((one for one in _ended(run, stages) if one.status == "Failed"), None)


def _written(run: Stored) -> bool:
    found = run.service.stage("gitops")
    return found is not None and found.status != "Failed"
