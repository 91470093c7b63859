"""R11 over ssh, at a real server: Gitea's own."""

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from slipway_host.errors import AccessDeniedError, TerminalError
from slipway_host.gitops import commit_images
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import GitSettings
from slipway_lab import gitea
from slipway_lab.layout import Layout
from support.gitea import Repository
from support.gitops_remote import VALUES, change, path


def make_key(file: Path) -> tuple[SecretStr, str]:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)]
    subprocess.run(command, check=True)
    return SecretStr(file.read_text().strip()), file.with_suffix(".pub").read_text()


@pytest.fixture
def repository(layout: Layout, run_id: str) -> Iterator[Repository]:
    found = Repository(layout, run_id, ssl.create_default_context(cafile=str(layout.trust)))
    found.create({path("api"): VALUES.format(app="api")})
    yield found
    found.delete()


@pytest.fixture
def over_ssh(repository: Repository, layout: Layout, tmp_path: Path) -> Iterator[GitSettings]:
    key, public = make_key(tmp_path / "deploy")
    registered = repository.call("POST", "/user/keys", {"title": repository.name, "key": public})
    yield GitSettings(
        url=f"{gitea.SSH}/{gitea.USER}/{repository.name}.git",
        branch="main",
        ssh_key=key,
        known_hosts=(gitea.known_host(layout),),
    )
    repository.call("DELETE", f"/user/keys/{registered['id']}")


async def test_a_commit_lands_over_ssh_and_a_second_run_commits_nothing(
    repository: Repository, over_ssh: GitSettings
) -> None:
    first = await commit_images(over_ssh, [change()], run_id="r", report=silent, deadline_s=60)
    again = await commit_images(over_ssh, [change()], run_id="r", report=silent, deadline_s=60)
    assert (first.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert first.commit == again.commit == repository.head()


async def test_an_unknown_or_changed_host_key_stops_before_anything_is_read(
    over_ssh: GitSettings, tmp_path: Path
) -> None:
    # Fault 76: a host that the machine's own files do not know, and one that shows another key.
    kind, key = make_key(tmp_path / "other")[1].split()
    name = over_ssh.known_hosts[0].split()[0]
    for known in ((), (f"{name} {kind} {key}",), (f"elsewhere.example {kind} {key}",)):
        with pytest.raises(TerminalError, match=r"the identity of .* cannot be verified"):
            await commit_images(
                replace(over_ssh, known_hosts=known), [change()], run_id="r", report=silent, deadline_s=60
            )


async def test_a_key_that_the_server_does_not_know_is_denied(over_ssh: GitSettings, tmp_path: Path) -> None:
    stranger = replace(over_ssh, ssh_key=make_key(tmp_path / "stranger")[0])
    with pytest.raises(AccessDeniedError, match="denies git fetch to the account git"):
        await commit_images(stranger, [change()], run_id="r", report=silent, deadline_s=60)
