import io
from pathlib import Path

import pytest
from rich.console import Console

from slipway_lab.layout import Layout
from slipway_lab.parts import digest_of, drop_older, making, part_folder
from slipway_lab.progress import Progress


def test_part_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        with making(folder) as scratch:
            (scratch / "half").write_text("x")
            raise RuntimeError

    folder = tmp_path / "part-1"
    with pytest.raises(RuntimeError):
        fail(folder)
    assert not folder.exists()
    with making(folder) as scratch:
        assert list(scratch.iterdir()) == []
        (scratch / "whole").write_text("x")
    assert (folder / "whole").exists()


def test_key_changes_with_every_input(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = digest_of(tmp_path, "pin")
    assert digest_of(tmp_path, "pin") == first
    assert digest_of(tmp_path, "other") != first
    (tmp_path / "a").write_text("2")
    second = digest_of(tmp_path, "pin")
    assert second != first
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_of(tmp_path, "pin") not in {first, second}


def test_older_pins_go_and_other_parts_stay(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    old, new = part_folder(layout, "go", "0" * 16), part_folder(layout, "go", "1" * 16)
    other = part_folder(layout, "go-toolchain", "2" * 16)
    for folder in (old, new, other):
        folder.mkdir(parents=True)
    drop_older(layout, "go", new)
    assert [folder.exists() for folder in (old, new, other)] == [False, True, True]


@pytest.mark.parametrize("terminal", [False, True])
def test_steps_side_by_side_each_say_their_time(*, terminal: bool) -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=terminal, color_system=None, width=100))
    with progress.step("outer", expected_s=20), progress.step("inner", expected_s=1):
        pass
    text = out.getvalue()
    assert "✓ inner 0.0 s" in text
    assert "✓ outer 0.0 s" in text
    assert terminal or "… outer (usually 20 s)" in text
