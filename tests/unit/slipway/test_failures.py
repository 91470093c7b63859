"""Why a build failed: which cause is named, and what helps."""

from typing import Any

import dagger
import gql
import pytest
from dagger._exceptions import QueryErrorValue

from slipway.failures import build_error, same_platform, wrong_platform


def failed(message: str, **extensions: Any) -> dagger.QueryError:
    """Return the engine's error; with `_type` EXEC_ERROR, the one of a command."""
    return dagger.QueryError([QueryErrorValue(message, extensions=extensions)], gql.gql("{ version }"))


@pytest.mark.parametrize(
    ("stderr", "code", "cause", "command"),
    [
        ("write /x: no space left on device", 1, "a disk is full", "local-cache prune"),  # fault 30
        ("", 137, "go build was killed, for want of memory", "more memory"),  # fault 30
        ("fatal error: runtime: out of memory", 2, "for want of memory", "more memory"),
        ("exec /bin/sh: exec format error", 255, "cannot run programs of linux/arm64", "BUILDPLATFORM"),
        ("main.go:3: undefined: x", 1, "go build ended with 1: main.go:3: undefined: x", "Dockerfile"),
    ],
)
def test_cause_and_remedy_are_named(stderr: str, code: int, cause: str, command: str) -> None:
    said = {"cmd": ["go", "build"], "exitCode": code, "stdout": "", "stderr": stderr}
    error = build_error(failed("the process did not end well", _type="EXEC_ERROR", **said), "linux/arm64")
    assert error.cause.startswith("for linux/arm64: ")
    assert cause in error.cause
    assert command in error.next_command


def test_engine_that_fails_without_a_command_is_quoted() -> None:
    error = failed("failed to extract layer: no space left on device")
    assert "a disk is full" in build_error(error, "").cause


def test_image_for_another_platform_is_said_so() -> None:
    assert same_platform("linux/arm64", "linux/arm64/v8")
    assert not same_platform("linux/amd64", "linux/arm64")
    assert not same_platform("linux/arm/v7", "linux/arm")
    assert "for linux/arm64: the image that was built says linux/amd64" in (
        wrong_platform("linux/amd64", "linux/arm64").cause
    )
