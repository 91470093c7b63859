"""Whether a saved plan still holds: it is for this very deploy, and the world is what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host import gitops_preview
from slipway_host.caller import command
from slipway_host.errors import MovedError, SettingsError, TerminalError, quote
from slipway_host.plan import UNKNOWN, config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slipway_host.config import Config
    from slipway_host.plan import Plan, ServicePlan
    from slipway_host.settings import GitSettings

STAGE = "plan"
ABSENT = "not seen"
LONGEST = 300
"""Characters of a fact that an error quotes."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """Something that is not any more what the plan saw; `path` where it is a file of the branch."""

    service: str
    name: str
    old: str
    new: str
    path: str = ""

    def line(self, who: str = "") -> str:
        """Return it for people, with who did it where that is known."""
        by = f" ({who})" if who else ""
        old, new = (quote(text, limit=LONGEST) for text in (self.old, self.new))
        return f"{self.service}: {self.name}: {old} → {new}{by}"


def refuse_other(plan: Plan, config: Config, *, environment: str, commit: str, names: Sequence[str]) -> None:
    """Refuse a plan of another deploy than this one, before the world is looked at.

    Args:
        plan: the saved one.
        config: the configuration of this commit.
        environment: this deploy's.
        commit: this deploy's.
        names: the services that were asked for; nothing for those of the plan.

    Raises:
        SettingsError: it is another's, or of another configuration.
        TerminalError: it says itself that a deploy would be refused.
    """
    wrong = ""
    if plan.environment != environment:
        wrong = f"environment {plan.environment}, and this is {environment}"
    elif plan.commit != commit:
        wrong = f"commit {plan.commit}, and this is {commit}"
    elif names and set(names) != set(plan.names):
        wrong = (
            f"{', '.join(plan.names)}, and asked for {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
        )
    if wrong:
        raise SettingsError(f"the plan is for {wrong}", stage=STAGE, next_command=command("plan"))
    known = [name for name in plan.names if name in config.services]
    if known != list(plan.names) or plan.config != config_digest(config, environment, known):
        raise SettingsError(
            "the plan is of another slipway.yaml, or of a Slipway with other defaults",
            stage=STAGE,
            next_command=command("plan"),
        )
    if any(service.refused for service in plan.services):
        raise TerminalError(
            f"the plan says so itself: {plan.summary}", stage=STAGE, next_command=command("plan")
        )


def moves(old: Plan, new: Plan) -> list[Move]:
    """Return what differs between two plans of one deploy, facts first; nothing where the old one holds."""
    found = []
    for before, after in zip(old.services, new.services, strict=True):
        facts = _facts(before, after)
        found += facts or _parts(before, after)
    if not found and _commits(old) != _commits(new):
        found.append(
            Move(service=", ".join(old.names), name="GitOps commit", old="as planned", new=_described(new))
        )
    return found


async def check(
    old: Plan, new: Plan, settings: GitSettings, *, protocols: Collection[str] = ("https", "ssh")
) -> None:
    """Refuse a saved plan that the world has moved away from.

    Args:
        old: the saved one.
        new: a plan of the same deploy, made now.
        settings: the GitOps repository, to say who moved a file.
        protocols: transports that git may use.

    Raises:
        MovedError: with everything that moved, from what to what.
    """
    found = moves(old, new)
    if not found:
        return
    lines = [
        one.line(await gitops_preview.mover(settings, one.path, protocols=protocols) if one.path else "")
        for one in found
    ]
    if refused := [f"{one.service}: {why.cause}" for one in new.services for why in one.refused]:
        lines.append(f"a deploy would be refused now: {'; '.join(refused)}")
    raise MovedError(f"the world moved: {'; '.join(lines)}", stage=STAGE)


def _facts(before: ServicePlan, after: ServicePlan) -> list[Move]:
    names = dict.fromkeys((*before.facts, *after.facts))
    return [
        Move(
            service=before.service,
            name=name,
            old=before.facts.get(name, ABSENT),
            new=after.facts.get(name, ABSENT),
            path=before.values if name == gitops_preview.values_fact(before.values) else "",
        )
        for name in names
        if before.facts.get(name) != after.facts.get(name)
        # One account may see what another may not.
        and UNKNOWN not in {before.facts.get(name), after.facts.get(name)}
    ]


def _parts(before: ServicePlan, after: ServicePlan) -> list[Move]:
    """Return what would be done otherwise, though every fact is the same: it should not happen."""
    moved = {"sync": {"line", "pods", "windows"}, "facts": True, "gates": True}
    one, other = (service.model_dump(exclude=moved) for service in (before, after))  # type: ignore[arg-type]
    return [
        Move(service=before.service, name=key, old=str(one[key]), new=str(other[key]))
        for key in one
        if one[key] != other[key]
    ]


def _commits(plan: Plan) -> list[tuple[object, ...]]:
    return [(one.apps, one.message, one.files, one.proposal) for one in plan.commits]


def _described(plan: Plan) -> str:
    said = [f"{', '.join(one.apps)}: {one.message.partition(chr(10))[0]}" for one in plan.commits]
    return "; ".join(said) or "none"
