"""R3: actionlint finds nothing in any workflow."""

import subprocess
from pathlib import Path

from slipway_lab.layout import Layout
from support.workflows import FILES, PULL_REQUEST


def lint(layout: Layout, *paths: Path) -> subprocess.CompletedProcess[str]:
    # Neither of its helpers: what is on the machine would decide what is found.
    words = [layout.bin / "actionlint", "-no-color", "-oneline", "-shellcheck=", "-pyflakes=", *paths]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


def test_actionlint_has_nothing_to_say(layout: Layout) -> None:
    said = lint(layout, *FILES)
    assert said.stdout == ""
    assert said.returncode == 0, said.stderr


def test_actionlint_is_awake(layout: Layout, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(PULL_REQUEST.read_text().replace("github.ref", "github.reff"))
    said = lint(layout, broken)
    assert said.returncode == 1
    assert 'property "reff" is not defined' in said.stdout
