"""R16, R36: the way back and the hold on real git servers, pushed and as a pull request."""

import ssl
from collections.abc import Iterator
from dataclasses import replace

import pytest

from slipway_host import git, history, holding, holds, rollback
from slipway_host.errors import HeldError
from slipway_host.gitops import GitOpsResult, commit_images
from slipway_host.history import DEPLOY, OTHER, ROLLBACK, Entry
from slipway_host.holding import Holding
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import GitSettings, SecretsSettings
from slipway_lab.layout import Layout
from support.gitea import Repository
from support.gitops_remote import VALUES, change, path
from support.taken_back import taken_back
from support.target import api_target

OLD, BAD = "aaaa1111" * 5, "bbbb2222" * 5
TARGET = api_target(
    environment="dev",
    commit=BAD,
    repository="registry.invalid/acme/api",
    namespace="n",
    values=path("api"),
    health_port=80,
    secrets=SecretsSettings(name="s"),
)


async def deploy(settings: GitSettings, one: ImageChange) -> GitOpsResult:
    return await commit_images(settings, [one], run_id="run-1", report=silent, deadline_s=60)


async def back(settings: GitSettings) -> GitOpsResult:
    """Do what `dagger call rollback` does to the GitOps repository."""
    async with git.clone(settings) as copy:
        await copy.fetch()
        way = await rollback.find(copy, TARGET, to="", revert="")
    assert way
    return await deploy(replace(settings, message=rollback.MESSAGE), taken_back(way, reason="500s"))


async def entries(settings: GitSettings) -> list[Entry]:
    async with git.clone(settings, depth=200) as copy:
        await copy.fetch()
        return await history.read(copy, "api", path("api"), limit=10)


def seen(found: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.tag, entry.kind) for entry in found]


async def test_back_held_lifted_and_forth_over_https(gitops: GitSettings) -> None:
    await deploy(gitops, change(commit=OLD))
    await deploy(gitops, change(commit=BAD, ancestors=frozenset({OLD})))

    done, again = await back(gitops), await back(gitops)

    assert (done.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert seen(await entries(gitops)) == [(OLD[:8], ROLLBACK), (BAD[:8], DEPLOY), (OLD[:8], DEPLOY)]
    promoted = change(commit=BAD, ancestors=frozenset({OLD}))
    with pytest.raises(HeldError, match=r"held by ann since .*: 500s"):
        await deploy(gitops, promoted)
    lift = Holding(targets=(TARGET,), tag=BAD[:8], reason="", by="ann", lift=True, run_id="run-2")
    assert "api: nothing is held" in await holding.hold(gitops, lift, report=silent)
    assert (await deploy(gitops, promoted)).status is Status.SUCCEEDED


@pytest.fixture
def repository(layout: Layout, run_id: str) -> Iterator[Repository]:
    found = Repository(layout, run_id, ssl.create_default_context(cafile=str(layout.trust)))
    found.create({path("api"): VALUES.format(app="api")})
    yield found
    found.delete()


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
async def test_back_by_pull_request_in_a_repository_that_others_wrote(
    repository: Repository, style: str
) -> None:
    for tag in ("v1", "v2"):
        repository.put(path("api"), VALUES.format(app="api").replace("latest", tag))
    settings, before = repository.settings(), repository.head()

    first, second = await back(settings), await back(settings)

    assert (first.status, second) == (Status.WAITING, first)
    assert repository.head() == before
    (request,) = repository.pulls()
    assert request["title"] == "rollback: revert to v1"
    repository.merge(first.number, style)
    assert seen(await entries(settings))[:3] == [("v1", ROLLBACK), ("v2", OTHER), ("v1", OTHER)]
    (held,) = holds.parse(repository.text(f"{path('api')}.hold").encode(), "x")
    assert held.tag == "v2"
    assert (await back(settings)).status is Status.SKIPPED


async def test_a_hold_is_proposed_where_nobody_pushes_and_a_second_one_changes_nothing(
    repository: Repository,
) -> None:
    settings, before = repository.settings(), repository.head()
    wish = Holding(targets=(TARGET,), tag="", reason="incident 7", by="ann", lift=False, run_id="run-1")

    said = await holding.hold(settings, wish, report=silent)
    branch = "slipway/prod/api-hold"
    proposed = repository.head(branch)
    again = await holding.hold(settings, wish, report=silent)

    (request,) = repository.pulls()
    assert again == said
    assert (
        said == f"Waiting: nothing has changed yet, merge {request['html_url']} on main\napi: nothing is held"
    )
    assert (repository.head(), repository.head(branch)) == (before, proposed)
    repository.merge(request["number"], "squash")
    assert "api: every deploy is held by ann" in await holding.hold(settings, wish, report=silent)
    with pytest.raises(HeldError, match="incident 7"):
        await deploy(settings, change(commit=BAD))
