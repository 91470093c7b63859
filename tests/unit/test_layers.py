"""The rule about imports: who may know whom, read from the sources."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CI = Path(__file__).parents[2] / "ci"
PACKAGES = {"slipway", "slipway_host", "slipway_lab"}

# From the bottom. A module imports from its own layer and from those below it.
LAYERS = {
    "basics": {
        "caller",
        "commit_message",
        "config",
        "document",
        "dockerfile",
        "environments",
        "errors",
        "kpi_report",
        "kpi_targets",
        "figures",
        "names",
        "notices",
        "pricing",
        "progress",
        "quantities",
        "recipients",
        "receipt_model",
        "remote_image",
        "results",
        "services",
        "secret_text",
        "settings",
        "signing",
        "together",
    },
    "clients": {
        "argocd_server",
        "forge",
        "git",
        "git_address",
        "git_errors",
        "git_files",
        "git_log",
        "git_program",
        "github_deployments",
        "http_api",
        "kube",
        "kube_config",
        "kube_exec",
        "kube_files",
        "kube_http",
        "kube_session",
        "kube_stream",
        "kube_watch",
        "postgres",
        "postgres_dsn",
        "postgres_pods",
        "psql",
        "pull_requests",
        "registry",
        "source",
        "webhook",
    },
    "domain": {
        "allowance",
        "announcement",
        "application",
        "applications",
        "applications_server",
        "argocd",
        "argocd_access",
        "argocd_checks",
        "argocd_server_checks",
        "comparison",
        "connection",
        "cost",
        "cost_text",
        "branch_checks",
        "branch_writer",
        "chart",
        "charts",
        "checks",
        "creation",
        "deployment_event",
        "deployments",
        "database",
        "database_state",
        "database_steps",
        "each",
        "effective",
        "expense",
        "findings",
        "footprint",
        "generated",
        "gitops",
        "gitops_preview",
        "handover",
        "health",
        "history",
        "holding",
        "holds",
        "identity_token",
        "kpi_figures",
        "kpi_measures",
        "kpi_prometheus",
        "kpi_text",
        "job_manifest",
        "job_run",
        "landings",
        "image_change",
        "loader",
        "logs",
        "metrics",
        "migration",
        "migration_turn",
        "namespaces",
        "plan",
        "plan_check",
        "plan_text",
        "page",
        "plain",
        "pods",
        "preflight",
        "proof",
        "proposal",
        "pull_secret",
        "restart",
        "rollout",
        "rotation",
        "scaffold/advice",
        "scaffold/app_secret",
        "scaffold/build",
        "scaffold/code",
        "scaffold/draft",
        "scaffold/gitops_repository",
        "scaffold/leftovers",
        "scaffold/node_packages",
        "scaffold/outcome",
        "scaffold/repository",
        "scaffold/script",
        "scaffold/secretive",
        "scaffold/services",
        "scaffold/shell_tree",
        "scaffold/stacks",
        "scaffold/taker",
        "scaffold/templates",
        "scaffold/translation",
        "scaffold/tree",
        "receipt",
        "receipt_check",
        "receipt_keeper",
        "receipts",
        "record",
        "revisions",
        "rights",
        "rollback",
        "recipe",
        "reference",
        "run",
        "run_charts",
        "run_facts",
        "run_report",
        "schema",
        "scram",
        "scrub",
        "secret_checks",
        "step_summary",
        "smoke",
        "secret_data",
        "secrets",
        "selection",
        "service_charts",
        "service_report",
        "source_log",
        "suspension",
        "sync_preview",
        "targets",
        "troubles",
        "undo",
        "values",
        "values_reader",
        "vulnerability_db",
        "values_document",
        "waiting",
        "workload",
    },
    "pipeline": {
        "call",
        "delivery",
        "diagnosis",
        "diagnosis_argocd",
        "diagnosis_branch",
        "diagnosis_case",
        "diagnosis_cluster",
        "diagnosis_release",
        "diagnosis_runs",
        "doctor",
        "notifications",
        "inspection",
        "intervention",
        "kpis",
        "overview",
        "passage",
        "planner",
        "reckoning",
        "receipted",
        "recording",
        "reporting",
        "reports",
        "remedies",
        "retreat",
        "way_back",
    },
    "entry": {
        "accounts",
        "cli",
        "command",
        "command_options",
        "environ",
        "foresight",
        "help",
        "intake",
        "job",
        "job_delivery",
        "job_functions",
        "live",
        "report_file",
        "scaffold/by_hand",
        "tint",
    },
}
LAYER = {module: layer for layer, modules in LAYERS.items() for module in modules}
HEIGHT = {layer: height for height, layer in enumerate(LAYERS)}

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
        f"slipway_host has {', '.join(unplaced)}, which no layer names: add each to LAYERS in {__file__}, "
        "as low as what it imports allows"
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
