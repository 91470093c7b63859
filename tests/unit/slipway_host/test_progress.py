"""What people see of a run: lines in a log, rows on a terminal, and the same words in both."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from slipway_host import plain as plain_module
from slipway_host.errors import RolloutFailedError
from slipway_host.live import Live
from slipway_host.plain import Plain
from slipway_host.progress import Lines, Step, View, running, silent, within
from slipway_host.results import StageResult, Status
from slipway_host.run import Run
from slipway_host.tint import tinted

CI = Path(__file__).parents[3] / "ci"


async def stage(
    run: Run, name: str, *lines: str, seconds: float = 0, status: Status = Status.SUCCEEDED
) -> None:
    async def act() -> StageResult:
        for line in lines:
            run.report(line)
        await anyio.sleep(seconds)
        return StageResult(stage=name, status=status, summary="well")

    await run.stage(name, act)


async def lines(said: list[str], count: int) -> None:
    """Wait until so many lines were said, which another thread does."""
    while len(said) < count:  # noqa: ASYNC110 - no event reaches here from there
        await anyio.sleep(0.01)


def run_of(report: Callable[[str], None], service: str = "api") -> Run:
    return Run(service=service, report=report, next_command="again")


@pytest.mark.parametrize("view", [Plain(silent), Live(io.StringIO(), colour=False), Lines(silent)])
def test_each_way_of_showing_is_a_view_and_a_plain_function_is_none(view: View) -> None:
    assert isinstance(view, View)
    assert not isinstance(silent, View)


async def test_a_quick_stage_is_one_line_below_the_others() -> None:
    said: list[str] = []
    view = Plain(said.append, beat_s=60)
    api, worker = run_of(view), run_of(view, "worker")
    view.began(Step("worker", "test"))
    await stage(api, "preflight", "looking here", "looking there")
    await stage(api, "scan-source", status=Status.SKIPPED)
    await stage(worker, "gitops", status=Status.WAITING)
    view.close()
    assert said == [
        "✓ api    › preflight      0.0 s  well",
        "= api    › scan-source    0.0 s  well",
        "… worker › gitops         0.0 s  well",
    ]


async def test_a_failed_stage_says_why() -> None:
    said: list[str] = []
    run = run_of(Plain(said.append))

    async def act() -> StageResult:
        raise RolloutFailedError("no such image")

    with pytest.raises(RolloutFailedError):
        await run.stage("rollout", act)
    assert said == ["✗ api › rollout        0.0 s  no such image"]


async def test_a_wait_says_what_for_how_long_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_module, "HOLD_S", 0.1)
    said: list[str] = []
    view = Plain(said.append, beat_s=0.5)
    run = run_of(view)

    async def act() -> StageResult:
        within(300)
        run.report("0 of 2 pods updated")
        run.report("1 of 2 pods updated")
        await lines(said, 2)
        run.report("2 of 2 pods updated")
        return StageResult(stage="rollout", status=Status.SUCCEEDED, summary="all")

    await run.stage("rollout", act)
    assert [re.sub(r"\d\.\d s", "N s", line) for line in said] == [
        "· api › rollout        N s  1 of 2 pods updated (at most 300 s)",
        "· api › rollout        N s  still: 1 of 2 pods updated (at most 300 s)",
        "✓ api › rollout        N s  all",
    ]


async def test_of_a_log_each_line_counts_and_a_warning_never_waits() -> None:
    said: list[str] = []
    view = Plain(said.append, beat_s=60)
    await stage(run_of(view), "migrate", "migrate: one", "migrate: two")
    await stage(run_of(view), "undo", "WARNING: first", "second")
    assert [line.rpartition("  ")[2] for line in said] == ["one", "two", "well", "WARNING: first", "well"]


async def test_nobody_is_left_talking_after_the_last_stage() -> None:
    said: list[str] = []
    run = run_of(Plain(said.append, beat_s=0.05))

    async def act() -> StageResult:
        await lines(said, 2)
        return StageResult(stage="build", status=Status.SUCCEEDED, summary="well")

    await run.stage("build", act)
    with anyio.move_on_after(0.1):
        await stage(run, "test", seconds=60)
    count = len(said)
    await anyio.sleep(0.3)
    assert len(said) == count
    assert [line.split()[-2:] for line in said[:2]] == [["still", "running"]] * 2


async def test_what_is_said_about_a_commit_of_several_services_names_them() -> None:
    said: list[str] = []
    view = Plain(said.append)
    with running(Step("api, ui", "gitops")):
        view("reading main")
    view("nobody's")
    assert said == ["· api, ui › gitops         0.0 s  reading main", "nobody's"]


# Draws what a deploy of two services draws; `hang` keeps it at its waits.
DRAW = """
import anyio, os, sys
from slipway_host.live import Live
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.run import Run
view = Live(sys.stderr, colour=not os.environ.get("NO_COLOR"))
async def main():
    async def one(service):
        run = Run(service=service, report=view, next_command="again")
        async def act():
            within(300)
            view("Deployment/[red]" + service + chr(27) + "[2J: 1 of 2 new pods available, " + "x" * 200)
            await anyio.sleep(60 if "hang" in sys.argv else 0.7)
            return StageResult(stage="rollout", status=Status.SUCCEEDED, summary="all 2 pods [bold]")
        await run.stage("rollout", act)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "api")
        tasks.start_soon(one, "worker")
