"""How much of the harness runs, and the world that it runs in."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from chaos.world import World
from slipway_lab.layout import Layout
from support.administrator import drop


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Sizes; `make chaos` takes the full ones, `make test` the quick ones."""

    services: int
    racers: int
    writers: int
    writing_s: float
    setups: int
    names: int
    log_megabytes: int


FULL = Scale(
    services=30,
    racers=50,
    writers=50,
    writing_s=300,
    setups=32,
    names=10_000,
    log_megabytes=1024,
)
QUICK = Scale(services=6, racers=8, writers=6, writing_s=8, setups=4, names=500, log_megabytes=50)


def chosen() -> Scale:
    """Return the sizes that the environment asks for."""
    return FULL if os.environ.get("SLIPWAY_CHAOS") == "full" else QUICK


Note = Callable[[str, Mapping[str, Any]], None]
"""Keeps a test's figures for the end of the session."""
FIGURES = pytest.StashKey[dict[str, Mapping[str, Any]]]()


@pytest.fixture
def note(pytestconfig: pytest.Config) -> Note:
    return pytestconfig.stash.setdefault(FIGURES, {}).__setitem__


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, figures in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"figures of {name}: {json.dumps(figures)}")


@pytest.fixture(scope="session")
def scale() -> Scale:
    return chosen()


@pytest.fixture(scope="session")
def world(layout: Layout, scale: Scale, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(layout, tmp_path_factory.mktemp("world"), scale.services)
    made.up()
    yield made
    made.down()


@pytest.fixture
def databases(layout: Layout, run_id: str, scale: Scale) -> Iterator[list[str]]:
    """Names for as many set-ups as the scale has: half of them are one and the same."""
    own = [f"{run_id}_{number}" for number in range(scale.setups - scale.setups // 2)]
    yield [*own, *[f"{run_id}_all"] * (scale.setups // 2)]
    drop(layout, *own, f"{run_id}_all")
