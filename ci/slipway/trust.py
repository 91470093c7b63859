"""With what this run signs and verifies: a key, or an identity that an OIDC issuer vouches for.

`slipway.yaml` decides which, and never both: with `signing.identity`, images are signed without a key, and a
key is refused; without it, by a key, and a token is refused. Whoever calls cannot choose the weaker one.

By key, nothing goes to a public transparency log and nothing is fetched from Sigstore's servers: images may
be private, and machines offline.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagger
from dagger import dag

from slipway import cosign
from slipway.credentials import how_to_give, reveal_optional
from slipway_host import identity_token
from slipway_host.errors import SettingsError
from slipway_host.signing import Signing, demanded, signing_config

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.inputs import Stage
    from slipway.work import Work

PRIVATE, PUBLIC, TOKEN = "/keys/cosign.key", "/keys/cosign.pub", "/keys/token"
CONFIG, ROOT, TUF = "/trust/signing.json", "/trust/root.json", "/tuf"
# A root that trusts nobody: with a key, no more is needed, and nothing is fetched.
NOBODY = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the given secrets allow.

    Args:
        signs: there is something to sign with.
        verifies: there is something to verify with.
        public: a public key is given, and not only the private one that it belongs to.
        password: the private key has one.
    """

    signs: bool
    verifies: bool
    public: bool = False
    password: bool = False


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """cosign with what it needs to verify.

    Args:
        container: to run it in.
        flags: of `verify` and `verify-attestation`.
        kind: `key` or `identity`.
        name: whose signature it takes, in words.
    """

    container: dagger.Container
    flags: list[str]
    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Signer:
    """cosign with what it needs to sign, and what verifies that afterwards."""

    container: dagger.Container
    flags: list[str]
    verifier: Verifier


async def means(inputs: "Stage", checkout: "Checkout") -> Means:
    """Return what this run can do, before it does anything.

    Raises:
        SettingsError: what is given contradicts `slipway.yaml`, or cannot be used.
    """
    signing = checkout.config.signing
    key = await reveal_optional(inputs.cosign_key, "COSIGN_KEY", multiline=True)
    public = await reveal_optional(inputs.cosign_public_key, "COSIGN_PUBLIC_KEY", multiline=True)
    token = await reveal_optional(inputs.cosign_identity_token, identity_token.NAME)
    if not signing.keyless:
        if token:
            raise SettingsError(
                f"{identity_token.NAME} is given, and slipway.yaml does not say whose it may be",
                next_command="set signing.identity and signing.issuer, or leave the token out",
            )
        password = await reveal_optional(inputs.cosign_password, "COSIGN_PASSWORD")
        return Means(
            signs=key is not None,
            verifies=bool(key or public),
            public=public is not None,
            password=password is not None,
        )
    for name, given in (("COSIGN_KEY", key), ("COSIGN_PUBLIC_KEY", public)):
        if given:
            raise SettingsError(
                f"{name} is given, and signing.identity says that images are signed without a key",
                next_command=f"leave {name} out, or signing.identity",
            )
    await _trusted_root(checkout, signing)
    if token:
        text = token.get_secret_value()
        now = dt.datetime.now(dt.UTC)
        identity_token.check(text, identity=signing.identity or "", issuer=signing.issuer or "", now=now)
    return Means(signs=token is not None, verifies=True)


async def check_required(works: list["Work"]) -> Means:
    """Return what this run can do, and refuse one that cannot verify what its environment requires.

    Args:
        works: services of one environment, at least one.

    Raises:
        SettingsError: as `means`, or there is nothing to verify a required signature with.
    """
    first = works[0]
    found = await means(first.inputs, first.checkout)
    if first.environment.require_signature and not found.verifies:
        raise SettingsError(
            f"{first.target.environment} requires a signature, and no COSIGN_PUBLIC_KEY verifies it",
            next_command=how_to_give("COSIGN_PUBLIC_KEY", source="file://cosign.pub"),
        )
    return found


async def signer(work: "Work") -> Signer:
    """Return what signs this service's image.

    Raises:
        SettingsError: nothing is given to sign with, or it cannot be used.
    """
    inputs, signing = work.inputs, work.checkout.config.signing
    found = await means(inputs, work.checkout)
    if not found.signs:
        name = identity_token.NAME if signing.keyless else "COSIGN_KEY"
        raise SettingsError(f"{name} is not given", next_command=how_to_give(name, source=f"env://{name}"))
    base = cosign.container(signing.image, await work.registry())
    if not signing.keyless:
        container = _with_private_key(base, inputs, found)
        public = await _public_key(container)
        flags = ["--yes", "--key", PRIVATE, "--signing-config", CONFIG, "--trusted-root", ROOT]
        container = container.with_new_file(CONFIG, json.dumps(signing_config(signing, EPOCH)))
        container = container.with_new_file(ROOT, NOBODY)
        verifier = _by_key(base.with_new_file(PUBLIC, public))
        return Signer(container=container, flags=flags, verifier=verifier)
    assert inputs.cosign_identity_token is not None  # noqa: S101 - it has a text
    trusted, checks = await _trusting(base, work.checkout, signing)
    container = trusted.with_mounted_secret(
        TOKEN, inputs.cosign_identity_token, owner=cosign.USER, mode=0o400
    )
    flags = ["--yes", "--identity-token", TOKEN]
    if signing.trusted_root:
        container = container.with_new_file(CONFIG, json.dumps(signing_config(signing, EPOCH)))
        flags += ["--signing-config", CONFIG, "--trusted-root", ROOT]
    return Signer(container=container, flags=flags, verifier=_by_identity(trusted, checks, signing))


