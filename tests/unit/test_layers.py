"""The rule about imports: who may know whom, read from the sources."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.layers import HEIGHT, LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator

CI = Path(__file__).parents[2] / "ci"
PACKAGES = {"slipway", "slipway_host", "slipway_lab"}

# What talks to a server. Everything else reaches a server through a client's own interface, so that
# a test can put another implementation of it in the client's place.
NETWORK = {"aiohttp", "asyncpg", "git", "httpx", "kubernetes", "requests", "urllib3", "websocket"}

# What each package may import of the others: the host side runs without Dagger, the lab without both.
FORBIDDEN = {
    "slipway_host": {"dagger", "slipway", "slipway_lab"},
    "slipway_lab": {"dagger", "slipway", "slipway_host"},
    "slipway": {"slipway_lab"},
}


def imports(source: str, package: str) -> set[str]:
    """Every imported name in dotted form, lazy and type-only imports included."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                origin = ".".join(filter(None, (package, origin)))
            # Of `from package import module` only both together say what is meant.
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return found


def modules(package: str) -> Iterator[tuple[str, set[str]]]:
    for path in sorted((CI / package).rglob("*.py")):
        # `files` holds programs that the lab copies elsewhere: they run without the package.
        if "files" not in path.relative_to(CI).parts:
            yield path.relative_to(CI / package).as_posix(), imports(path.read_text(), package)


def siblings(found: set[str]) -> set[str]:
    names = (name.split(".") for name in found)
    ours = [parts[1:] for parts in names if parts[0] == "slipway_host" and len(parts) > 1]
    # Of a package, the module in it: `from slipway_host.scaffold import tree`.
    return {"/".join(parts[:2]) if "/".join(parts[:2]) in LAYER else parts[0] for parts in ours}


HOST = {
    name.removesuffix(".py"): found
    for name, found in modules("slipway_host")
    if name.rpartition("/")[2] != "__init__.py"
}


def test_every_module_of_the_host_side_has_a_layer() -> None:
    unplaced = sorted(HOST.keys() - LAYER.keys())
    assert not unplaced, (
        f"slipway_host has {', '.join(unplaced)}, which no layer names: add each to LAYERS in "
        "tests/support/layers.py, as low as what it imports allows"
    )


@pytest.mark.parametrize("module", sorted(HOST.keys() & LAYER.keys()))
def test_a_module_imports_nothing_from_a_higher_layer(module: str) -> None:
    own = LAYER[module]
    upward = sorted(
        f"{other} ({LAYER[other]})"
        for other in siblings(HOST[module]) & LAYER.keys()
        if HEIGHT[LAYER[other]] > HEIGHT[own]
    )
    assert not upward, f"{module} ({own}) imports from above: {', '.join(upward)}"


def test_no_modules_of_the_host_side_import_each_other_in_a_circle() -> None:
    graph = {module: siblings(found) & HOST.keys() for module, found in HOST.items()}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("package", "module", "found"),
    [(package, module, found) for package in sorted(PACKAGES) for module, found in modules(package)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_packages_stay_apart(package: str, module: str, found: set[str]) -> None:
    roots = {name.partition(".")[0] for name in found}
    wrong = sorted(roots & FORBIDDEN[package])
    assert not wrong, f"{package}/{module} imports {', '.join(wrong)}"


@pytest.mark.parametrize("module", sorted(HOST))
def test_only_clients_import_what_talks_to_a_server(module: str) -> None:
    roots = {name.partition(".")[0] for name in HOST[module]}
    used = sorted(roots & NETWORK)
    assert LAYER.get(module) == "clients" or not used, f"{module} imports {', '.join(used)}"


def test_lazy_type_only_and_relative_imports_count() -> None:
    source = """
from . import kube
from .errors import quote
if TYPE_CHECKING:
    from slipway_host import git
def late():
    import httpx
    from kubernetes.client import ApiClient
"""
    assert imports(source, "slipway_host") == {
        "slipway_host.kube",
        "slipway_host.errors.quote",
        "slipway_host.git",
        "httpx",
        "kubernetes.client.ApiClient",
    }
