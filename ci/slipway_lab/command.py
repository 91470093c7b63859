"""Runs programs to their end, and says what they said when they fail."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from slipway_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 15


def run(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    timeout_s: float = 600,
) -> str:
    """Run a program and return what it printed on standard output.

    Args:
        arguments: the program and its arguments.
        env: variables to add to this process's own.
        cwd: folder to run in.
        stdin: text to feed it; without it, standard input is empty.
        log: file that receives both streams instead of memory; nothing is returned then.
        timeout_s: seconds until the program is killed.

    Raises:
        LabError: it failed; the message ends with the last lines it printed.
    """
    words = [str(argument) for argument in arguments]
    environment = {**os.environ, **(env or {})}
    try:
        if log is not None:
            with log.open("ab") as output:
                done = subprocess.run(
                    words,
                    env=environment,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=timeout_s,
                    check=False,
                )
            said = log.read_text(errors="replace") if done.returncode else ""
        else:
            done = subprocess.run(
                words,
                env=environment,
                cwd=cwd,
                input=(stdin or "").encode(),
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
            said = (done.stderr or done.stdout).decode(errors="replace")
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: no such program") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words[:3])} …: killed after {timeout_s:.0f} s") from error
    if done.returncode:
        tail = "\n  ".join(said.strip().splitlines()[-TAIL_LINES:])
        where = f" (whole log: {log})" if log else ""
        raise LabError(f"{' '.join(words[:4])} … ended with {done.returncode}{where}:\n  {tail}")
    return "" if log is not None else done.stdout.decode(errors="replace")
