"""R11, faults 59 to 63: many deploys and somebody else write to one branch of the lab's git server."""

import random
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from pydantic import SecretStr

from chaos.conftest import Note, Scale
from chaos.racer import deploy_of
from chaos.world import GIT_AS
from slipway_host.errors import DeliveryError
from slipway_host.gitops import commit_images
from slipway_host.progress import silent
from slipway_host.settings import GitSettings
from slipway_lab import command, credentials, gitserver
from slipway_lab.layout import GIT, Layout

P95_S = 30.0
"""At full size 17 s on two cores that have nothing else to do, and 54 s beside the end-to-end tests."""
PAUSE_S = 60.0
"""A writer's longest pause between two deploys: 50 of them make some 100 deploys a minute."""


@dataclass
class Written:
    """What the writers saw."""

    seconds: list[float] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    commits: dict[str, str] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    rival: int = 0


@pytest.fixture
def branch(layout: Layout, run_id: str, scale: Scale, tmp_path: Path) -> Iterator[tuple[GitSettings, Path]]:
    name = f"mosuon/{run_id}"
    bare, seed = gitserver.create(layout, name), tmp_path / "seed"
    for number in range(scale.writers):
        file = seed / "apps" / f"w{number}" / "values.yaml"
        file.parent.mkdir(parents=True)
        file.write_text('image:\n  tag: ""  # kept\nreplicaCount: 2\n')
    (seed / "rival").write_text("0\n")
    command.run(["git", "init", "--quiet", "--initial-branch=main", seed])
    command.run(["git", "-C", seed, "add", "--all"])
    command.run(["git", "-C", seed, *GIT_AS, "commit", "--quiet", "--message", "seed"])
    command.run(["git", "-C", seed, "push", "--quiet", bare, "main"])
    token = SecretStr(credentials.read(layout, "git-writer"))
    settings = GitSettings(
        url=f"{GIT}/{name}.git", branch="main", username=credentials.GIT_WRITER, token=token
    )
    yield settings, bare
    shutil.rmtree(bare)


async def write(
    settings: GitSettings, app: str, writing_s: float, seen: Written, number: random.Random
) -> None:
    """Deploy again and again, the first time with everybody else."""
    until = time.monotonic() + writing_s
    while time.monotonic() < until:
        commit = f"{number.getrandbits(160):040x}"
        change = deploy_of(app, commit)
        began = time.monotonic()
        try:
            done = await commit_images(settings, [change], run_id=app, report=silent, deadline_s=120)
        except DeliveryError as error:
            seen.failures.append(f"{app}: {error}")
        else:
            seen.seconds.append(time.monotonic() - began)
            seen.attempts.append(done.attempts)
            seen.commits[done.commit] = commit[:8]
            seen.last[app] = commit[:8]
        await anyio.sleep(number.uniform(0, min(PAUSE_S, writing_s)))


async def rival(bare: Path, folder: Path, seen: Written) -> None:
    """Put a commit on the branch each second, by a client that knows nothing of the others."""
    command.run(["git", "clone", "--quiet", bare, folder])
    while True:
        (folder / "rival").write_text(f"{seen.rival + 1}\n")

        def push() -> None:
            git = ["git", "-C", str(folder), *GIT_AS]
            command.run([*git, "pull", "--quiet", "--rebase", "--autostash"])
            command.run([*git, "commit", "--quiet", "--all", "--message", "rival"])
            command.run([*git, "push", "--quiet"])

        try:
            await anyio.to_thread.run_sync(push)
            seen.rival += 1
        except Exception:  # noqa: BLE001 - a rival that loses a race tries again a second later
            await anyio.to_thread.run_sync(
                partial(command.run, ["git", "-C", str(folder), "reset", "--quiet", "--hard", "origin/main"])
            )
        await anyio.sleep(1)


async def test_writers_beside_a_rival_lose_nothing(
    branch: tuple[GitSettings, Path], scale: Scale, tmp_path: Path, note: Note
) -> None:
    settings, bare = branch
    seen = Written()
    number = random.Random(59)  # noqa: S311 - chosen, so that a failure can be had again
    began = time.monotonic()
    async with anyio.create_task_group() as beside:
        beside.start_soon(rival, bare, tmp_path / "rival", seen)
        async with anyio.create_task_group() as writers:
            for index in range(scale.writers):
                writers.start_soon(write, settings, f"w{index}", scale.writing_s, seen, number)
        beside.cancel_scope.cancel()

    assert seen.failures == []
    log = command.run(["git", "-C", bare, "log", "--format=%H %P %s", "main"]).splitlines()
    history = [line.split() for line in log]
    p95 = sorted(seen.seconds)[int(0.95 * len(seen.seconds))]
    figures = {
        "writers": scale.writers,
        "deploys": len(seen.seconds),
        "rival": seen.rival,
        "failed": len(seen.failures),
        "lost": len(seen.commits.keys() - {words[0] for words in history}),
        "median_s": round(statistics.median(seen.seconds), 2),
        "p95_s": round(p95, 2),
        "max_s": round(max(seen.seconds), 2),
        "most_attempts": max(seen.attempts),
        "seconds": round(time.monotonic() - began),
    }
    note("writers", figures)
    assert figures["lost"] == 0
    # Linear: one parent each, and as many commits as were made.
    assert all(len(words[1]) == 40 for words in history[:-1])
    assert sum(words[2:3] == ["rival"] for words in history) >= seen.rival > 0
    assert len(history) == 1 + len(seen.commits) + sum(words[2:3] == ["rival"] for words in history)
    for app, tag in seen.last.items():
        assert f'"{tag}"' in command.run(["git", "-C", bare, "show", f"main:apps/{app}/values.yaml"])
    assert p95 <= P95_S
