"""The accounts of a run, from environment variables or the files that they name; never from arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.secret_text import secret_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, MutableMapping

    from pydantic import SecretStr

SECRETS = (
    "REGISTRY_PASSWORD",
    "GH_PAT",
    "GIT_SSH_KEY",
    "GIT_SIGNING_KEY",
    "POSTGRES_PASSWORD",
    "POSTGRES_DSN",
    "ARGOCD_AUTH_TOKEN",
    "JWT_SECRET",
    "NOTIFY_WEBHOOK",
    "NOTIFY_KEY",
    "DEPLOYMENTS_TOKEN",
)
KEYS = frozenset({"GIT_SSH_KEY", "GIT_SIGNING_KEY"})
"""Private keys, which have several lines."""


class Environ:
    """Takes the secrets out of the environment once, so that no program started later inherits them.

    Args:
        variables: of this process; the secrets are removed from it.
        app_secrets: names of further ones, which the services' Secrets get.
    """

    def __init__(self, variables: MutableMapping[str, str], app_secrets: Iterable[str] = ()) -> None:
        self._app_secrets = tuple(app_secrets)
        self._secrets = {name: variables.pop(name, None) for name in {*SECRETS, *self._app_secrets}}
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """Return a variable that is no secret; an empty one counts as not set."""
        return self._variables.get(name) or default

    def secret(self, name: str) -> SecretStr | None:
        """Return a secret, None where it is not given: of NAME, else of the file that NAME_FILE names.

        Raises:
            SettingsError: its file cannot be read, or it cannot be a secret.
        """
        file = self.text(f"{name}_FILE")
        given, multiline = self._secrets[name] or "", name in KEYS
        if given or not file:
            return secret_of(name, given, multiline=multiline)
        try:
            # Editors end a file with a line end; whoever stores a secret in one does not mean that.
            text = Path(file).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: {file} cannot be read: {type(error).__name__}") from None
        return secret_of(f"{name}_FILE", text, multiline=multiline)

    def app_secrets(self, wanted: Container[str]) -> dict[str, SecretStr]:
        """Return the values for the services' Secrets that the caller brings, by key.

        One that is not set at all is left out: it is needed only until the Secret has it.

        Raises:
            SettingsError: one is set and empty, and pods would start with that (fault 11), or cannot be
                a secret.
        """
        found = {}
        for name in self._app_secrets:
            if name not in wanted:
                continue
            value = self.secret(name)
            if value is not None:
                found[name] = value
            elif self._secrets[name] is not None or self.text(f"{name}_FILE"):
                raise SettingsError(f"{name} is given and empty")
        return found

    def required(self, name: str) -> SecretStr:
        """Return a secret that the command cannot do without.

        Raises:
            SettingsError: it is not given.
        """
        found = self.secret(name)
        if found is None:
            raise SettingsError(
                f"{name} is not given", next_command=f"export {name}, or {name}_FILE=<path of a file>"
            )
        return found