try:
    anyio.run(main)
except KeyboardInterrupt:
    pass
finally:
    view.close()
"""


def drawn(
    columns: int, *, then: Callable[["subprocess.Popen[bytes]", int], None] | None = None, **more: str
) -> str:
    """Return what a terminal of some columns gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    words = ["hang"] if then else []
    process = subprocess.Popen(
        [sys.executable, "-c", DRAW, *words],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CI), "TERM": "xterm-256color", **more},
    )
    os.close(theirs)
    if then:
        time.sleep(1.2)
        then(process, ours)
    found = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        found += part
    process.wait(timeout=20)
    os.close(ours)
    return found.decode()


def rows(text: str) -> list[str]:
    return [
        line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)) if line.strip()
    ]


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_shows_rows_that_fit_and_keeps_what_ended(columns: int) -> None:
    text = drawn(columns)
    under_way = [row for row in rows(text) if row.startswith("·")]
    assert under_way
    assert max(map(len, under_way)) <= columns
    assert any("worker › rollout" in row for row in under_way)
    assert "\x1b[2J" not in text
    assert columns < 100 or any("[red]api" in row for row in under_way)
    ended = [re.sub(r"\d\.\d s", "N s", row) for row in rows(text) if row.startswith("✓")]
    assert sorted(ended) == [
        "✓ api    › rollout        N s  all 2 pods [bold]",
        "✓ worker › rollout        N s  all 2 pods [bold]",
    ]
    assert "\x1b[32m" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_no_color_leaves_movements_and_no_colours() -> None:
    text = drawn(100, NO_COLOR="1")
    assert re.findall(r"\x1b\[[0-9;]*m", text.replace("\x1b[0m", "").replace("\x1b[1m", "")) == []
    assert "✓ api" in text


def test_a_terminal_that_shrinks_gets_shorter_rows() -> None:
    def shrink(process: "subprocess.Popen[bytes]", terminal: int) -> None:
        os.read(terminal, 1 << 20)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
        time.sleep(0.8)
        os.read(terminal, 1 << 20)
        time.sleep(0.6)
        process.send_signal(2)

    last = [row for row in rows(drawn(120, then=shrink)) if row.startswith("·")]
    assert last
    assert max(map(len, last)) <= 30


def test_ctrl_c_leaves_a_clean_terminal() -> None:
    text = drawn(80, then=lambda process, _: process.send_signal(2))
    assert text.count("\x1b[?25h") == 1
    # The last thing drawn is erased: rows of what is no longer under way would be a lie.
    assert text.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


def test_only_statuses_are_tinted_and_a_receipt_stays_json() -> None:
    text = (
        "  preflight  Succeeded  0.5 s  last operation Succeeded\n  test       -\n\n"
        'Nothing to do: api runs\n\n{\n  "status": "Failed"\n}'
    )
    assert tinted(text) == (
        "  preflight  \x1b[32mSucceeded\x1b[0m  0.5 s  last operation Succeeded\n  test       -\n\n"
        '\x1b[1mNothing to do: api runs\x1b[0m\n\n{\n  "status": "Failed"\n}'
    )
    assert tinted('{\n  "status": "Failed"\n}') == '{\n  "status": "Failed"\n}'
