"""The end-to-end tests' changes of the GitOps repository, which deploys of other tests change meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from slipway_lab import argocd, command, gitserver
from slipway_lab.errors import LabError
from slipway_lab.layout import Layout
from support import shared_gitops


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A lab that has nothing but the GitOps repository."""
    found = Layout(tmp_path)
    seed = tmp_path / "seed"
    seed.mkdir()
    (seed / "README.md").write_text("x\n")
    found.run.mkdir(parents=True)
    gitserver.publish(found, argocd.GITOPS, seed, message="seed")
    return found


def files(layout: Layout) -> set[str]:
    bare = gitserver.repository(layout, argocd.GITOPS)
    return set(command.run(["git", "-C", bare, "ls-tree", "--name-only", "main"]).split())


def touch(name: str, work: Path) -> None:
    (work / name).touch()


def test_a_change_that_was_overtaken_is_made_again_on_top(layout: Layout) -> None:
    tries: list[int] = []

    def edit(work: Path) -> None:
        tries.append(len(tries))
        touch("ours", work)
        if len(tries) < 3:
            shared_gitops.change(layout, partial(touch, f"theirs-{len(tries)}"), "theirs")

    shared_gitops.change(layout, edit, "ours")
    assert tries == [0, 1, 2]
    assert files(layout) == {"README.md", "ours", "theirs-1", "theirs-2"}


def test_changes_at_the_same_time_all_arrive(layout: Layout) -> None:
    names = [f"file-{number}" for number in range(6)]
    with ThreadPoolExecutor(3) as people:
        list(people.map(lambda name: shared_gitops.change(layout, partial(touch, name), name), names))
    assert files(layout) == {"README.md", *names}


def test_what_changes_nothing_commits_nothing(layout: Layout) -> None:
    before = gitserver.head_of(layout, argocd.GITOPS)
    shared_gitops.change(layout, partial(touch, "README.md"), "nothing")
    assert gitserver.head_of(layout, argocd.GITOPS) == before


def test_a_branch_that_is_nowhere_is_an_error(layout: Layout) -> None:
    assert shared_gitops.branches(layout, "main", "nowhere") == ["main"]
    with pytest.raises(LabError, match="nowhere"):
        shared_gitops.change(layout, partial(touch, "x"), "x", branch="nowhere")
