"""renovate.json keeps every pin: what its own managers look for is there to be found."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from slipway_host import load_config
from slipway_host.config import Scanner, Signing
from slipway_lab import pins

ROOT = Path(__file__).parents[2]
LAB_GO = ROOT / "ci" / "slipway_lab" / "go"
SKIPPED = {".git", ".venv", "node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
RENOVATE: dict[str, Any] = json.loads((ROOT / "renovate.json").read_text())
MANAGERS: list[dict[str, Any]] = RENOVATE["customManagers"]


def python(pattern: str) -> str:
    """JavaScript's named groups as Python's."""
    return pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")


def files() -> list[str]:
    found = []
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        if path.is_file() and SKIPPED.isdisjoint(relative.parts):
            found.append(relative.as_posix())
    return found


def found(manager: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """File → name and version of what a manager finds in it."""
    patterns = [re.compile(python(p.strip("/"))) for p in manager["managerFilePatterns"]]
    hits: dict[str, set[tuple[str, str]]] = {}
    for name in (name for name in FILES if any(p.search(name) for p in patterns)):
        text = (ROOT / name).read_text()
        for pattern in manager["matchStrings"]:
            for match in re.finditer(python(pattern), text):
                groups = match.groupdict()
                what = groups.get("depName") or manager["depNameTemplate"]
                hits.setdefault(name, set()).add((what, groups["currentValue"]))
    return hits


FILES = files()


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager["description"][:20])
def test_every_pattern_of_a_manager_finds_something(manager: dict[str, Any]) -> None:
    assert manager["customType"] == "regex"
    for pattern in manager["matchStrings"]:
        groups = re.compile(python(pattern)).groupindex
        assert "currentValue" in groups
        assert "datasource" in groups or "datasourceTemplate" in manager
        assert found({**manager, "matchStrings": [pattern]}), pattern


def test_every_dagger_version_is_found_and_the_same() -> None:
    hits = found(MANAGERS[0])
    workflows = {name for name in FILES if ".github/workflows/" in name and "deploy" in name}
    examples = {name for name in FILES if name.endswith("dagger.json") and name.startswith("examples/")}
    assert {"dagger.json", "README.md", *workflows, *examples} <= hits.keys()
    assert {version for some in hits.values() for _, version in some} == {pins.DAGGER}
    assert f"v{pins.DAGGER_IO}" == pins.DAGGER


def test_default_images_are_found_and_those_of_the_lab() -> None:
    hits = set().union(*found(MANAGERS[1]).values())
    defaults = (
        (Scanner().image, pins.TRIVY),
        (Signing().image, pins.COSIGN),
        (load_config.IMAGE, pins.VEGETA_IMAGE),
    )
    for image, version in defaults:
        name, _, tag = image.rpartition(":")
        assert (name, tag) in hits
        assert tag == version


def test_every_version_among_the_labs_pins_is_found() -> None:
    hits = {version for _, version in found(MANAGERS[2])["ci/slipway_lab/pins.py"]}
    texts = {
        name: value
        for name, value in vars(pins).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str)
    }
    versions = {name: text.rpartition("==")[2] for name, text in texts.items() if any(map(str.isdigit, text))}
    assert {name for name, version in versions.items() if version not in hits} == set()


def test_lab_programs_say_the_version_that_their_go_mod_has() -> None:
    names = {"cosign": pins.COSIGN, "actionlint": pins.ACTIONLINT, "kubernetes": pins.KUBERNETES}
    names |= {"sigstore": pins.FULCIO, "rollouts": pins.ROLLOUTS}
    names |= {"vegeta": pins.VEGETA}
    assert f" {pins.TIMESTAMP_AUTHORITY}\n" in (LAB_GO / "sigstore" / "go.mod").read_text()
    for name, version in {**names, "argocd": pins.ARGOCD, "trivy": f"v{pins.TRIVY}"}.items():
        assert f" {version}\n" in (LAB_GO / name / "go.mod").read_text(), name


def test_lock_is_kept_by_a_manager() -> None:
    patterns = RENOVATE["pip_requirements"]["managerFilePatterns"]
    assert any(re.search(python(p.strip("/")), "requirements.lock") for p in patterns)
    assert set(RENOVATE["enabledManagers"]) >= {"custom.regex", "gomod", "github-actions", "pip_requirements"}
