"""Which services a run is about: all, the named ones, or those that a change concerns."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slipway_host.config import Config


def select(config: Config, names: Sequence[str]) -> list[str]:
    """Return the named services in the configuration's order, all of them where none is named.

    Raises:
        SettingsError: there is no service of that name.
    """
    known = list(config.services)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise SettingsError(
                f"unknown service {name!r}: there are {', '.join(sorted(known))}{hint}",
                next_command=f"the same command with --service={near[0] if near else '<one of them>'}",
            )
    return [name for name in known if not names or name in names]


def changed(config: Config, names: Sequence[str], paths: Collection[str], *, config_path: str) -> list[str]:
    """Return those of `names` that changed paths concern: by their own files or by what they depend on.

    Args:
        config: the configuration.
        names: services to choose from.
        paths: changed paths, from the repository's root.
        config_path: the configuration's own path; its change concerns every service.
    """
    if config_path in paths:
        return list(names)
    touched = {name for name, service in config.services.items() if _concerns(service.context, paths)}
    while True:
        more = {
            name
            for name, service in config.services.items()
            if name not in touched and not touched.isdisjoint(service.depends_on)
        }
        if not more:
            return [name for name in names if name in touched]
        touched |= more


def _concerns(context: str, paths: Collection[str]) -> bool:
    folder = context.removeprefix("./").strip("/")
    return any(folder in {"", "."} or path == folder or path.startswith(f"{folder}/") for path in paths)


def blocked(config: Config, name: str, failed: Collection[str]) -> str:
    """Return the failed service that `name` depends on, directly or not; empty where there is none."""
    seen: set[str] = set()
    waiting = list(config.services[name].depends_on)
    while waiting:
        other = waiting.pop()
        if other in failed:
            return other
        if other not in seen:
            seen.add(other)
            waiting += config.services[other].depends_on
    return ""
