"""What a deploy would do, as a document: written by `plan`, read again by `deploy --plan`.

Beside what would happen it keeps the facts that this rests on. A fact is a line for people, and two plans
rest on the same world where all of their facts are equal. No value of a Secret is in it, and no digest of
one: a digest of a weak password is as good as the password.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ConfigDict, ValidationError

from slipway_host.caller import command
from slipway_host.errors import SettingsError, quote
from slipway_host.names import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.config import Config

VERSION: Final = 1
UNKNOWN = "unknown"
"""A fact that this account may not see."""


class Part(Model):
    """Part of the document: its keys are camelCase in JSON, and as usual in Python."""

    model_config = ConfigDict(populate_by_name=True)


class ImagePlan(Part):
    """The image: `push` says that it is yet to be built and pushed, and `latest` that this tag is, too."""

    reference: str
    digest: str
    push: bool
    latest: bool


class SecretsPlan(Part):
    """Namespace, pull secret and Secret; `add` has keys, and `password` whose the database's will be.

    `pull_action` is create, change or keep; `secret` is empty where none is configured.
    """

    namespace: bool
    secret: str
    create: bool
    add: tuple[str, ...]
    differs: tuple[str, ...]
    password: str
    pull_secret: str
    pull_action: Literal["create", "change", "keep"]


class DatabasePlan(Part):
    """The SQL: statements by the database that they run in, in their order."""

    name: str
    statements: dict[str, tuple[str, ...]]


class MigrationPlan(Part):
    """The migration Job; `job` is empty where its name follows from a digest that nobody knows yet."""

    job: str
    runs: bool
    state: str
    command: tuple[str, ...]


class SyncPlan(Part):
    """What Argo CD would do.

    Args:
        application: the Application.
        policy: automated or on request, with prune and self-heal.
        commit: it would get the commit that this plan makes.
        line: what it does at the moment.
        windows: the project's sync windows; None where the account may not read them.
        drift: resources that differ from the branch, which the sync applies as well.
        pruned: resources that are in the branch no more.
        prune: whether the sync deletes those.
        workload: kind and name.
        image: what it runs now; empty before it exists.
        pods: how many.
        strategy: how they are replaced.
    """

    application: str
    policy: str
    commit: bool
    line: str
    windows: tuple[str, ...] | None
    drift: tuple[str, ...]
    pruned: tuple[str, ...]
    prune: bool
    workload: str
    image: str
    pods: int
    strategy: str

    @property
    def acts(self) -> bool:
        """Whether anything in the cluster would change by it."""
        return self.commit or bool(self.drift) or bool(self.pruned and self.prune)


class FilePlan(Part):
    """One file of the GitOps repository: the digest of its bytes before, and the unified diff."""

    path: str
    before: str
    diff: str


class CommitPlan(Part):
    """One commit; the run's own id in its message is yet unknown.

    `proposal` is the branch of a pull request, and `proposed` says that it has this very change already.
    """

    apps: tuple[str, ...]
    message: str
    files: tuple[FilePlan, ...]
    proposal: str
    proposed: bool


class Refusal(Part):
    """Why a deploy would stop, and what helps."""

    stage: str
    cause: str
    next: str


class ServicePlan(Part):
    """One service; a part is None where it could not be looked at, for which `refused` has the reason."""

    service: str
    app: str
    namespace: str
    values: str
    values_before: str
    gates: tuple[str, ...]
    image: ImagePlan | None
    secrets: SecretsPlan | None
    database: DatabasePlan | None
    migration: MigrationPlan | None
    sync: SyncPlan | None
    refused: tuple[Refusal, ...]
    facts: dict[str, str]


class Plan(Part):
    """All of it.

    Args:
        plan_version: of this form.
        run: the run that made the plan.
        planned_at: when, in UTC.
        environment: where to.
        commit: full hash of the source commit.
        repository: the GitOps repository.
        branch: its branch, and `head` what that was then; that it moves is no matter by itself.
        config: digest of the configuration that counts in the environment.
        services: one for each.
        commits: what would be committed, all services' at once unless one of them is refused.
        receipts: branch that keeps the run's receipt, whatever the run does; empty for none.
        summary: the one sentence.
    """

    plan_version: Literal[1]
    run: str
    planned_at: str
    environment: str
    commit: str
    repository: str
    branch: str
    head: str
    config: str
    services: tuple[ServicePlan, ...]
    commits: tuple[CommitPlan, ...]
    receipts: str
    summary: str

    @property
    def names(self) -> tuple[str, ...]:
        """The services."""
        return tuple(service.service for service in self.services)

    def to_json(self) -> str:
        """Return the document."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)


def read(text: str, *, name: str) -> Plan:
    """Return a saved plan.

    Args:
        text: of the file.
        name: of the file, for errors.

    Raises:
        SettingsError: it is none, or of another version of Slipway.
    """
    again = command("plan", "--as-json")
    try:
        found = json.loads(text)
        version = found["planVersion"]
    except (ValueError, TypeError, KeyError):
        raise SettingsError(f"{name} is no saved plan", next_command=again) from None
    if not found.get("services"):
        raise SettingsError(f"{name} is a plan of no service: there is nothing to deploy", next_command=again)
    if version != VERSION:
        raise SettingsError(
            f"{name} has planVersion {quote(str(version), limit=20)}, and this Slipway writes {VERSION}",
            next_command=again,
        )
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"{name} is no saved plan: {quote(at, limit=100)}: {first['msg']}", next_command=again
        ) from None


def digest_of(data: bytes) -> str:
    """Return the digest that facts and guards know a file by."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_digest(config: Config, environment: str, names: Sequence[str]) -> str:
    """Return a digest of all that the configuration says of these services in this environment.

    Defaults count as well: another version of Slipway may have others.
    """
    parts: list[Any] = [config.model_dump(mode="json", exclude={"environments", "services"})]
    for name in sorted(names):
        # With what the environment says of this service; what it says of others is no matter.
        place = config.environment(environment, name).model_dump(mode="json", exclude={"services"})
        parts.append([name, config.services[name].model_dump(mode="json"), place])
    return digest_of(json.dumps(parts, sort_keys=True).encode())
