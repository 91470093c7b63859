"""R28: deployments at GitHub, by its documentation: no real GitHub can be asked from a test."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import http_api
from slipway_host.errors import AccessDeniedError, NotFoundError, TerminalError
from slipway_host.github_deployments import DESCRIPTION, Deployment, DeploymentClient, DeploymentSettings
from support.github_deployments import TOKEN, Deployments
from support.https import serving

COMMIT = "8f3a12bc" + "0" * 32
RUN = Deployment(
    commit=COMMIT, environment="prod", task="deploy", run="20261124T051500-1f3a", production=True
)


@pytest.fixture
def server() -> Deployments:
    return Deployments(commits={COMMIT})


@pytest.fixture
def client(server: Deployments, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeploymentClient]:
    monkeypatch.setattr(http_api, "_BACKOFF", wait_none())
    with serving(server) as url:
        yield at(url)


def at(url: str, *, repository: str = "api", token: str = TOKEN) -> DeploymentClient:
    settings = DeploymentSettings(url=url, owner="acme", repository=repository)
    return DeploymentClient(settings, SecretStr(token))


async def test_a_run_is_one_deployment_however_often_it_is_told(
    client: DeploymentClient, server: Deployments
) -> None:
    async with client:
        number = await client.ensure(RUN)
        assert await client.ensure(RUN) == number
        await client.set(number, "in_progress", description="api", log_url="https://ci.test/1")
        await client.set(number, "success", description="Deployed: api", environment_url="https://api.test/")
    assert len(server.deployments) == 1
    made = server.deployments[0]
    assert (made["sha"], made["environment"], made["task"]) == (COMMIT, "prod", "deploy")
    assert (made["payload"], made["production_environment"]) == ({"run": RUN.run}, True)
    assert server.statuses[number] == [
        {"state": "in_progress", "description": "api", "log_url": "https://ci.test/1"},
        {"state": "success", "description": "Deployed: api", "environment_url": "https://api.test/"},
    ]


async def test_a_lost_answer_makes_no_second_deployment(
    client: DeploymentClient, server: Deployments
) -> None:
    server.lost = 1
    async with client:
        await client.ensure(RUN)
    assert len(server.deployments) == 1


async def test_another_run_of_the_same_commit_is_another_deployment(
    client: DeploymentClient, server: Deployments
) -> None:
    other = Deployment(commit=COMMIT, environment="prod", task="deploy", run="other", production=True)
    async with client:
        assert await client.ensure(RUN) != await client.ensure(other)
    assert len(server.deployments) == 2


async def test_a_long_line_is_cut_to_what_github_takes(client: DeploymentClient, server: Deployments) -> None:
    async with client:
        number = await client.ensure(RUN)
        await client.set(number, "failure", description="x" * 500)
    assert len(server.statuses[number][0]["description"]) == DESCRIPTION


async def test_what_the_token_may_not_is_said(client: DeploymentClient, server: Deployments) -> None:
    server.may = "read"
    async with client:
        with pytest.raises(AccessDeniedError, match="may not use /repos/acme/api/deployments"):
            await client.ensure(RUN)


async def test_a_wrong_token_a_hidden_repository_and_an_unknown_commit_are_told_apart(
    server: Deployments,
) -> None:
    with serving(server) as url:
        async with at(url, token="wrong-token") as client:
            with pytest.raises(AccessDeniedError, match="does not accept the token"):
                await client.ensure(RUN)
        async with at(url, repository="other") as client:
            with pytest.raises(NotFoundError, match="or the token may not see it"):
                await client.ensure(RUN)
        server.commits.clear()
        async with at(url) as client:
            with pytest.raises(TerminalError, match="No ref found"):
                await client.ensure(RUN)
