"""R22: many looks side by side, none of which hides another."""

from __future__ import annotations

import json
from functools import partial

import anyio
import pytest

from slipway_host import checks
from slipway_host.checks import Check, CheckStatus, Finding, Result, examine
from slipway_host.errors import AccessDeniedError, TerminalError


async def _good() -> Finding:
    return Finding(found="all well")


async def _denied() -> Finding:
    raise AccessDeniedError("registry r.test refuses user 'robot' (401)", next_command="docker login")


def by_name(results: list[Result]) -> dict[str, Result]:
    return {result.name: result for result in results}


async def test_failure_of_one_check_leaves_the_others_alone() -> None:
    found = await examine([Check(name="bad", look=_denied), Check(name="good", look=_good)])
    assert [result.name for result in found] == ["bad", "good"]
    assert [result.status for result in found] == [CheckStatus.FAILED, CheckStatus.OK]
    assert found[0].fix == "docker login"


async def test_check_that_hangs_ends_at_its_own_deadline() -> None:
    async def hang() -> Finding:
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    found = by_name(
        await examine([Check(name="slow", look=hang, deadline_s=0.05), Check(name="good", look=_good)])
    )
    assert anyio.current_time() - began < 2
    assert found["slow"].found == "no answer in 0.05 s"
    assert found["slow"].status is CheckStatus.FAILED
    assert found["good"].status is CheckStatus.OK


async def test_checks_run_side_by_side() -> None:
    arrived: list[str] = []
    both = anyio.Event()

    async def meet(name: str) -> Finding:
        arrived.append(name)
        if len(arrived) == 2:
            both.set()
        await both.wait()
        return Finding(found="met")

    looks = [Check(name=name, look=partial(meet, name), deadline_s=5) for name in ("one", "two")]
    found = await examine(looks)
    assert [result.status for result in found] == [CheckStatus.OK] * 2


async def test_what_depends_on_a_failed_check_is_skipped_down_the_line_and_says_why() -> None:
    async def never() -> Finding:
        raise AssertionError("looked at, although what it needs is not there")

    found = by_name(
        await examine(
            [
                Check(name="third", look=never, needs=("second",)),
                Check(name="second", look=never, needs=("first",)),
                Check(name="first", look=_denied),
            ]
        )
    )
    assert found["second"].found == "not looked at, because of first"
    assert found["third"].found == "not looked at, because of second"
    assert {found[name].status for name in ("second", "third")} == {CheckStatus.SKIPPED}


async def test_warning_stops_nothing() -> None:
    async def old() -> Finding:
        return Finding(found="old", status=CheckStatus.WARNING, fix="update it")

    found = await examine([Check(name="a", look=old), Check(name="b", look=_good, needs=("a",))])
    assert [result.status for result in found] == [CheckStatus.WARNING, CheckStatus.OK]
    assert checks.failure(found) is None


async def test_what_nobody_expected_is_not_taken_for_a_finding() -> None:
    async def bug() -> Finding:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await examine([Check(name="a", look=bug)])
    assert caught.group_contains(ZeroDivisionError)


RESULTS = [
    Result(name="kubernetes", status=CheckStatus.OK, found="Kubernetes v1.34.4", fix="never shown"),
    Result(name="rights: api", status=CheckStatus.FAILED, found="1 of 40 is missing", fix="kubectl apply"),
    Result(name="git push", status=CheckStatus.FAILED, found="denied"),
    Result(name="database: api", status=CheckStatus.SKIPPED, found="not looked at"),
]


def test_table_has_a_line_for_each_check_and_the_fix_below_what_is_wrong() -> None:
    lines = checks.table(RESULTS).splitlines()
    assert lines[0] == "kubernetes     ok       Kubernetes v1.34.4"
    assert lines[1] == "rights: api    failed   1 of 40 is missing"
    assert lines[2].strip() == "→ kubectl apply"
    assert lines[-1] == "1 ok, 2 failed, 1 skipped"
    assert "never shown" not in checks.table(RESULTS)


def test_json_says_the_same_to_machines() -> None:
    document = json.loads(checks.to_json(RESULTS))
    assert document["ok"] is False
    assert document["checks"][1] == {
        "name": "rights: api",
        "status": "failed",
        "found": "1 of 40 is missing",
        "fix": "kubectl apply",
    }


def test_error_is_one_line_that_names_every_failed_check() -> None:
    error = checks.failure(RESULTS)
    assert isinstance(error, TerminalError)
    assert str(error.at("doctor")) == (
        "doctor: 2 of 4 checks failed: rights: api, git push (rights: api: 1 of 40 is missing). "
        "Landed: nothing. Next: kubectl apply"
    )
