"""`slipway-host init` and `init-gitops`, as they are typed."""

import subprocess
import sys
from pathlib import Path

import pytest

ASKED = ("--registry=ghcr.io/acme", "--gitops=https://git.example/acme/k8s.git")
CI = Path(__file__).parents[3] / "ci"


def host(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "slipway_host.cli", *map(str, arguments)],
        cwd=cwd,
        env={"PYTHONPATH": str(CI)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nEXPOSE 4000\n")
    return folder


def test_both_commands_write_in_place_and_only_once(shop: Path, tmp_path: Path) -> None:
    code, said, error = host("init", *ASKED, cwd=shop)
    assert (code, error) == (0, "")
    assert "  new   slipway.yaml\n" in said
    assert (shop / "slipway.yaml").exists()
    code, said, _ = host("init", cwd=shop)
    assert code == 0
    assert "Nothing to write." in said

    gitops = tmp_path / "k8s"
    gitops.mkdir()
    code, said, error = host("init-gitops", "--folder=../k8s", cwd=shop)
    assert (code, error) == (0, "")
    assert (gitops / "apps" / "shop" / "app.yaml").exists()
    assert (gitops / "charts" / "app" / "templates" / "deployment.yaml").exists()
    code, said, _ = host("init-gitops", "--folder", gitops, cwd=shop)
    assert code == 0
    assert "Nothing to write." in said


def test_what_is_missing_is_one_line_and_nothing_is_written(shop: Path) -> None:
    code, said, error = host("init", cwd=shop)
    assert (code, said) == (1, "")
    assert error == (
        "Error: init: nothing in the repository tells the registry and the GitOps repository. "
        "Landed: nothing. Next: the same command with --registry=<host/namespace> --gitops=<https address>\n"
    )
    assert [path.name for path in shop.iterdir()] == ["Dockerfile"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("init", "--folder=nowhere"), "nowhere is no folder"),
        (("init-gitops", "--folder=."), "slipway.yaml cannot be read"),
    ],
)
def test_a_folder_that_is_not_there_is_named(shop: Path, arguments: tuple[str, ...], words: str) -> None:
    code, _, error = host(*arguments, cwd=shop)
    assert code == 1
    assert words in error
    assert "Next: " in error
