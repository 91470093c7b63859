"""SLSA provenance: what says from which commit and how an image was built; its words, no signing.

https://slsa.dev/spec/v1.0/provenance defines the predicate.
"""

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway_host.recipe import Recipe

BUILD_TYPE = "urn:slipway:build:dockerfile:v1"
BUILDER = "urn:slipway:builder:dagger"
"""Who vouches: whoever holds the key and runs Slipway on a Dagger engine. No SLSA level is claimed."""
COMMIT = "gitCommit"


def predicate(
    recipe: "Recipe",
    *,
    service: str,
    environment: str,
    commit: str,
    url: str,
    versions: dict[str, str],
    run_id: str,
    began: dt.datetime | None,
    ended: dt.datetime,
) -> dict[str, Any]:
    """Return the provenance of one image.

    Args:
        recipe: how it was built; build arguments are no secrets (those are never arguments).
        service: key in `slipway.yaml`.
        environment: whose build arguments were used.
        commit: full hash.
        url: the repository's address without credentials, or "".
        versions: of the tools that built it.
        run_id: of the run that signs it.
        began: when that run began; None where it did not build.
        ended: when the image was known to be in the registry.
    """
    source: dict[str, Any] = {"digest": {COMMIT: commit}}
    if url:
        source["uri"] = source_uri(url)
    metadata = {"invocationId": run_id, "finishedOn": _time(ended)}
    if began:
        metadata["startedOn"] = _time(began)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "source": source,
                "service": service,
                "environment": environment,
                "context": recipe.context,
                "dockerfile": recipe.dockerfile,
                "buildArgs": dict(sorted(recipe.arguments.items())),
            },
            "internalParameters": {"inputs": recipe.inputs},
            "resolvedDependencies": [source],
        },
        "runDetails": {"builder": {"id": BUILDER, "version": versions}, "metadata": metadata},
    }


def source_uri(url: str) -> str:
    """Return a git address as the URI that SLSA wants: `git+https://…`, `git+ssh://…`."""
    if "://" in url:
        return f"git+{url}"
    host, _, path = url.partition(":")
    return f"git+ssh://{host}/{path}"


def _time(when: dt.datetime) -> str:
    return f"{when.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def commits(said: str) -> set[str]:
    """Return the commits that verified provenance names.

    Args:
        said: output of `cosign verify-attestation`: one DSSE envelope a line.
    """
    found: set[str] = set()
    for line in said.splitlines():
        if not line.strip():
            continue
        statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
        definition = statement.get("predicate", {}).get("buildDefinition", {})
        for dependency in definition.get("resolvedDependencies") or []:
            commit = (dependency.get("digest") or {}).get(COMMIT)
            if commit:
                found.add(str(commit))
    return found