async def verifier(work: "Work") -> Verifier:
    """Return what verifies this service's image.

    Raises:
        SettingsError: nothing is given to verify with, or it cannot be used.
    """
    inputs, signing = work.inputs, work.checkout.config.signing
    found = await means(inputs, work.checkout)
    base = cosign.container(signing.image, await work.registry())
    if signing.keyless:
        trusted, checks = await _trusting(base, work.checkout, signing)
        return _by_identity(trusted, checks, signing)
    if not found.verifies:
        raise SettingsError(
            "COSIGN_PUBLIC_KEY is not given",
            next_command=how_to_give("COSIGN_PUBLIC_KEY", source="file://cosign.pub"),
        )
    if not found.public:
        return _by_key(base.with_new_file(PUBLIC, await _public_key(_with_private_key(base, inputs, found))))
    assert inputs.cosign_public_key is not None  # noqa: S101 - it has a text
    return _by_key(base.with_mounted_secret(PUBLIC, inputs.cosign_public_key, owner=cosign.USER, mode=0o400))


def _by_key(container: dagger.Container) -> Verifier:
    flags = ["--key", PUBLIC, "--insecure-ignore-tlog", "--output", "json"]
    return Verifier(container=container, flags=flags, kind="key", name="the given key")


def _by_identity(container: dagger.Container, checks: list[str], signing: Signing) -> Verifier:
    # Both, and exact: `slipway.yaml` has no pattern for an identity.
    flags = [
        "--certificate-identity",
        signing.identity or "",
        "--certificate-oidc-issuer",
        signing.issuer or "",
    ]
    return Verifier(
        container=container,
        flags=[*flags, *checks, "--output", "json"],
        kind="identity",
        name=signing.identity or "",
    )


async def _trusting(
    container: dagger.Container, checkout: "Checkout", signing: Signing
) -> tuple[dagger.Container, list[str]]:
    """Add whom to trust: the given root, else what Sigstore's public instance says by TUF."""
    root = await _trusted_root(checkout, signing)
    if root is None:
        # cosign keeps the root that it fetches; the image's user has nowhere else to write.
        empty = dag.directory()
        return container.with_directory(TUF, empty, owner=cosign.USER).with_env_variable("TUF_ROOT", TUF), []
    return container.with_new_file(ROOT, json.dumps(root)), ["--trusted-root", ROOT, *demanded(root)]


async def _trusted_root(checkout: "Checkout", signing: Signing) -> dict[str, Any] | None:
    path = signing.trusted_root
    if not path:
        return None
    if not await checkout.tree.exists(path):
        raise SettingsError(
            f"the commit has no {path}, which signing.trustedRoot names",
            next_command="commit what `cosign trusted-root create` has written",
        )
    try:
        found = json.loads(await checkout.tree.file(path).contents())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.get("certificateAuthorities"):
        raise SettingsError(
            f"{path} is no trusted root with a certificate authority",
            next_command="commit what `cosign trusted-root create` has written",
        )
    return found


def _with_private_key(container: dagger.Container, inputs: "Stage", given: Means) -> dagger.Container:
    assert inputs.cosign_key is not None  # noqa: S101 - it has a text
    container = container.with_mounted_secret(PRIVATE, inputs.cosign_key, owner=cosign.USER, mode=0o400)
    if not given.password:
        return container.with_env_variable("COSIGN_PASSWORD", "")
    assert inputs.cosign_password is not None  # noqa: S101 - it has a text
    return container.with_secret_variable("COSIGN_PASSWORD", inputs.cosign_password)


async def _public_key(container: dagger.Container) -> str:
    try:
        return await container.with_exec(["public-key", "--key", PRIVATE], use_entrypoint=True).stdout()
    except dagger.ExecError as error:
        said = cosign.words(error.stderr)
        raise SettingsError(
            f"COSIGN_KEY is no key of cosign's, or COSIGN_PASSWORD does not open it: {said}",
            next_command="check both, then run the same command",
        ) from error
