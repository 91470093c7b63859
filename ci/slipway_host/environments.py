"""What `slipway.yaml` says of one environment, and how one environment inherits from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from slipway_host.errors import SettingsError, nearest, quote
from slipway_host.load_config import LoadPolicy
from slipway_host.names import (
    DNS_LABEL,
    AppPattern,
    Branch,
    DnsLabel,
    EnvName,
    ImagePrefix,
    Model,
    NamespacePattern,
    Severity,
    problem,
)
from slipway_host.notices import Notifications
from slipway_host.preview_model import Preview  # noqa: TC001 - pydantic reads the annotation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROD = "prod"

Mode = Literal["push", "pull-request"]
Wait = Literal["opened", "merged"]
MODE = "push: commit to the branch; pull-request: propose the commit there"
WAIT = (
    "how a run in mode pull-request ends: opened: as Waiting, with the pull request's address; merged: it "
    "waits for the merge and goes on to the proof"
)


OLDEST_DATABASE_DAYS = 7
"""Published four times a day: after a week every mirror is broken, and no holiday is that long."""


def _where_it_fails(data: dict[str, Any]) -> bool:
    return data.get("gate") == "fail"


def _a_week_where_it_fails(data: dict[str, Any]) -> int | None:
    return OLDEST_DATABASE_DAYS if _where_it_fails(data) else None


class Scan(Model):
    """What the scanner's findings do to a run."""

    gate: Literal["report", "fail"] = Field(
        "report", description="fail: findings stop the run; report: they never do"
    )
    severity: Severity = Field("CRITICAL", description="lowest severity that the gate looks at")
    only_new: bool = Field(
        default=False,
        description="the gate leaves out findings of the image that the running image has as well: no worse "
        "than now is good enough",
    )
    fixable_only: bool = Field(
        default=False, description="the gate looks only at findings that a newer version fixes"
    )
    fail_when_broken: bool = Field(
        default_factory=_where_it_fails,
        description="a scanner that could not scan stops the run; default: true where gate is fail",
    )
    max_database_age_days: Annotated[int, Field(ge=1, le=365)] | None = Field(
        default_factory=_a_week_where_it_fails,
        description="with an older vulnerability database, the scanner counts as one that could not scan: "
        "what became known since would pass; null for no limit; "
        f"default: {OLDEST_DATABASE_DAYS} where gate is fail, else none",
    )
    refuse_end_of_life: bool = Field(
        default=False,
        description="the gate stops an image whose operating system gets no security updates any more, so "
        "that nothing new is found in it",
    )


class ServiceOverride(Model):
    """How one service differs in one environment; it wins over everything else."""

    app: AppPattern | None = Field(None, description="application of this service here")
    namespace: NamespacePattern | None = Field(None, description="namespace of this service here")
    build_args: dict[EnvName, str] = Field(
        default_factory=dict, description="build arguments of this service here, over all others"
    )


class Environment(Model):
    """How one environment differs from the others; what it leaves out, it inherits."""

    extends: DnsLabel | None = Field(
        None, description="environment to inherit from; default: none, and for dev and prod the built-in one"
    )
    scan: Scan = Field(Scan(), description="what the scanner's findings do to a run")
    load: LoadPolicy = Field(LoadPolicy(), description="what the services' load checks do to a run")
    latest: bool = Field(
        default=False,
        description="also publish the tag `latest`; never in prod, nor in what extends it; in the built-in "
        "dev: true",
    )
    require_signature: bool = Field(
        default=False,
        description="the GitOps commit waits for a verified signature and provenance of each image; a run "
        "with nothing to verify them with is refused before it begins",
    )
    registry: ImagePrefix | None = Field(
        None,
        description="registry and namespace of this environment's images; needed where its build arguments "
        "differ: a tag names one image. Default: the top level's",
    )
    app: AppPattern | None = Field(
        None,
        description="applications here, where one GitOps branch or one Argo CD has those of several "
        "environments: {app} is the service's own, {environment} the environment's name, as in "
        "{app}-{environment}; default: {app}",
    )
    namespace: NamespacePattern | None = Field(
        None, description="namespace of all services here; {app} and {environment} are filled in"
    )
    preview: Preview | None = Field(
        None, description="of a pattern: its environments are copies of another one, made on request"
    )
    rollback: Literal["manual", "automatic"] = Field(
        "manual",
        description="automatic: a deploy whose new version does not become healthy fails and returns to the "
        "previous good one; manual: it fails and changes nothing more",
    )
    branch: Branch | None = Field(None, description="branch of the GitOps repository; default: gitops.branch")
    mode: Mode | None = Field(None, description=f"{MODE}; default: gitops.mode")
    wait: Wait | None = Field(None, description=f"{WAIT}; default: gitops.wait")
    notifications: Notifications = Field(
        Notifications(), description="who is told how a run ended; by default nobody"
    )
    build_args: dict[EnvName, str] = Field(
        default_factory=dict, description="build arguments of all services here, over the services' own"
    )
    services: dict[DnsLabel, ServiceOverride] = Field(
        default_factory=dict, description="how single services differ here"
    )


