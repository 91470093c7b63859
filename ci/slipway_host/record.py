"""The files of a run, for whoever was not there: receipt, log and summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway_host.progress import current, view_of
from slipway_host.receipt import summary, to_json
from slipway_host.run import instant
from slipway_host.scrub import printable, without
from slipway_host.step_summary import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from slipway_host.progress import Report, Step

LOG_LIMIT = 4_000_000
"""Characters of build.log: what says more has its middle cut out."""


class Log:
    """Everything that a run says, and what its programs print, a line each with its time.

    Args:
        report: shows what is said; not what is only noted.
    """

    def __init__(self, report: Report) -> None:
        self.lines: list[str] = []
        self._view = view_of(report)

    def __call__(self, line: str) -> None:
        """Say a line, and note it."""
        step = current()
        self.note(line if step is None else f"{step.name}: {line.removeprefix(f'{step.stage}: ')}")
        self._view(line)

    def began(self, step: Step) -> None:
        """Show that a stage is under way."""
        self._view.began(step)

    def inside(self, step: Step) -> AbstractContextManager[None]:
        """Surround a stage's own work."""
        return self._view.inside(step)

    def ended(self, step: Step, status: str, summary: str, seconds: float) -> None:
        """Show how a stage ended, and note it."""
        self.note(f"{step.name}: {status} in {seconds:.1f} s, {summary}")
        self._view.ended(step, status, summary, seconds)

    def note(self, text: str, *, of: str = "") -> None:
        """Note what somebody else shows already, one line or several; `of` names whose it is."""
        now, head = instant(), f"{of}| " if of else ""
        self.lines += [f"{now} {head}{printable(line)}".rstrip() for line in text.splitlines()]


def files(document: Mapping[str, Any], said: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a run, name → bytes: this is where one more is added.

    Args:
        document: the receipt, without secrets (`clean`).
        said: lines of `Log`, without secrets.
    """
    log = "\n".join([*said, "", summary(document)])
    texts = {
        "receipt.json": to_json(document),
        "build.log": _cut(log),
        "summary.md": markdown(document),
    }
    return {name: f"{text}\n".encode() for name, text in texts.items()}


def clean(value: Any, known: Iterable[str]) -> Any:
    """Return JSON values without the known secrets: a second wall, as nobody writes one down on purpose."""
    known = tuple(known)
    if isinstance(value, str):
        return without(value, known)
    if isinstance(value, dict):
        return {key: clean(one, known) for key, one in value.items()}
    return [clean(one, known) for one in value] if isinstance(value, list | tuple) else value


def _cut(text: str) -> str:
    if len(text) <= LOG_LIMIT:
        return text
    half = LOG_LIMIT // 2
    return f"{text[:half]}\n… {len(text) - LOG_LIMIT} characters are left out …\n{text[-half:]}"
