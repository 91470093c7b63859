"""A plan for people: what would change, service by service, and one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.connection import URL
from slipway_host.secrets import NEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from slipway_host.plan import CommitPlan, Plan, SecretsPlan, ServicePlan, SyncPlan

WIDTH = 10
NOTHING = "Nothing would change."


def screen(plan: Plan) -> str:
    """Return the whole plan."""
    lines = [f"Plan for {plan.environment} of commit {plan.commit}"]
    for service in plan.services:
        lines += ["", f"{service.service}: namespace {service.namespace}, Application {service.app}"]
        lines += [line for part, rows in _parts(service, plan.commits) for line in _rows(part, rows)]
    for commit in plan.commits:
        lines += ["", *_commit(plan, commit)]
    if plan.receipts:
        lines += ["", f"Whatever it does, the run keeps its receipt on branch {plan.receipts}."]
    return "\n".join([*lines, "", plan.summary])


def sentence(services: Sequence[ServicePlan], commits: Sequence[CommitPlan]) -> str:
    """Return what the plan comes to."""
    refused = [f"{one.service}: {why.stage}: {why.cause}" for one in services for why in one.refused]
    if refused:
        return f"Would be refused: {'; '.join(refused)}"
    found = {service.service: changed(service, commits) for service in services}
    count = sum(map(len, found.values()))
    if not count:
        return NOTHING
    said = [f"{', '.join(parts)} of {name}" for name, parts in found.items() if parts]
    return f"{count} change{'s' if count > 1 else ''}: {'; '.join(said)}."


def changed(service: ServicePlan, commits: Sequence[CommitPlan]) -> list[str]:
    """Return the parts of a service that would change."""
    return [
        part
        for part, rows in _parts(service, commits)
        if any(row.startswith(("+ ", "~ ", "- ")) for row in rows)
    ]


def _rows(part: str, rows: Sequence[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"  {'' if number else part:<{WIDTH}}{row}".rstrip()


def _parts(service: ServicePlan, commits: Sequence[CommitPlan]) -> Iterator[tuple[str, list[str]]]:
    """Yield each part with its lines: + what comes, ~ what changes, - what goes, = what is there."""
    yield "image", _image(service)
    if service.gates:
        yield "gates", [f"? {line}" for line in service.gates]
    if service.secrets:
        yield "secrets", _secrets(service.secrets)
    if service.database:
        yield "database", _database(service)
    if service.migration:
        yield "migrate", _migration(service)
    yield "gitops", _gitops(service, commits)
    if service.sync:
        yield "argocd", _sync(service.sync)
    if service.refused:
        yield (
            "refused",
            [
                line
                for why in service.refused
                for line in (f"! {why.stage}: {why.cause}", *([f"  next: {why.next}"] if why.next else []))
            ],
        )


def _image(service: ServicePlan) -> list[str]:
    image = service.image
    if image is None:
        return []
    if not image.push:
        return [f"= {image.reference} is in the registry as {image.digest}"]
    latest = ", and as latest" if image.latest else ", and not as latest"
    return [f"+ {image.reference} is built and pushed{latest}; its digest is known then"]


def _secrets(planned: SecretsPlan) -> list[str]:
    rows = []
    if planned.namespace:
        rows.append("+ the namespace is created")
    if planned.secret:
        how = "is created with" if planned.create else "gets"
        if planned.add:
            rows.append(f"+ Secret {planned.secret} {how} {', '.join(_keys(planned))}")
        else:
            rows.append(f"= Secret {planned.secret} has all of its keys")
        if planned.differs:
            rows.append(f"= left as stored, not as given or composed: {', '.join(planned.differs)}")
    pull = {
        "create": f"+ pull secret {planned.pull_secret} is created",
        "change": f"~ pull secret {planned.pull_secret} gets this account for the registry",
        "keep": f"= pull secret {planned.pull_secret} is in place",
    }
    return [*rows, pull[planned.pull_action]]


def _keys(planned: SecretsPlan) -> Iterator[str]:
    for key in planned.add:
        if key == URL and planned.password:
            word = "a new password" if planned.password == NEW else f"the password of {planned.password}"
            yield f"{key} ({word})"
        else:
            yield key


def _database(service: ServicePlan) -> list[str]:
    found = service.database
    if found is None or not found.statements:
        return [f"= database {found.name} is complete" if found else ""]
    rows = []
    for name, statements in found.statements.items():
        rows.append(f"+ in database {name}:")
        rows += [f"    {statement};" for statement in statements]
    return rows


def _migration(service: ServicePlan) -> list[str]:
    found = service.migration
    if found is None:
        return []
    named = f"Job {found.job}" if found.job else "a Job, named by the digest,"
    if found.runs:
        again = " once more, since it has failed before" if found.state == "failed" else ""
        return [f"+ {named} runs{again}: {' '.join(found.command)}"]
    return [f"= {named} {'has run already' if found.state == 'done' else 'runs already'}"]


def _gitops(service: ServicePlan, commits: Sequence[CommitPlan]) -> list[str]:
    for commit in commits:
        if service.app not in commit.apps:
            continue
        if commit.proposed:
            return [f"= {service.values} is proposed already, on {commit.proposal}"]
        where = (
            f"proposed by a pull request from {commit.proposal}, and not deployed before its merge"
            if commit.proposal
            else "committed"
        )
        return [f"~ {service.values} is changed and {where}: see below"]
    return [] if service.refused else [f"= {service.values} names this image already"]


def _sync(found: SyncPlan) -> list[str]:
    rows = [f"= {found.application}: {found.policy}", f"= {found.line}"]
    if found.windows is None:
        rows.append("? whether the project has sync windows, this account may not see")
    rows += [f"? sync window: {one}" for one in found.windows or ()]
    if found.commit:
        rows.append("~ the new commit is applied")
        if not found.image:
            rows.append(f"+ {found.workload} is created, as the chart says")
        else:
            rows.append(f"~ {found.workload} runs {found.image} now")
            rows.append(f"~ its {found.pods} pod(s) are replaced: {found.strategy}")
    rows += [f"~ out of sync, and applied as well: {one}" for one in found.drift]
    for one in found.pruned:
        rows.append(
            f"- {one} is deleted (prune)"
            if found.prune
            else f"= {one} stays, although the branch has it no more"
        )
    return rows


def _commit(plan: Plan, commit: CommitPlan) -> Iterator[str]:
    where = f"{commit.proposal}, proposed to {plan.branch}" if commit.proposal else plan.branch
    yield f"commit to {where} of {plan.repository}:"
    yield ""
    yield from (f"    {line}".rstrip() for line in commit.message.rstrip("\n").split("\n"))
    for file in commit.files:
        yield ""
        # At the margin, as in a patch: that is where readers and `git apply` look for + and -.
        yield from file.diff.rstrip("\n").split("\n")
