"""`requirements.lock` is what a `dagger call` installs, in step with pyproject.toml, without dagger-io."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", LOCK, re.MULTILINE))


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        wanted = Requirement(text)
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name != "dagger-io":
            pinned = {re.sub(r"[-_.]+", "-", key): value for key, value in PINNED.items()}
            assert wanted.specifier.contains(pinned[name]), f"{text}: run make lock"


def test_every_pin_has_a_hash_and_nothing_names_a_host() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK)
    assert [block for block in blocks if "==" in block and "--hash=sha256:" not in block] == []
    assert "://" not in LOCK


def test_the_engine_brings_its_own_client() -> None:
    assert "dagger-io" not in PINNED
