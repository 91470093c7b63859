"""Progress inside Dagger: a span for each stage, which the engine's own view shows, and lines beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagger import telemetry

from slipway_host.plain import BEAT_S, Plain

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from slipway_host.progress import Step

REVEAL, ENCAPSULATE = "dagger.io/ui.reveal", "dagger.io/ui.encapsulate"
"""The engine's attributes: a function's row shows the spans that are revealed in place of the many calls
that it makes; and what a span encapsulates is shown where the span has failed, or with -vv."""
WATCHED = frozenset({"test", "build"})
"""Stages whose own programs people watch: what those print is shown while they run."""


class Spans(Plain):
    """Lines for the function's log, and a span for each stage around the calls that it makes.

    Args:
        write: takes one line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(write, beat_s=BEAT_S)
        self._spans: dict[Step, Span] = {}

    def began(self, step: "Step") -> None:
        """Open a stage's span."""
        super().began(step)
        self._spans[step] = telemetry.get_tracer().start_span(
            f"{step.service} › {step.stage}",
            attributes={REVEAL: True, ENCAPSULATE: step.stage not in WATCHED},
        )

    @contextmanager
    def inside(self, step: "Step") -> Iterator[None]:
        """Make the stage's calls to the engine children of its span."""
        from opentelemetry.trace import use_span

        with (
            super().inside(step),
            use_span(self._spans[step], record_exception=False, set_status_on_exception=False),
        ):
            yield

    def ended(self, step: "Step", status: str, summary: str, seconds: float) -> None:
        """Close a stage's span, a failed one with its cause."""
        from opentelemetry.trace import Status, StatusCode

        super().ended(step, status, summary, seconds)
        if span := self._spans.pop(step, None):
            if status == "Failed":
                span.set_status(Status(StatusCode.ERROR, summary))
            span.end()
