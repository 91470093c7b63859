"""Command line of the lab: `python -m slipway_lab up`, `down`, `status` and so on."""

from __future__ import annotations

import argparse
import fcntl
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slipway_lab import demo, lab
from slipway_lab.errors import LabError
from slipway_lab.layout import Layout
from slipway_lab.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS = {
    "up": "bring the lab up; does nothing where it is up",
    "demo": "bring the lab up and deploy the example service on it",
    "down": "end everything; data and prepared parts stay",
    "reset": "take the lab down and remove its data; prepared parts stay",
    "status": "list the parts and whether they answer",
    "logs": "print the end of one part's log",
    "env": "print the variables for this machine's own tools, for `eval`",
    "dotenv": "print the .env that names the pipeline's secrets",
}


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Keep two commands from changing the lab at once."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with (layout.root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("another lab command is at work: wait for it") from error
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slipway_lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == "logs":
            command.add_argument("part", help="a name from `status`, or build-<program>")
            command.add_argument("--lines", type=int, default=40)
    return parser


def _status(layout: Layout, progress: Progress) -> int:
    rows = lab.status(layout)
    for name, works, where in rows:
        progress.say(f"  {'✓' if works else '✗'} {name:<30} {where}")
    return 0 if all(works for _, works, _ in rows) else 1


def _env(layout: Layout) -> int:
    for name, value in lab.variables(layout).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


def _dotenv(layout: Layout) -> int:
    sys.stdout.write(lab.local_defaults(layout))
    return 0


def _logs(layout: Layout, part: str, lines: int) -> int:
    path = layout.logs / f"{part}.log"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in layout.logs.glob("*.log")))
        raise LabError(f"no log of {part!r}: there are {known or 'none'}")
    sys.stdout.write("\n".join(path.read_text(errors="replace").splitlines()[-lines:]) + "\n")
    return 0


def _change(command: str, layout: Layout, progress: Progress) -> int:
    with _alone(layout):
        if command == "down":
            lab.down(layout, progress)
        elif command == "reset":
            lab.reset(layout, progress)
        elif command == "demo":
            demo.run(layout, progress)
        else:
            lab.up(layout, progress)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 expected failure, 130 interrupted."""
    options = _parser().parse_args(arguments)
    layout, progress = Layout.default(), Progress()
    look = {
        "status": lambda: _status(layout, progress),
        "logs": lambda: _logs(layout, options.part, options.lines),
        "env": lambda: _env(layout),
        "dotenv": lambda: _dotenv(layout),
    }
    try:
        return look.get(options.command, lambda: _change(options.command, layout, progress))()
    except LabError as error:
        progress.say(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("lab: interrupted; the same command goes on from here")
        return 130


if __name__ == "__main__":
    sys.exit(main())
