"""Runs a service's own tests in a container."""

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.inputs import say
from slipway_host import caller
from slipway_host.errors import TerminalError, quote
from slipway_host.results import StageResult, Status
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.work import Work
    from slipway_host.config import Test

TIMED_OUT = 124
"""What coreutils' `timeout` ends with when it had to stop the command."""
KILL_AFTER_S = 5
TAIL = 1200
DATABASE_URL = "TEST_DATABASE_URL"
DATABASE_PASSWORD = "test"  # noqa: S105 - of a server that lives as long as the tests, for them alone


class TestsFailedError(TerminalError):
    """The service's tests did not pass."""


async def tested(work: "Work", test: "Test") -> dagger.Container:
    """Return the container after the test command, whatever it ended with; it runs when it is asked."""
    container = dag.container().from_(test.image)
    for path in test.caches:
        key = hashlib.sha256(f"{test.image} {path}".encode()).hexdigest()[:12]
        container = container.with_mounted_cache(path, dag.cache_volume(f"slipway-test-{key}"))
    if test.postgres:
        url = f"postgresql://postgres:{DATABASE_PASSWORD}@postgres:5432/postgres?sslmode=disable"
        container = container.with_service_binding("postgres", _postgres(test.postgres))
        container = container.with_env_variable(DATABASE_URL, url)
    limit = ["timeout", f"--kill-after={KILL_AFTER_S}", str(test.timeout_s)]
    return (
        # A directory of its own and no mount: a report that the command writes can be read back.
        container.with_directory("/src", await work.checkout.folder(work.service.context))
        .with_workdir("/src")
        .with_exec([*limit, "sh", "-ec", test.command], expect=dagger.ReturnType.ANY)
    )


def _postgres(image: str) -> dagger.Service:
    return (
        dag.container()
        .from_(image)
        .with_env_variable("POSTGRES_PASSWORD", DATABASE_PASSWORD)
        .with_exposed_port(5432)
        .as_service(use_entrypoint=True)
    )


async def run_tests(work: "Work") -> StageResult:
    """Run the configured command on the service's files; without one there is nothing to run.

    Raises:
        TestsFailedError: the command failed or took too long; its last words.
    """
    test = work.service.test
    if test is None:
        return StageResult(stage="test", status=Status.SKIPPED, summary="no test is configured")
    done = await tested(work, test)
    began = time.monotonic()
    code = await done.exit_code()
    say.note(await done.combined_output(), of=f"{work.name} test")
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
        f"{work.name}: `{test.command}` {said}: {words}",
        next_command=f"correct the code; `{caller.command('test', f'--service={work.name}')}` runs it alone",
    )


async def reports(works: "Sequence[Work]") -> dagger.Directory:
    """Return a folder for each service: `output.txt`, and `junit.xml` where the tests write one.

    A test that fails leaves its report all the same: that is when it is read.
    """
    folder = dag.directory()

    async def add(work: "Work") -> tuple[str, str, dagger.File | None] | None:
        test = work.service.test
        if test is None:
            return None
        done = await tested(work, test)
        output = await done.combined_output()
        junit = None
        if test.junit and await done.exists(f"/src/{test.junit}"):
            junit = done.file(f"/src/{test.junit}")
        return work.name, output, junit

    for found in await together(*(partial(add, work) for work in works)):
        if found:
            name, output, junit = found
            folder = folder.with_new_file(f"{name}/output.txt", output)
            if junit:
                folder = folder.with_file(f"{name}/junit.xml", junit)
    return folder
