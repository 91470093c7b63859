"""cosign as a container, with the account at the registry."""

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.errors import TerminalError, quote

if TYPE_CHECKING:
    from slipway_host.settings import RegistrySettings

USER = "65532"
"""Whom the image runs as: it has neither root nor a shell."""
DOCKER = "/docker"
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


class SigningError(TerminalError):
    """cosign did not do its work: nothing is known about signatures."""


def container(image: str, settings: "RegistrySettings") -> dagger.Container:
    """Return cosign with the account at the registry."""
    host = "https://index.docker.io/v1/" if settings.host in _DOCKER_HUB else settings.host
    pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
    text = json.dumps({"auths": {host: {"auth": base64.b64encode(pair).decode()}}})
    # One name, one value: two accounts in one session must not share it.
    name = f"slipway-docker-config-{hashlib.sha256(f'{host} {settings.username}'.encode()).hexdigest()[:12]}"
    config = dag.set_secret(name, text)
    return (
        dag.container()
        .from_(image)
        .with_mounted_secret(f"{DOCKER}/config.json", config, owner=USER, mode=0o400)
        .with_env_variable("DOCKER_CONFIG", DOCKER)
    )


def fresh(cosign: dagger.Container) -> dagger.Container:
    """Return the container such that the engine runs it anew: a registry is no constant."""
    return cosign.with_env_variable("SLIPWAY_ASKED", str(time.time_ns()))


async def run(cosign: dagger.Container, command: list[str]) -> tuple[int, str, str]:
    """Return how a command ended and both of its streams."""
    done = cosign.with_exec(command, use_entrypoint=True, expect=dagger.ReturnType.ANY)
    return await done.exit_code(), await done.stdout(), await done.stderr()


def words(stderr: str) -> str:
    """Return cosign's last words."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
    return quote(lines[-1].removeprefix("error during command execution: ") if lines else "", limit=300)
