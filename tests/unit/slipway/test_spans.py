"""What the engine's view gets of a run: one span for each stage, around the calls that the stage makes."""

import anyio
import pytest
from dagger import telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from slipway.spans import ASIDE, STAGE, Spans, shown
from slipway_host.errors import RolloutFailedError
from slipway_host.results import StageResult, Status
from slipway_host.run import Run

pytestmark = pytest.mark.anyio


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "get_tracer", lambda: provider.get_tracer("test"))
    return exporter


async def test_each_stage_is_a_span_with_the_calls_that_it_makes_inside(
    exported: InMemorySpanExporter,
) -> None:
    said: list[str] = []
    run = Run(service="api", report=Spans(said.append), next_command="again")

    async def test() -> StageResult:
        with telemetry.get_tracer().start_as_current_span("withExec"):
            return StageResult(stage="test", status=Status.SUCCEEDED, summary="passed")

    async def rollout() -> StageResult:
        raise RolloutFailedError("no such image")

    await run.stage("test", test)
    assert not trace.get_current_span().get_span_context().is_valid
    with pytest.raises(RolloutFailedError):
        await run.stage("rollout", rollout)

    inner, first, second = exported.get_finished_spans()
    assert [span.name for span in (first, second)] == ["api › test", "api › rollout"]
    assert inner.parent is not None
    assert first.context is not None
    assert inner.parent.span_id == first.context.span_id
    assert first.attributes == second.attributes == STAGE
    assert (second.status.status_code, second.status.description) == (StatusCode.ERROR, "no such image")
    assert first.status.status_code is StatusCode.UNSET
    # What an exception holds may be more than its message.
    assert second.events == ()
    assert [line[0] for line in said] == ["✓", "✗"]


async def test_what_is_asked_besides_the_stages_is_internal_and_no_stage_is_below_it(
    exported: InMemorySpanExporter,
) -> None:
    run = Run(service="api", report=Spans(list[str]().append), next_command="again")

    async def proof() -> StageResult:
        return StageResult(stage="proof", status=Status.SUCCEEDED, summary="proven")

    with telemetry.get_tracer().start_as_current_span("deploy"):
        with shown("deploy"):
            with telemetry.get_tracer().start_as_current_span("plaintext"):
                pass
            await run.stage("proof", proof)
        with shown("test"), telemetry.get_tracer().start_as_current_span("withExec"):
            pass
    by_name = {span.name: span for span in exported.get_finished_spans()}

    def parent(name: str) -> str:
        above = by_name[name].parent
        ids = {span.context.span_id: n for n, span in by_name.items() if span.context}
        return ids[above.span_id] if above else ""

    assert (parent("plaintext"), parent("besides the stages")) == ("besides the stages", "deploy")
    assert (parent("api › proof"), parent("withExec")) == ("deploy", "deploy")
    assert by_name["besides the stages"].attributes == ASIDE


async def test_a_stage_that_is_interrupted_is_marked_as_failed(exported: InMemorySpanExporter) -> None:
    said: list[str] = []
    run = Run(service="api", report=Spans(said.append), next_command="again")
    with anyio.CancelScope() as scope:

        async def build() -> StageResult:
            scope.cancel()
            await anyio.sleep_forever()
            raise AssertionError

        await run.stage("build", build)
    (span,) = exported.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "interrupted, or a defect",
    )
    assert said == []
