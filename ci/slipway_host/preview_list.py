"""The previews that a GitOps repository has."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from slipway_host import environments, git, targets, values
from slipway_host.each import Outcome
from slipway_host.image_change import RUN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway_host.call import Call
    from slipway_host.config import Config


_ANY = "x0x0x0"
"""Ends the name of a preview that stands for all of them: no service is called so."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One application of a preview.

    Args:
        environment: the preview.
        service: key of the service.
        app: its application.
        tag: what the values file names; empty for nothing.
        since: when Slipway last changed that file, ISO 8601; empty where somebody else has made it.
    """

    environment: str
    service: str
    app: str
    tag: str
    since: str


async def previews(call: Call, *, as_json: bool) -> Outcome:
    """List the previews of the chosen services, the oldest change first."""
    services = [target.service for target in call.targets]
    settings = await call.git()
    async with git.clone(settings) as copy:
        await copy.fetch()
        listed = await copy.names("")
        found = []
        for key in environments.known_environments(call.config.environments):
            if not key.endswith("*") or not call.config.environment(environments.example(key)).preview:
                continue
            for service in services:
                for path, name in paths(call.config, service, key, listed).items():
                    data = (await copy.read([path]))[path]
                    last = await copy.last_commit(path, trailer=RUN)
                    since = (await copy.commit_of(last.commit)).when if last else ""
                    app = call.config.application(service, name)
                    tag = values.read_tag(data) or ""
                    found.append(Found(environment=name, service=service, app=app, tag=tag, since=since))
    found.sort(key=lambda one: (one.since, one.environment, one.service))
    if as_json:
        return Outcome(json.dumps([asdict(one) for one in found], indent=2))
    lines = [f"{one.environment}  {one.service}  {one.tag or 'no tag'}  since {one.since}" for one in found]
    return Outcome("\n".join(lines) or "There are no previews.")


def paths(config: Config, service: str, key: str, listed: Iterable[str]) -> dict[str, str]:
    """Return the values files of a service in the environments of a pattern: path → environment.

    Args:
        config: the services' configuration.
        service: the service's key.
        key: the pattern, like `pr-*`.
        listed: the files of the repository.
    """
    prefix = key[:-1]
    example = f"{prefix}{_ANY}"
    # The name may stand in the path more than once; all have to be the same.
    first, *rest = (re.escape(part) for part in targets.values_path(config, service, example).split(example))
    name = f"(?P<name>{re.escape(prefix)}[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)"
    pattern = re.compile(first + name + "(?P=name)".join(rest))
    found = {file: match["name"] for file in listed if (match := pattern.fullmatch(file))}
    return {
        file: name
        for file, name in found.items()
        if environments.key_of(config.environments, name) == key
        and targets.values_path(config, service, name) == file
    }
