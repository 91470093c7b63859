"""What SLSA provenance says of a build, and what is read back from what cosign verified."""

import base64
import datetime as dt
import json
from typing import Any

import pytest

from slipway import provenance
from slipway_host.recipe import Recipe

COMMIT = "0e123456" * 5
RECIPE = Recipe(context="api", dockerfile="Dockerfile", arguments={"REVISION": COMMIT, "API": "https://a"})


def made(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "service": "api",
        "environment": "dev",
        "commit": COMMIT,
        "url": "https://git.example/acme/api.git",
        "versions": {"slipway": "0.1.0", "dagger": "v0.21.8"},
        "run_id": "20261124T051500-1f3a",
        "began": dt.datetime(2026, 11, 24, 5, 15, tzinfo=dt.UTC),
        "ended": dt.datetime(2026, 11, 24, 6, 15, 30, 5, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        **changes,
    }
    return provenance.predicate(RECIPE, **facts)


def envelope(document: dict[str, Any]) -> str:
    """One line of `cosign verify-attestation`."""
    statement = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicate": document})
    return json.dumps({"payload": base64.b64encode(statement.encode()).decode(), "signatures": [{}]})


def test_predicate_names_builder_source_arguments_and_times() -> None:
    document = made()
    definition, details = document["buildDefinition"], document["runDetails"]
    source = {"digest": {"gitCommit": COMMIT}, "uri": "git+https://git.example/acme/api.git"}
    assert definition["buildType"] == provenance.BUILD_TYPE
    assert definition["resolvedDependencies"] == [source]
    assert definition["externalParameters"] == {
        "source": source,
        "service": "api",
        "environment": "dev",
        "context": "api",
        "dockerfile": "Dockerfile",
        "buildArgs": {"API": "https://a", "REVISION": COMMIT},
    }
    assert definition["internalParameters"] == {"inputs": RECIPE.inputs}
    assert details["builder"]["id"] == provenance.BUILDER
    assert details["metadata"] == {
        "invocationId": "20261124T051500-1f3a",
        "startedOn": "2026-11-24T05:15:00Z",
        "finishedOn": "2026-11-24T05:15:30Z",
    }


def test_what_is_not_known_is_not_said() -> None:
    document = made(url="", began=None)
    assert document["buildDefinition"]["resolvedDependencies"] == [{"digest": {"gitCommit": COMMIT}}]
    assert "startedOn" not in document["runDetails"]["metadata"]


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://git.example/a/b.git", "git+https://git.example/a/b.git"),
        ("ssh://git@git.example/a/b.git", "git+ssh://git@git.example/a/b.git"),
        ("git@git.example:a/b.git", "git+ssh://git@git.example/a/b.git"),
    ],
)
def test_git_addresses_become_uris(url: str, uri: str) -> None:
    assert provenance.source_uri(url) == uri


def test_commits_of_every_verified_statement_are_read() -> None:
    other = made(commit="f" * 40)
    assert provenance.commits(f"{envelope(made())}\n{envelope(other)}\n") == {COMMIT, "f" * 40}


def test_statements_of_others_name_no_commit() -> None:
    assert provenance.commits("") == set()
    foreign = {"buildDefinition": {"resolvedDependencies": [{"uri": "pkg:npm/x"}]}}
    assert provenance.commits(envelope(foreign)) == set()
    assert provenance.commits(envelope({"buildDefinition": {}})) == set()
