"""Progress inside Dagger: a span for each stage, which the engine's own view shows, and lines beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from dagger import telemetry

from slipway_host.errors import DeliveryError
from slipway_host.plain import BEAT_S, Plain

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from slipway_host.progress import Step

UI = "dagger.io/ui"
"""Attributes by which the engine's view knows what to show: https://github.com/dagger/otel-go."""
STAGE = {
    # A function's row shows the spans that are revealed in place of the many calls that it makes.
    f"{UI}.reveal": True,
    # Those calls are shown where the stage has failed, or with -vv.
    f"{UI}.encapsulate": True,
    f"{UI}.rollup.logs": True,
}
ASIDE = {f"{UI}.internal": True, f"{UI}.encapsulate": True}
_FUNCTION: ContextVar["Context | None"] = ContextVar("function", default=None)


WATCHED = frozenset({"test", "test-reports", "scan", "scan-reports", "build", "image", "push", "sbom"})
"""Functions whose programs people want to see at work."""


@contextmanager
def shown(function: str) -> Iterator[None]:
    """Show of a function its stages, and nothing of what it asks the engine besides, unless it is watched."""
    from opentelemetry import context

    if function in WATCHED:
        yield
        return
    token = _FUNCTION.set(context.get_current())
    try:
        with telemetry.get_tracer().start_as_current_span("besides the stages", attributes=ASIDE):
            yield
    finally:
        _FUNCTION.reset(token)


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
            step.name, context=_FUNCTION.get(), attributes=STAGE
        )

    @contextmanager
    def inside(self, step: "Step") -> Iterator[None]:
        """Make the stage's calls to the engine children of its span."""
        from opentelemetry.trace import Status, StatusCode, use_span

        span = self._spans[step]
        with super().inside(step), use_span(span, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except DeliveryError:
                # Its end is still to be told.
                raise
            except BaseException:
                self._spans.pop(step).set_status(Status(StatusCode.ERROR, "interrupted, or a defect"))
                span.end()
                raise

    def ended(self, step: "Step", status: str, summary: str, seconds: float) -> None:
        """Close a stage's span, a failed one with its cause."""
        from opentelemetry.trace import Status, StatusCode

        super().ended(step, status, summary, seconds)
        if span := self._spans.pop(step, None):
            if status == "Failed":
                span.set_status(Status(StatusCode.ERROR, summary))
            span.end()
