"""R11: a deploy that proposes its commit, to a repository where nobody pushes to main."""

import json
import ssl
from collections.abc import Iterator

import pytest

from slipway_lab import gitea
from slipway_lab.layout import Layout
from support.app import App
from support.gitea import Repository
from support.gitops_remote import path


@pytest.fixture
def repository(app: App, layout: Layout) -> Iterator[Repository]:
    """A copy of the application's folder at Gitea; `slipway.yaml` proposes commits there."""
    found = Repository(layout, app.name, ssl.create_default_context(cafile=str(layout.trust)))
    found.create({path(app.name): app.gitops_file(path(app.name))})
    config = (app.folder / "slipway.yaml").read_text()
    address = next(line for line in config.splitlines() if line.strip().startswith("repository:"))
    indent = address[: len(address) - len(address.lstrip())]
    lines = (f"repository: {gitea.URL}/{gitea.USER}/{app.name}.git", "mode: pull-request", "api: gitea")
    app.edit("slipway.yaml", address, "\n".join(f"{indent}{line}" for line in lines))
    yield found
    found.delete()


def test_a_deploy_waits_for_the_merge_and_says_where(app: App, repository: Repository) -> None:
    token = app.layout.state / "gitea/token"
    account = (f"--gh-pat=file://{token}", f"--git-username={gitea.USER}")
    head, tag = repository.head(), app.head()[:8]

    first = app.call("deploy", "--receipt-only", before=account)
    again = app.call("deploy", before=account)

    assert (first.code, again.code) == (0, 0), first.error + again.error
    receipt = json.loads(first.out)
    (request,) = repository.pulls()
    service = receipt["services"][0]
    assert (service["status"], service["pullRequest"]) == ("Waiting", request["html_url"])
    assert (receipt["gitopsCommit"], receipt["changed"]) == ("", False)
    assert {"sync", "rollout", "proof"}.isdisjoint(stage["stage"] for stage in service["stages"])
    assert f"Waiting: {app.name} {tag} is not deployed in dev" in again.out
    assert repository.head() == head
    assert repository.pulls() == [request]
    assert repository.token not in first.out + first.stderr + again.out + again.stderr

    repository.merge(request["number"], "squash")
    merged = app.call("gitops", before=account)
    assert merged.code == 0, merged.error
    assert merged.out.startswith(f"{app.name}: Skipped: tag {tag} on main")
