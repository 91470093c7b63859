"""Prepared parts: folders that are made once for each set of pins, or not at all."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_lab.layout import Layout


def digest_of(*inputs: str | bytes | Path) -> str:
    """Return 16 hexadecimal characters that change when any input does; folders count by their files."""
    total = hashlib.sha256()
    for item in inputs:
        if isinstance(item, Path):
            files = sorted(p for p in item.rglob("*") if p.is_file()) if item.is_dir() else [item]
            for file in files:
                total.update(str(file.relative_to(item) if item.is_dir() else file.name).encode())
                total.update(b"\0" + hashlib.sha256(file.read_bytes()).digest())
        else:
            total.update(item if isinstance(item, bytes) else item.encode())
        total.update(b"\n")
    return total.hexdigest()[:16]


def part_folder(layout: Layout, name: str, key: str) -> Path:
    """Return where a part with these pins is, or will be."""
    return layout.parts / f"{name}-{key}"


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes `folder` when the block ends without an error.

    A kill in the middle leaves only the scratch folder, which the next try removes: a part is there whole
    or not at all.
    """
    scratch = folder.with_name(folder.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    yield scratch
    scratch.rename(folder)


def drop_older(layout: Layout, name: str, current: Path) -> None:
    """Remove the parts of this name with other pins."""
    for folder in layout.parts.glob(f"{name}-*"):
        if folder != current and len(folder.name) == len(current.name):
            shutil.rmtree(folder, ignore_errors=True)
