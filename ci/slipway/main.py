"""The module's object: what every stage can read, and nothing else."""

from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, object_type

from slipway.inputs import CONFIG_PATH
from slipway.stages import discover

UNUSED = ["**/node_modules", "**/.venv", "**/__pycache__", "**/.env"]
"""What a call does not upload: large, never built from, or secret."""


@object_type
class Slipway(*discover()):  # type: ignore[misc]  # the bases are the stages that were found
    """Deploy the services of one repository."""

    # A Directory and not a GitRepository: for a `blueprint` the engine would give the module's own one.
    source: Annotated[
        dagger.Directory,
        Doc("Repository of the services; what is built is its HEAD commit"),
        DefaultPath("/"),
        Ignore(UNUSED),
    ]
    config_path: Annotated[str, Doc("Path of the configuration in the repository")] = CONFIG_PATH
    environment: Annotated[str, Doc("Environment: dev, prod or one of the configuration's")] = "dev"
    registry_username: Annotated[str, Doc("Account at the registry")] = ""
    registry_password: Annotated[dagger.Secret | None, Doc("Its password or token")] = None
    kube_config: Annotated[dagger.Secret | None, Doc("kubeconfig of the cluster, as YAML or base64")] = None
    postgres_password: Annotated[
        dagger.Secret | None,
        Doc("PostgreSQL administrator's password; without it, the cluster's own Secret is read"),
    ] = None
    postgres_dsn: Annotated[
        dagger.Secret | None,
        Doc(
            "Administrator's connection string (postgresql://role:password@host:port) of a PostgreSQL that "
            "is not in the cluster; without it, psql in the server's pod is used"
        ),
    ] = None
    argocd_auth_token: Annotated[
        dagger.Secret | None,
        Doc("Token of an account at Argo CD's own API, where slipway.yaml has argocd.server"),
    ] = None
    jwt_secret: Annotated[
        dagger.Secret | None, Doc("JWT_SECRET for a new Secret; without it, a random one is made")
    ] = None
    git_username: Annotated[str, Doc("Account at the git server, sent with the token")] = "slipway"
    gh_pat: Annotated[dagger.Secret | None, Doc("Token that may push to the GitOps repository")] = None
    git_ssh_key: Annotated[
        dagger.Secret | None, Doc("Private key for a GitOps repository over ssh, without a passphrase")
    ] = None
    git_signing_key: Annotated[
        dagger.Secret | None,
        Doc("Private SSH key that signs GitOps commits; without it, they are not signed"),
    ] = None
    cosign_key: Annotated[
        dagger.Secret | None, Doc("cosign's private key, which signs images; without it, nothing is signed")
    ] = None
    cosign_password: Annotated[dagger.Secret | None, Doc("Password of that key")] = None
    cosign_public_key: Annotated[
        dagger.Secret | None,
        Doc("Public key that signatures are verified with; without it, cosign-key's own"),
    ] = None
    cosign_identity_token: Annotated[
        dagger.Secret | None,
        Doc("OIDC token for the audience sigstore, to sign without a key where slipway.yaml says who signs"),
    ] = None
    build_secrets: Annotated[
        list[dagger.Secret] | None,
        Doc(
            "Secrets that builds may mount, by the last part of their addresses: env://NPM_TOKEN is NPM_TOKEN"
        ),
    ] = None
    app_secrets: Annotated[
        list[dagger.Secret] | None,
        Doc(
            "Secrets that the services' pods read, by the last part of their addresses: env://REDIS_URL is "
            "REDIS_URL"
        ),
    ] = None
    notify_webhook: Annotated[
        dagger.Secret | None,
        Doc("Address of a Slack-compatible webhook that is told how a deploy or rollback ended"),
    ] = None
    notify_key: Annotated[dagger.Secret | None, Doc("Key that signs what the webhook gets")] = None
    deployments_token: Annotated[
        dagger.Secret | None,
        Doc("Token that may write deployments at the services' repository on GitHub; default: gh-pat"),
    ] = None
    run_url: Annotated[str, Doc("Address of the CI's log of this run, linked in what others are told")] = ""
