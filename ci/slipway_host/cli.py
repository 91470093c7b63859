"""The console command `slipway-host`: reads the environment once, and turns errors into exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, NoReturn, TextIO

import anyio

from slipway_host import caller
from slipway_host.errors import DeliveryError, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio import CancelScope

    from slipway_host.job import Job

FAILED, DEFECT = 1, 3
GRACE_S = 8.0
"""From a signal to the end, however long an open request would take; 10 s is the promise (fault 97)."""
RED, PLAIN = "\x1b[31m", "\x1b[0m"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, and end the process with its exit code."""
    from slipway_host import command
    from slipway_host.environ import Environ

    options = command.parser().parse_args(arguments)
    environ = Environ(os.environ, getattr(options, "app_secret", ()))
    # Libraries log what they catch; what is said of it here is one line.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        from slipway_host.job import Job, caller_of

        with caller.asking(caller_of(options)):
            code = anyio.run(_supervised, Job(options, environ, _say), options.command)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        code = _defect(error)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Threads that wait for an answer which nobody needs any more would hold the process up.
    os._exit(code)


async def _supervised(job: Job, command: str) -> int:
    """Run the job until its end or a signal, and return the exit code."""
    caught: list[signal.Signals] = []
    code = 0

    async def watch(scope: CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                if not caught:
                    caught.append(number)
                    _end_for_certain(job, command, number)
                    scope.cancel()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(watch, scope)
            code = await _outcome(job, command)
        tasks.cancel_scope.cancel()
    if caught:
        _fail(_interrupted(job, command, caught[0]))
        return 128 + caught[0]
    return code


async def _outcome(job: Job, command: str) -> int:
    try:
        said = await job.run()
    except DeliveryError as error:
        job.error = error
    else:
        sys.stdout.write(f"{said}\n")
    if job.error:
        _fail(str(job.error.at(command, next_command=caller.command(command))))
        return FAILED
    return 0


def _interrupted(job: Job, command: str, number: signal.Signals) -> str:
    """Return the line that says what a run has done that did not get to its end."""
    many = len(job.ways) > 1
    names = [(way, f"{way.name} " if many else "") for way in job.ways]
    landed = [f"{name}{what}" for way, name in names for what in way.run.landed]
    open_ones = [f"{name}{stage}" for way, name in names for stage in way.run.under_way]
    doubt = f"; under way, and may have landed: {', '.join(open_ones)}" if open_ones else ""
    return str(
        DeliveryError(
            f"ended by {signal.Signals(number).name}{doubt}",
            stage=command,
            landed=landed,
            next_command=f"{caller.command(command)}: what has landed is recognised",
        )
    )


def _end_for_certain(job: Job, command: str, number: signal.Signals) -> None:
    def end() -> None:
        _fail(_interrupted(job, command, number))
        os._exit(128 + number)

    timer = threading.Timer(GRACE_S, end)
    timer.daemon = True
    timer.start()


def _say(line: str) -> None:
    # Pods and servers say things, too: no escape sequence or workflow command of theirs gets out (fault 99).
    sys.stderr.write(f"{quote(line, limit=4000)}\n")
    sys.stderr.flush()


def _fail(line: str) -> None:
    plain = not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR"))
    _write(sys.stderr, f"Error: {line}\n" if plain else f"{RED}Error:{PLAIN} {line}\n")


def _defect(error: BaseException) -> int:
    """Report what nobody expected: where and of which kind, without values, which may be secrets."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = "".join(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames)
    _write(sys.stderr, f"Error: a defect of Slipway: {type(error).__name__}; please report it with\n{where}")
    return DEFECT


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


if __name__ == "__main__":
    main()
