"""R1, faults 1 to 8: whatever something is called, nothing happens outside of what the name is for."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from chaos.conftest import Note, Scale
from chaos.hostile import MARK, names
from chaos.world import Ended, World
from slipway_host.config import Config
from slipway_host.database_state import role_exists
from slipway_host.errors import DeliveryError, SettingsError
from slipway_host.handover import Handover, images_of, read_handover
from slipway_host.kube import KubeClient
from slipway_host.loader import load_config
from slipway_host.postgres_pods import connect
from slipway_host.settings import PostgresSettings
from slipway_host.targets import git_settings, target_of
from slipway_host.values import set_image
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.administrator import administer

SEED = 98
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Written anew and not taken from the product, which is what is tested.
LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
SQL_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PATH = re.compile(r"[A-Za-z0-9._@][A-Za-z0-9._@/+-]*")
BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
PLACES = (
    ("services", "{key}"),
    ("services", "api", "app"),
    ("services", "api", "namespace"),
    ("services", "api", "context"),
    ("services", "api", "dockerfile"),
    ("services", "api", "database", "name"),
    ("services", "api", "database", "role"),
    ("gitops", "repository"),
    ("gitops", "branch"),
    ("gitops", "values"),
    ("registry",),
    ("namespace",),
    ("postgres", "namespace"),
    ("postgres", "adminUser"),
)


@pytest.fixture(autouse=True)
def nothing_is_made(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file, role, database or object that any hostile name tries to make is there afterwards."""
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.rglob(f"*{MARK}*")) == []
    assert not (Path("/tmp") / MARK).exists()  # noqa: S108 - where hostile names try to write
    assert not (Path.home() / MARK).exists()
    found = administer(
        layout,
        "SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database;\n",
    )
    assert MARK not in found
    everything = kubectl(layout, "get", "namespaces,secrets,applications.argoproj.io", "-A", "-o", "name")
    assert MARK not in everything


def configured(place: tuple[str, ...], name: str) -> str:
    document: dict[str, object] = {
        "registry": "registry.invalid/acme",
        "gitops": {"repository": "https://git.invalid/a/b.git"},
        "services": {"api": {"database": {}}},
    }
    at = document
    for key in place[:-1]:
        at = at.setdefault(key, {})  # type: ignore[assignment]
    at[name if place[-1] == "{key}" else place[-1]] = {} if place[-1] == "{key}" else name
    return json.dumps(document)


def harmless(config: Config) -> bool:
    """Whether everything that a configuration leads to is what it claims to be."""
    found = []
    for service in config.services:
        try:
            target = target_of(config, service, environment="dev", commit=COMMIT)
        except SettingsError:
            continue
        labels = (target.app, target.service, target.namespace, target.workload_name, target.argocd_namespace)
        found += [bool(LABEL.fullmatch(label)) for label in labels]
        found.append(target.namespace not in {"kube-system", "kube-public", "kube-node-lease", "default"})
        found.append(bool(PATH.fullmatch(target.values)) and ".." not in target.values.split("/"))
        found.append(bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:/_-]*", target.repository)))
        if target.database:
            found += [bool(SQL_NAME.fullmatch(n)) for n in (target.database.name, target.database.role)]
            found.append(not {"postgres", "public"} & {target.database.name, target.database.role})
            found.append(not target.database.role.startswith("pg_"))
        paths = (config.services[service].context, config.services[service].dockerfile)
        found += [".." not in path.split("/") and not path.startswith(("/", "-")) for path in paths]
    git = git_settings(config, environment="dev", username="x", token=None)
    found.append(bool(BRANCH.fullmatch(git.branch)) and ".." not in git.branch)
    found.append(git.url.startswith(("https://", "ssh://", "git@")) and "\n" not in git.url)
    return all(found)


def test_a_configuration_with_a_hostile_name_is_refused_or_harmless(scale: Scale, note: Note) -> None:
    said: list[str] = []
    for number, name in enumerate(names(scale.names, SEED)):
        text = configured(PLACES[number % len(PLACES)], name)
        try:
            config = load_config(text)
        except SettingsError as error:
            said.append(str(error))
            continue
        assert harmless(config), repr(name)
    note("hostile names", {"names": scale.names, "refused": len(said), "effects": 0})
    assert len(said) > scale.names * 0.8
    # One line each, which no terminal and no CI takes for a command (fault 99).
    assert [line for line in said if not line.isprintable() or line.startswith("::")] == []


def test_hand_overs_and_tags_with_a_hostile_name_are_refused(scale: Scale) -> None:
    values = b'image:\n  tag: ""\n'
    for name in names(scale.names, SEED + 1):
        for act in (
            lambda name=name: images_of([f"{name}=sha256:{'0' * 64}"]),
            lambda name=name: images_of([f"api={name}"]),
            lambda name=name: read_handover(name, name="x"),
            lambda name=name: read_handover(
                json.dumps({"commit": name, "environment": "dev", "services": []}), name="x"
            ),
        ):
            try:
                found = act()
            except SettingsError:
                continue
            keys = found.digests if isinstance(found, Handover) else found
            assert all(LABEL.fullmatch(key) for key in keys), repr(name)
        try:
            written = set_image(values, tag=name, digest=None, path="values.yaml")
        except SettingsError:
            continue
        assert written == b'image:\n  tag: "' + name.encode() + b'"\n'
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", name), repr(name)


async def test_a_hostile_name_that_got_as_far_as_sql_is_a_name_there(
    kube: KubeClient, postgres: PostgresSettings, scale: Scale
) -> None:
    """Quoting is the second wall: even past all checks, PostgreSQL sees one string."""
    sql = await connect(kube, postgres, deadline_s=30)
    for name in islice(names(scale.names, SEED + 2), scale.names // 50):
        try:
            found = await role_exists(sql, name)
        except DeliveryError:
            continue
        assert found == (name in {"postgres", "pg_signal_backend"}), repr(name)


def test_the_command_line_refuses_hostile_names_before_any_effect(world: World, scale: Scale) -> None:
    tried = [name for name in islice(names(scale.names, SEED + 3), scale.names // 100) if "\0" not in name]
    tried = [name for name in tried if len(name) < 60_000]
    for number, name in enumerate(tried):
        option = ("--service", "--environment", "--context", "--commit", "--image", "--receipt")[number % 6]
        command = "gitops" if option in {"--commit", "--image", "--receipt"} else "secrets"
        one = () if option == "--service" else ("--service", world.services[0])
        ended: Ended = world.host(command, *one, f"{option}={name}")
        harmless_option = option in {"--environment", "--context", "--commit", "--receipt"} and not name
        if harmless_option:
            continue
        assert ended.code in {1, 2}, (option, name, ended.out, ended.err)
        assert ended.effects == [], (option, name)
        lines = ended.err.splitlines()
        assert "\x1b" not in ended.err
        assert ended.code == 2 or lines[-1].startswith("Error: "), ended.err