BUILT_IN: dict[str, dict[str, Any]] = {
    "dev": {"latest": True},
    PROD: {"latest": False, "scan": {"gate": "fail"}, "load": {"gate": "fail"}},
}
"""R2, as one would write it in `slipway.yaml`."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One environment's own words, before anything is inherited.

    Args:
        name: the environment.
        built_in: it is Slipway's, not the file's.
        data: its keys as in the file.
    """

    name: str
    built_in: bool
    data: dict[str, Any]


def layers(written: Mapping[str, Environment], name: str) -> list[Layer]:
    """Return what an environment consists of; later layers win.

    The built-in prod stays in prod whatever else prod extends, so that no parent can loosen it.

    Raises:
        SettingsError: no such environment, or a circle of `extends`.
    """
    return _layers(written, name, ())


def _layers(written: Mapping[str, Environment], name: str, below: tuple[str, ...]) -> list[Layer]:
    if name in below:
        circle = " extends ".join([*below[below.index(name) :], name])
        raise SettingsError(f"environments extend each other in a circle: {circle}")
    key = key_of(written, name)
    if key is None:
        known = known_environments(written)
        there = f"there are {', '.join(known)}{nearest(name, known)}"
        raise SettingsError(
            f"unknown environment {quote(name, limit=80)!r}: {there}",
            next_command="the same command with --environment=<one of them>",
        )
    own = written.get(key)
    found: list[Layer] = []
    if own is not None and own.extends:
        found = _layers(written, own.extends, (*below, name))
    if name in BUILT_IN and (name == PROD or not found):
        found.append(Layer(name=name, built_in=True, data=BUILT_IN[name]))
    if own is not None:
        data = own.model_dump(exclude_unset=True, by_alias=True)
        found.append(Layer(name=key, built_in=False, data=data))
    return found


def key_of(written: Iterable[str], name: str) -> str | None:
    """Return under which key an environment is written: its name, else the longest pattern that fits it."""
    keys = known_environments(written)
    if name in keys:
        return name
    fitting = [key for key in keys if key.endswith("*") and name.startswith(key[:-1]) and name != key[:-1]]
    return max(fitting, key=len) if fitting and DNS_LABEL.fullmatch(name) else None


def example(key: str) -> str:
    """Return the name of an environment that is written under a key: of pr-*, pr-1."""
    return key.replace("*", "1")


def known_environments(written: Iterable[str]) -> list[str]:
    """Return the names of all environments; `dev` and `prod` exist without being written down."""
    return sorted({*BUILT_IN, *written})


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return `upper` over `lower`, key by key and as deep as both have keys."""
    result = dict(lower)
    for key, value in upper.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def resolve(written: Mapping[str, Environment], name: str, service: str = "") -> Environment:
    """Return an environment with everything that it inherits.

    Args:
        written: the environments of `slipway.yaml`.
        name: which one.
        service: for this service; its override is then in `app`, `namespace` and `build_args`.

    Raises:
        SettingsError: no such environment.
    """
    if name.endswith("*"):
        raise SettingsError(
            f"{quote(name, limit=80)} is a pattern of environments, and not one of them",
            next_command=f"the same command with --environment={example(quote(name, limit=80))}",
        )
    data: dict[str, Any] = {}
    for layer in layers(written, name):
        data = merged(data, layer.data)
    override = data.get("services", {}).get(service)
    if override:
        data = merged(data, {key: value for key, value in override.items() if value is not None})
    return Environment.model_validate(data)


def check(written: Mapping[str, Environment], services: Iterable[str]) -> None:
    """Refuse environments that cannot be, at the line that is wrong.

    Raises:
        PydanticCustomError: for a validator to pass on.
    """
    names = sorted(services)
    for name, environment in written.items():
        try:
            found = layers(written, name)
        except SettingsError as error:
            raise problem(error.cause, "environments", name, "extends") from None
        if environment.preview:
            _check_preview(written, name, environment.preview)
        for service in environment.services:
            if service not in names:
                raise problem(
                    f"unknown service: there are {', '.join(names)}{nearest(service, names)}",
                    "environments",
                    name,
                    "services",
                    service,
                )
        if environment.latest and any(layer.name == PROD for layer in found):
            why = "prod" if name == PROD else f"{name} extends prod, which"
            raise problem(
                f"{why} never publishes `latest` (R2): set latest: false", "environments", name, "latest"
            )


def _check_preview(written: Mapping[str, Environment], name: str, preview: Preview) -> None:
    at = ("environments", name, "preview")
    if not name.endswith("*"):
        raise problem(f"previews are many: write it of a pattern, like {name}-*", *at)
    if key_of(written, preview.from_) != preview.from_:
        known = [key for key in known_environments(written) if not key.endswith("*")]
        there = f"there are {', '.join(known)}{nearest(preview.from_, known)}"
        raise problem(f"unknown environment {preview.from_!r}: {there}", *at, "from")
