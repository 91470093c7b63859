"""The accounts that the module's object was given, as the settings of what they open."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.credentials import how_to_give, reveal, reveal_optional
from slipway.inputs import Stage
from slipway_host.argocd_server import SECRET
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.config import Config
    from slipway_host.recipients import Recipients
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings


@dataclass(frozen=True)
class Given:
    """Reads an account when it is needed, and says only then that it is not given.

    Args:
        inputs: the module's object.
        config: says where the servers are.
    """

    inputs: Stage
    config: "Config"

    async def registry(self) -> "RegistrySettings":
        """Return the account at the registry."""
        from slipway_host import targets

        password = await reveal(self.inputs.registry_password, "REGISTRY_PASSWORD")
        username, environment = self.inputs.registry_username, self.inputs.environment
        if not username:
            raise SettingsError(
                "REGISTRY_USERNAME is not given", next_command=how_to_give("REGISTRY_USERNAME")
            )
        return targets.registry_settings(
            self.config, environment=environment, username=username, password=password
        )

    async def git(self) -> "GitSettings":
        """Return the GitOps repository and the account that writes to it."""
        from slipway_host import targets

        config, environment = self.config, self.inputs.environment
        token = None
        if targets.proposes(config, environment) or config.gitops.repository.startswith("https://"):
            token = await reveal(self.inputs.gh_pat, "GH_PAT")
        return targets.git_settings(
            config,
            environment=environment,
            username=self.inputs.git_username,
            token=token,
            ssh_key=await reveal_optional(self.inputs.git_ssh_key, "GIT_SSH_KEY", multiline=True),
            signing_key=await reveal_optional(self.inputs.git_signing_key, "GIT_SIGNING_KEY", multiline=True),
        )

    async def postgres(self) -> "PostgresSettings":
        """Return the PostgreSQL server; without a password, the cluster's own Secret is read."""
        from slipway_host import targets

        password = await reveal_optional(self.inputs.postgres_password, "POSTGRES_PASSWORD")
        dsn = await reveal_optional(self.inputs.postgres_dsn, "POSTGRES_DSN")
        return targets.postgres_settings(self.config, admin_password=password, dsn=dsn)

    async def argocd_token(self) -> "SecretStr":
        """Return the token for Argo CD's own API."""
        return await reveal(self.inputs.argocd_auth_token, SECRET)

    async def recipients(self) -> "Recipients":
        """Return who is told how a run went."""
        from slipway_host.recipients import Recipients

        inputs = self.inputs
        return Recipients(
            webhook=await reveal_optional(inputs.notify_webhook, "NOTIFY_WEBHOOK"),
            key=await reveal_optional(inputs.notify_key, "NOTIFY_KEY"),
            token=await reveal_optional(inputs.deployments_token, "DEPLOYMENTS_TOKEN")
            or await reveal_optional(inputs.gh_pat, "GH_PAT"),
            run_url=inputs.run_url,
        )
