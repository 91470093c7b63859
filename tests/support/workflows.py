"""The project's workflow files and the examples', as data."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "game-stats"
DEPLOY = EXAMPLES / "api" / ".github" / "workflows" / "deploy.yaml"
PULL_REQUEST = EXAMPLES / "api" / ".github" / "workflows" / "pull-request.yaml"
MATRIX = EXAMPLES / ".github" / "workflows" / "deploy.yaml"
FILES = sorted([*(ROOT / ".github" / "workflows").glob("*.y*ml"), DEPLOY, PULL_REQUEST, MATRIX])
SERVICE = "${{ matrix.service }}"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def steps(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each step with its job."""
    return [(job, step) for job in read(path)["jobs"].values() for step in job["steps"]]


def dagger_lines(path: Path) -> list[str]:
    """Return every `dagger call` line that the workflow runs, for each service of its matrix."""
    found = []
    for job, step in steps(path):
        services = job.get("strategy", {}).get("matrix", {}).get("service", [""])
        for line in step.get("run", "").splitlines():
            if line.strip().startswith("dagger call"):
                found += [line.strip().replace(SERVICE, service) for service in services]
    return list(dict.fromkeys(found))
