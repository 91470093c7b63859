"""Progress on a terminal: stages that have ended above, and below a row for each that is under way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from slipway_host.errors import quote
from slipway_host.plain import LIMIT, MARKS, STAGE, TALKATIVE, clean
from slipway_host.progress import current

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from slipway_host.progress import Step

STYLES = {"✓": "green", "=": "dim", "✗": "bold red", "…": "yellow", "?": "yellow", "·": "cyan"}


class Live:
    """A view that redraws itself four times a second, and leaves lines and a visible cursor behind.

    Args:
        stream: the terminal.
        colour: whether it shows colours.
    """

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        from rich.console import Console
        from rich.live import Live as Display

        self._console = Console(file=stream, no_color=not colour, highlight=False, soft_wrap=True)
        # The streams stay as they are: the result goes to standard output, and errors are ours.
        self._display = Display(
            self,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="ellipsis",
        )
        # Written by the event loop alone. No lock: the display has one, and asks for the rows inside of it.
        self._open: tuple[Step, ...] = ()
        self._width = 0

    def __call__(self, line: str) -> None:
        """Show one line: in its stage's row, and above where it is about none."""
        step = current()
        if step is None:
            for one in line.splitlines() or [""]:
                self._print(clean(one))
            return
        step.line = clean(quote(line.removeprefix(f"{step.stage}: "), limit=LIMIT))
        if step.stage in TALKATIVE or step.line.startswith("WARNING"):
            self._print(f"  {step.service} › {step.stage}  {step.line}")

    def began(self, step: Step) -> None:
        """Give a stage a row."""
        self._width = max(self._width, len(step.service))
        self._open = (*self._open, step)
        self._display.start()

    @contextmanager
    def inside(self, step: Step) -> Iterator[None]:
        """Surround a stage's own work; one that is interrupted has no row any more."""
        try:
            yield
        finally:
            self._leave(step)

    def ended(self, step: Step, status: str, summary: str, seconds: float) -> None:
        """Move a stage's row up to those that have ended."""
        self._leave(step)
        mark = MARKS.get(status, "·")
        self._print(f"{self._head(step, seconds)}  {clean(quote(summary, limit=LIMIT))}", mark)

    def close(self) -> None:
        """Take the rows away, and show the cursor again."""
        self._open = ()
        self._display.stop()

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the rows, each on one line however narrow the terminal is."""
        for step in self._open:
            words = "; ".join(filter(None, [step.line, step.at_most]))
            row = self._marked("·", f"{self._head(step, step.seconds)}  {words}")
            row.truncate(max(options.max_width, 1), overflow="ellipsis")
            yield row

    def _leave(self, step: Step) -> None:
        self._open = tuple(one for one in self._open if one is not step)

    def _head(self, step: Step, seconds: float) -> str:
        return f"{step.service:<{self._width}} › {step.stage:<{STAGE}} {seconds:6.1f} s"

    def _print(self, words: str, mark: str = "") -> None:
        from rich.text import Text

        # Text, and not markup: what pods say may have brackets.
        self._console.print(self._marked(mark, words) if mark else Text(words))

    @staticmethod
    def _marked(mark: str, words: str) -> Text:
        from rich.text import Text

        return Text.assemble((mark, STYLES.get(mark, "")), " ", words)
