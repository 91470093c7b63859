"""What a service's application is called in an environment, in GitOps repository and Argo CD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host import environments
from slipway_host.names import DNS_LABEL, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.environments import Environment


def name_of(written: Mapping[str, Environment], environment: str, service: str, own: str | None) -> str:
    """Return the name of a service's application in an environment.

    Args:
        written: the environments of `slipway.yaml`.
        environment: which one; "" for what holds where environments say nothing.
        service: the service's key.
        own: what the service itself says.

    Raises:
        SettingsError: no such environment.
    """
    pattern = (environments.resolve(written, environment, service).app if environment else None) or "{app}"
    return pattern.replace("{app}", own or service).replace("{environment}", environment)


def check(written: Mapping[str, Environment], services: Mapping[str, str | None]) -> None:
    """Refuse services that share an application, and names that are none, at the line that is wrong.

    Args:
        written: the environments of `slipway.yaml`.
        services: the application that each service names itself, by the service's key.

    Raises:
        PydanticCustomError: for a validator to pass on.
    """
    known = [environments.example(key) for key in environments.known_environments(written)]
    for environment in ("", *known):
        owners: dict[str, str] = {}
        for name, own in services.items():
            app = name_of(written, environment, name, own)
            where = f" in {environment}" if environment else ""
            if not DNS_LABEL.fullmatch(app):
                sentence = f"{app!r}, the application of {name}{where}, is longer than 63 characters"
                raise problem(sentence, *_named_at(written, environment, name, own))
            if app in owners:
                sentence = f"services {owners[app]} and {name} share the application {app}{where}"
                raise problem(sentence, *_named_at(written, environment, name, own))
            owners[app] = name


def _named_at(
    written: Mapping[str, Environment], environment: str, service: str, own: str | None
) -> tuple[str, ...]:
    """Return where the name of a service's application is written."""
    if not environment:
        return ("services", service, "app") if own else ("services", service)
    for layer in reversed(environments.layers(written, environment)):
        if layer.data.get("services", {}).get(service, {}).get("app"):
            return ("environments", layer.name, "services", service, "app")
        if layer.data.get("app"):
            return ("environments", layer.name, "app")
    return ("environments", environment)
