"""The accounts of a run, from environment variables or the files that they name; never from arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.secret_text import secret_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from pydantic import SecretStr

SECRETS = ("REGISTRY_PASSWORD", "GH_PAT", "POSTGRES_PASSWORD", "JWT_SECRET")


class Environ:
    """Takes the secrets out of the environment once, so that no program started later inherits them.

    Args:
        variables: of this process; the secrets are removed from it.
    """

    def __init__(self, variables: MutableMapping[str, str]) -> None:
        self._secrets = {name: variables.pop(name, "") for name in SECRETS}
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
        given = self._secrets[name]
        if given or not file:
            return secret_of(name, given)
        try:
            # Editors end a file with a line end; whoever stores a secret in one does not mean that.
            return secret_of(f"{name}_FILE", Path(file).read_text().removesuffix("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: {file} cannot be read: {type(error).__name__}") from None

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
