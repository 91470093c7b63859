"""Runs a service's own tests in a container."""

import hashlib
import time
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.errors import TerminalError, quote
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway_host.config import Service

TIMED_OUT = 124
"""What coreutils' `timeout` ends with when it had to stop the command."""
KILL_AFTER_S = 5
TAIL = 1200


class TestsFailedError(TerminalError):
    """The service's tests did not pass."""


async def run_tests(checkout: "Checkout", service: "Service", name: str) -> StageResult:
    """Run the configured command on the service's files; without one there is nothing to run.

    Raises:
        TestsFailedError: the command failed or took too long; its last words.
    """
    if service.test is None:
        return StageResult(stage="test", status=Status.SKIPPED, summary="no test is configured")
    test = service.test
    container = dag.container().from_(test.image)
    for path in test.caches:
        key = hashlib.sha256(f"{test.image} {path}".encode()).hexdigest()[:12]
        container = container.with_mounted_cache(path, dag.cache_volume(f"slipway-test-{key}"))
    limit = ["timeout", f"--kill-after={KILL_AFTER_S}", str(test.timeout_s)]
    done = (
        container.with_mounted_directory("/src", checkout.tree.directory(service.context))
        .with_workdir("/src")
        .with_exec([*limit, "sh", "-ec", test.command], expect=dagger.ReturnType.ANY)
    )
    began = time.monotonic()
    code = await done.exit_code()
    if code == 0:
        seconds = time.monotonic() - began
        return StageResult(
            stage="test",
            status=Status.SUCCEEDED,
            summary=f"`{test.command}` passed",
            outputs={"command": test.command, "image": test.image, "seconds": round(seconds, 2)},
        )
    words = quote((await done.stdout() + await done.stderr())[-TAIL:], limit=TAIL)
    said = f"took more than {test.timeout_s} s" if code == TIMED_OUT else f"ended with {code}"
    raise TestsFailedError(
        f"{name}: `{test.command}` {said}: {words}",
        next_command=f"correct the code; `dagger call test --service {name}` runs it alone",
    )
