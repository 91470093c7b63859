"""What every stage finds on the module's object; the types only, since the object holds the values."""

import sys
from typing import TYPE_CHECKING, Annotated

from dagger import Doc

from slipway.spans import Spans
from slipway_host.record import Log

if TYPE_CHECKING:
    import dagger

CONFIG_PATH = "slipway.yaml"
ServiceNames = Annotated[list[str] | None, Doc("Services; without it, all of them")]
ChangedSince = Annotated[str, Doc("Only services changed since this revision, and those that depend on them")]


class Stage:
    """Base of every stage: names the constructor's arguments for the type checker."""

    if TYPE_CHECKING:
        source: dagger.Directory
        config_path: str
        environment: str
        registry_username: str
        registry_password: dagger.Secret | None
        kube_config: dagger.Secret | None
        postgres_password: dagger.Secret | None
        postgres_dsn: dagger.Secret | None
        argocd_auth_token: dagger.Secret | None
        jwt_secret: dagger.Secret | None
        git_username: str
        gh_pat: dagger.Secret | None
        git_ssh_key: dagger.Secret | None
        git_signing_key: dagger.Secret | None
        build_secrets: list[dagger.Secret] | None
        app_secrets: list[dagger.Secret] | None
        cosign_key: dagger.Secret | None
        cosign_password: dagger.Secret | None
        cosign_public_key: dagger.Secret | None
        cosign_identity_token: dagger.Secret | None
        notify_webhook: dagger.Secret | None
        notify_key: dagger.Secret | None
        deployments_token: dagger.Secret | None
        run_url: str


def _print(line: str) -> None:
    """Print one line of progress; the engine shows it live."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


say = Log(Spans(_print))
"""Tells people a line, and keeps it for the record: one call of a function is one process."""
