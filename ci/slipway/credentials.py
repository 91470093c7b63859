"""Reads a secret's text at the moment that a stage needs it, and refuses what cannot be one."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.errors import SettingsError
from slipway_host.secret_text import secret_of

if TYPE_CHECKING:
    from pydantic import SecretStr


def how_to_give(name: str, *, source: str = "…") -> str:
    """Return what to do about an argument that is not given; `name` as CI systems write it, `GH_PAT`."""
    words = name.lower().split("_")
    # Dagger compares .env's names with the argument's own, kubeConfig, and only case may differ.
    key = words[0] + "".join(word.capitalize() for word in words[1:])
    flag = f"--{'-'.join(words)}={source}"
    return f"write {key}={source} into .env beside dagger.json, or pass {flag} before the function"


async def reveal(secret: dagger.Secret | None, name: str, *, multiline: bool = False) -> "SecretStr":
    """Return a required secret's text.

    Args:
        secret: the argument.
        name: its variable's name, for the error.
        multiline: whether line ends belong to it (a kubeconfig).

    Raises:
        SettingsError: it is not given, its source is missing, or it is empty or ends with a line end.
    """
    found = await reveal_optional(secret, name, multiline=multiline)
    if found is None:
        raise SettingsError(
            f"{name} is not given",
            next_command=how_to_give(name, source=f"env://{name}"),
        )
    return found


async def reveal_optional(
    secret: dagger.Secret | None, name: str, *, multiline: bool = False, required: bool = False
) -> "SecretStr | None":
    """Return an optional secret's text, None where it is not given or its variable is not set.

    An empty one counts as not given, unless it is `required` not to be.
    """
    if secret is None:
        return None
    try:
        text = await secret.plaintext()
    except dagger.QueryError as error:
        if "secret env var not found" in str(error):
            return None
        raise SettingsError(f"{name}: its source cannot be read") from error
    found = secret_of(name, text, multiline=multiline)
    if found is None and required:
        # A CI passes a secret that does not exist as an empty one.
        raise SettingsError(f"{name} is given and empty")
    return found


async def build_secrets(given: list[dagger.Secret] | None, wanted: Mapping[str, str]) -> list[dagger.Secret]:
    """Return the secrets that a build mounts, each under its id in the Dockerfile.

    Args:
        given: what the caller has; a secret's name is the last part of its address.
        wanted: names by id, as in `buildSecrets`.

    Raises:
        SettingsError: one is not given, or cannot be a secret.
    """
    if not wanted:
        return []
    by_name = await _by_name(given)
    found = []
    for mount, name in sorted(wanted.items()):
        secret = by_name.get(name)
        text = await reveal_optional(secret, name, multiline=True)
        if text is None:
            raise SettingsError(
                f"build secret {name} is not given",
                next_command=how_to_give("BUILD_SECRETS", source=f"env://{name}"),
            )
        # The engine mounts a secret under its own name, and one that has an address has none.
        found.append(dag.set_secret(mount, text.get_secret_value()))
    return found


async def app_secrets(given: list[dagger.Secret] | None, wanted: Collection[str]) -> "dict[str, SecretStr]":
    """Return the values for the services' Secrets that the caller brings, by key.

    What no service asks for is not read. One whose variable is not set is left out: it is needed only
    until the Secret has it.

    Raises:
        SettingsError: one is empty or cannot be a secret: a CI passes one that does not exist as an
            empty one, and pods would start with that (fault 11).
    """
    found = {}
    for key, secret in (await _by_name(given)).items() if wanted else ():
        if key not in wanted:
            continue
        text = await reveal_optional(secret, key, required=True)
        if text is not None:
            found[key] = text
    return found


async def _by_name(given: list[dagger.Secret] | None) -> dict[str, dagger.Secret]:
    return {(await secret.uri()).rpartition("/")[2]: secret for secret in given or []}
