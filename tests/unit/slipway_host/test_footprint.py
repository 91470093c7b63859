"""Quantities against the official client's parser; pods by the scheduler's rules."""

import random
from decimal import Decimal
from typing import Any

import pytest
from kubernetes.utils.quantity import parse_quantity

from slipway_host.errors import SettingsError
from slipway_host.footprint import footprint
from slipway_host.quantities import cores, quantity, size

MI, M = Decimal(2**20), Decimal("0.001")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", "0.25"),
        ("1.5Gi", str(3 * 2**29)),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12E", "12e18"),
        ("1e-1", "0.1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+1k", "1000"),
        ("100u", "0.0001"),
        ("0.1", "0.1"),
    ],
)
def test_quantities_are_exact(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


def test_quantities_are_what_the_official_client_makes_of_them() -> None:
    rnd = random.Random(27)  # noqa: S311 - the same each time
    units = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    for _ in range(500):
        number = rnd.choice([str(rnd.randrange(10**6)), f"{rnd.randrange(1000)}.{rnd.randrange(1000)}"])
        text = number + rnd.choice(units)
        assert quantity(text) == parse_quantity(text), text  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1K", "0x1", "1e", "1e3Mi", "--1", "1,5", "\u0661"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [("0", "0"), ("0.25", "250m"), ("2", "2"), ("1.5", "1500m"), ("12.5", "12.5"), ("0.0005", "0.5m")],
)
def test_cores_are_written_as_people_do(written: str, text: str) -> None:
    assert cores(Decimal(written)) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (512, "512"), (128 * 2**20, "128Mi"), (3 * 2**29, "1.5Gi")]
)
def test_bytes_are_written_as_people_do(number: int, text: str) -> None:
    assert size(Decimal(number)) == text


def container(name: str, cpu: str = "", memory: str = "", *, limit: str = "", **more: Any) -> dict[str, Any]:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    limits = {"limits": {"cpu": limit}} if limit else {}
    return {"name": name, "resources": {"requests": requests, **limits}, **more}


def test_containers_add_up() -> None:
    found = footprint({"containers": [container("a", "100m", "64Mi"), container("b", "150m", "64Mi")]})
    assert found.requests == {"cpu": Decimal("0.25"), "memory": 128 * MI}
    assert found.limits == {}
    assert found.unbounded == ()
    assert found.line() == "cpu 250m, memory 128Mi"


def test_an_init_container_counts_only_where_it_needs_more_than_all_that_run_later() -> None:
    apps = [container("a", "100m", "64Mi"), container("b", "100m", "64Mi")]
    small = footprint({"initContainers": [container("i", "150m", "64Mi")], "containers": apps})
    large = footprint({"initContainers": [container("i", "300m", "64Mi")], "containers": apps})
    assert small.requests["cpu"] == 200 * M
    assert large.requests == {"cpu": 300 * M, "memory": 128 * MI}


def test_a_sidecar_runs_beside_the_apps_and_beside_the_init_containers_after_it() -> None:
    sidecar = container("s", "50m", "32Mi", restartPolicy="Always")
    late = [container("i1", "260m", "1Mi"), sidecar, container("i2", "220m", "1Mi")]
    found = footprint({"initContainers": late, "containers": [container("a", "100m", "64Mi")]})
    # i1 260, s + i2 270, s + a 150
    assert found.requests == {"cpu": 270 * M, "memory": 96 * MI}
    assert [one.kind for one in found.containers] == ["init", "sidecar", "init", "app"]


def test_a_limit_without_a_request_is_one() -> None:
    found = footprint({"containers": [container("a", "", "1Mi", limit="500m")]})
    assert found.requests["cpu"] == found.limits["cpu"] == 500 * M


def test_one_container_without_a_limit_takes_the_limit_from_the_pod() -> None:
    limited, free = container("a", "1m", "1Mi", limit="1"), container("b", "1m", "1Mi")
    assert footprint({"containers": [limited]}).limits == {"cpu": Decimal(1)}
    assert footprint({"containers": [limited, free]}).limits == {}


def test_what_asks_for_nothing_is_said_not_to_be_free() -> None:
    found = footprint({"containers": [{"name": "a"}, container("b", "10m")]})
    assert found.requests == {"cpu": 10 * M, "memory": Decimal(0)}
    assert [line.partition(", and takes")[0] for line in found.unbounded] == [
        "container a requests no cpu and no memory",
        "container b requests no memory",
    ]


def test_what_the_pod_says_as_a_whole_counts_and_overhead_comes_on_top() -> None:
    spec = {
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        "overhead": {"cpu": "250m", "memory": "120Mi"},
        "containers": [container("a", "100m", "64Mi")],
    }
    found = footprint(spec)
    assert found.requests == {"cpu": Decimal("1.25"), "memory": 184 * MI}
    assert found.limits == {"memory": 1144 * MI}


def test_the_limit_of_a_pod_is_its_request_where_no_container_has_one() -> None:
    whole = {"limits": {"cpu": "1", "memory": "1Gi"}}
    found = footprint({"resources": whole, "containers": [container("a", "100m")]})
    assert found.requests == {"cpu": 100 * M, "memory": 1024 * MI}


def test_a_quantity_that_is_none_is_an_error_of_ours() -> None:
    with pytest.raises(SettingsError, match="'a lot' is no quantity"):
        footprint({"containers": [container("a", "a lot")]})
