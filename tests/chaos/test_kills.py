"""R30, faults 50, 61 and 97: killed at any boundary, a deploy converges, and then nothing is left to do."""

import signal
import time
from typing import TYPE_CHECKING

import pytest

from chaos.world import World
from slipway_lab import credentials

if TYPE_CHECKING:
    import subprocess

EFFECTS = {
    "namespace": "create namespaces",
    "pull-secret": "create secrets",
    "app-secret": "create secrets",
    "role": "psql CREATE ROLE",
    "grant": "psql GRANT",
    "database": "psql CREATE DATABASE",
    "revoke": "psql REVOKE",
    "open": "psql ALTER DATABASE",
    "push": "git push",
    "sync": "patch applications/",
}
"""The effects of a first deploy, in order, as the driver's log begins them."""
ORDER = list(EFFECTS)
STAGES = ("secrets", "database", "gitops", "rollout", "health")
POINTS = [
    *(f"{when} {effect}" for effect in EFFECTS for when in ("before", "after")),
    "unanswered push",
    *(f"begin {stage}" for stage in STAGES),
]
SIGNALS = [
    (signal.SIGTERM, "rollout"),
    (signal.SIGINT, "database"),
    (signal.SIGINT, "rollout"),
    (signal.SIGTERM, "database"),
]
QUICK = ["after database", "unanswered push"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", POINTS if full() else QUICK)
    if "number" in metafunc.fixturenames:
        metafunc.parametrize(("number", "stage"), SIGNALS if full() else SIGNALS[:2])


def full() -> bool:
    from chaos.conftest import FULL, chosen

    return chosen() is FULL


@pytest.fixture
def service(world: World, point: str) -> str:
    """One that no other point has."""
    return world.services[POINTS.index(point) if full() else QUICK.index(point)]


def kill(world: World, service: str, point: str) -> list[str]:
    """Deploy, kill the process at a point, and return its effects until then."""
    when, what = point.split()
    deploy = ("deploy", "--service", service)
    if when == "begin":
        process = world.start(*deploy)
        assert process.stderr
        for line in process.stderr:
            if line == f"begin {service} {what}\n":
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        return world.effects()
    driver = [f"--stop={ORDER.index(what) + 1}"]
    if when == "before":
        driver.append("--before")
    if when == "unanswered":
        driver = [f"--ref={world.bare / 'refs/heads/main'}"]
    ended = world.host(*deploy, driver=driver)
    assert ended.code == -signal.SIGKILL, ended.err
    return ended.effects


def state(world: World, service: str) -> list[object]:
    return [world.head(), world.versions(service), world.catalog(service), world.secret(service)]


def test_a_killed_deploy_converges_and_then_changes_nothing(world: World, point: str, service: str) -> None:
    world.add(service, automated=False)
    (world.scratch / "effects").unlink(missing_ok=True)
    effects = kill(world, service, point)
    when, what = point.split()
    if when in {"before", "after"}:
        expected = ORDER[: ORDER.index(what) + (when == "after")]
        assert [EFFECTS[name] for name in expected] == [
            effect[: len(EFFECTS[name])] for name, effect in zip(expected, effects, strict=True)
        ]
    if when == "unanswered":
        # git's end was not read: the effect is the server's alone.
        assert "git push" not in effects
        assert service in world.git("log", "-1", "--format=%s", "main")
    kept = world.secret(service)
    commits = int(world.git("rev-list", "--count", "main"))
    landed = any(service in line for line in world.git("log", "--format=%s", "main").splitlines())

    again = world.host("deploy", "--service", service)
    assert again.code == 0, again.err
    assert kept.items() <= world.secret(service).items()
    assert int(world.git("rev-list", "--count", "main")) == commits + (not landed)
    before = state(world, service)

    third = world.host("deploy", "--service", service)
    assert third.code == 0, third.err
    assert third.effects == []
    assert '"changed": false' in third.out
    assert state(world, service) == before
    world.remove(service)


def test_what_killed_deploys_left_in_the_folder_for_temporary_files_holds_no_secret(world: World) -> None:
    left = [path for path in world.temporary.rglob("*") if path.is_file()]
    found = [path for path in left for secret in accounts(world) if secret.encode() in path.read_bytes()]
    assert found == []


def accounts(world: World) -> list[str]:
    read = [credentials.read(world.layout, name) for name in ("registry", "git-writer", "postgres")]
    return [*read, (world.plugin / "token").read_text()]


def test_a_signal_ends_within_10_s_and_says_what_landed(
    world: World, number: signal.Signals, stage: str
) -> None:
    service = world.services[-1]
    world.add(service, automated=False)
    before = set(world.temporary.iterdir())
    process = world.start("deploy", "--service", service)
    assert process.stderr
    for line in process.stderr:
        if line == f"begin {service} {stage}\n":
            break
    sent = time.monotonic()
    process.send_signal(number)
    _, err = finish(process)
    assert time.monotonic() - sent < 10
    assert process.returncode == 128 + number
    last = err.strip().splitlines()[-1]
    assert last.startswith(f"Error: deploy: ended by {number.name}")
    assert "Landed: secrets (" in last
    assert f"Secret {service}-secrets in namespace {service}: " in last
    assert ("gitops (tag " in last) == (stage == "rollout")
    assert ("under way, and may have landed: database" in last) == (stage == "database")
    assert last.endswith("Next: slipway-host deploy: what has landed is recognised")
    assert set(world.temporary.iterdir()) == before
    assert world.host("deploy", "--service", service).code == 0
    world.remove(service)
    gone(world, service)


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    return process.communicate(timeout=30)


def gone(world: World, service: str) -> None:
    """Wait until the service's namespace is gone, so that the next test begins anew."""
    until = time.monotonic() + 120
    while world.get("namespace", service, "") and time.monotonic() < until:
        time.sleep(1)
