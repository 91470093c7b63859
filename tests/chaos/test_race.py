"""R11 and R37: many clients deploy to one branch at once; nothing is lost, and it costs what git costs."""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.conftest import Note, Scale
from chaos.world import GIT_AS
from slipway_lab import command, credentials, gitserver
from slipway_lab.layout import GIT, Layout

FOLDERS = [str(Path(__file__).parents[2] / "ci"), str(Path(__file__).parents[1])]
AS_LONG = 3
"""The middle of the field may take this many times what careful scripts take: two races differ."""


@pytest.fixture
def repositories(layout: Layout, run_id: str, scale: Scale, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Two repositories alike: one for each kind of client."""
    seed, found = tmp_path / "seed", {}
    for number in range(scale.racers):
        file = seed / "apps" / f"w{number}" / "values.yaml"
        file.parent.mkdir(parents=True)
        file.write_text('image:\n  tag: ""\n')
    command.run(["git", "init", "--quiet", "--initial-branch=main", seed])
    command.run(["git", "-C", seed, "add", "--all"])
    command.run(["git", "-C", seed, *GIT_AS, "commit", "--quiet", "--message", "seed"])
    for kind in ("slipway", "git"):
        found[kind] = gitserver.create(layout, f"mosuon/{run_id}-{kind}")
        command.run(["git", "-C", seed, "push", "--quiet", found[kind], "main"])
    yield found
    for bare in found.values():
        shutil.rmtree(bare)


def race(layout: Layout, kind: str, bare: Path, racers: int) -> list[tuple[float, int]]:
    """Let clients deploy at once, and return the seconds and tries of each, fastest first."""
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(FOLDERS),
        "RACER_USER": credentials.GIT_WRITER,
        "RACER_TOKEN": credentials.read(layout, "git-writer"),
    }
    url = f"{GIT}/mosuon/{bare.name}"
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "chaos.racer", kind, url, f"w{number}"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(racers)
    ]
    try:
        for client in clients:
            assert client.stdout
            assert client.stdout.readline() == "ready\n"
        for client in clients:
            assert client.stdin
            client.stdin.write("go\n")
            client.stdin.flush()
        ended = [client.communicate(timeout=300)[0].split() for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.wait()
    assert all(client.returncode == 0 for client in clients)
    return sorted((float(seconds), int(tries)) for seconds, tries in ended)


def test_many_clients_lose_nothing_and_take_as_long_as_git(
    layout: Layout, repositories: dict[str, Path], scale: Scale, note: Note
) -> None:
    seconds = {}
    for kind, bare in repositories.items():
        ended = race(layout, kind, bare, scale.racers)
        seconds[kind] = statistics.median(one for one, _ in ended)
        note(
            f"race of {kind}",
            {
                "clients": len(ended),
                "median_s": round(seconds[kind], 2),
                "p95_s": round(ended[int(0.95 * len(ended))][0], 2),
                "most_tries": max(tries for _, tries in ended),
            },
        )
        # Each client's commit is there, and nothing but a line of them.
        log = command.run(["git", "-C", bare, "log", "--format=%P", "main"]).splitlines()
        assert len(log) == scale.racers + 1
        assert all(len(parents) == 40 for parents in log[:-1])
    assert seconds["slipway"] <= AS_LONG * seconds["git"]
