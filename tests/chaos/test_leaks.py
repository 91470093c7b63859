"""R10, fault 98: the secrets of a run, in any form, are nowhere but where they belong."""

import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.conftest import Note
from chaos.leaks import forms, in_files, leaked, sampling
from chaos.world import OVER_SERVER, World
from slipway_lab import argocd, credentials, lab
from support.argocd_account import account, spelled

JWT = f'{secrets.token_hex(8)}+jwt/"quoted"=&%41\\{secrets.token_hex(8)}'
"""Its plain, URL, JSON and base64 forms all differ. New each time, since a test beside this one may give the
engine the project's own source, and with it whatever stands in this file."""
GIT = {"git", "git-remote-https", "sh", "askpass"}


@pytest.fixture(scope="module")
def token(world: World) -> Iterator[str]:
    """That of an account of Argo CD's own API, which nobody else is given."""
    with account(
        world.layout, world.name, spelled(f"{world.name}-*", "get", "sync", name=world.name)
    ) as found:
        yield found


def secrets_of(world: World, service: str, token: str) -> dict[str, str]:
    read = {name: credentials.read(world.layout, name) for name in ("registry", "git-writer", "postgres")}
    stored = {key: base64.b64decode(value).decode() for key, value in world.secret(service).items()}
    if url := stored.get("DATABASE_URL"):
        stored["database password"] = url.partition("://")[2].partition(":")[2].partition("@")[0]
    accounts = {"cluster": (world.plugin / "token").read_text(), "argocd": token}
    return {**read, **accounts, "jwt": JWT, **stored}


def asked_by(world: World, service: str) -> str:
    """Return whose the last sync of a service was, by Argo CD's own word."""
    status = world.get("application", service, argocd.NAMESPACE)["status"]
    return str(status["operationState"]["operation"]["initiatedBy"]["username"])


@pytest.mark.parametrize("form", ["plain", "base64", "url", "json", "half", "gzip"])
def test_the_hunt_finds_what_was_hidden(form: str, tmp_path: Path) -> None:
    """A hunt that finds nothing proves nothing, unless it can find something."""
    import gzip
    from urllib.parse import quote

    hidden = {
        "plain": JWT.encode(),
        "base64": base64.b64encode(b"user:" + JWT.encode() + b"!"),
        "url": quote(JWT, safe="").encode(),
        "json": json.dumps({"a": JWT}).encode(),
        "half": b"... " + JWT[len(JWT) // 2 :].encode(),
        "gzip": gzip.compress(b"x" * 500 + JWT.encode()),
    }[form]
    (tmp_path / "file").write_bytes(hidden)
    assert in_files({"jwt": JWT}, [tmp_path / "file"]) == [f"{tmp_path / 'file'}: jwt"]
    assert len(forms(JWT)) >= 8


CHILD = """
import subprocess, sys
secret = sys.stdin.read()
given = {"arguments": {"args": ["sh", "-c", "sleep 2; :", "sh", secret]},
         "environment": {"args": ["sleep", "2"], "env": {"GIVEN": secret, "PATH": "/usr/bin:/bin"}}}
subprocess.run(**given[sys.argv[1]], check=True)
"""


@pytest.mark.parametrize(("where", "program"), [("arguments", "sh"), ("environment", "sleep")])
def test_the_hunt_finds_what_a_program_is_given_that_the_run_has_started(
    where: str, program: str, tmp_path: Path
) -> None:
    with sampling({"jwt": JWT}, tmp_path, {}) as sampled:
        words = [sys.executable, "-c", CHILD, where, str(tmp_path)]
        subprocess.run(words, input=JWT, text=True, check=True)
    assert sampled.found == {f"{where} of {program}: jwt"}


def test_a_host_side_deploy_leaves_no_secret_anywhere(world: World, note: Note, token: str) -> None:
    service = world.services[-2]
    world.add(service, automated=False)
    known = secrets_of(world, service, token)
    driver = {Path(sys.executable).name, "python", "python3"}
    allowed = {name: set(driver) for name in ("registry", "git-writer", "postgres", "argocd", "jwt")}
    allowed["git-writer"] |= GIT
    # What runs that other tests killed could not remove.
    before = set(world.temporary.iterdir())
    with sampling(known, world.temporary, allowed) as sampled:
        words = ("deploy", f"--config={OVER_SERVER}", "--service", service)
        ended = world.host(*words, JWT_SECRET=JWT, ARGOCD_AUTH_TOKEN=token)
    assert ended.code == 0, ended.err
    assert asked_by(world, service) == world.name
    known = secrets_of(world, service, token)
    assert known["JWT_SECRET"] == JWT
    said = (ended.out + ended.err).encode()
    left = in_files(known, (path for path in world.temporary.rglob("*") if path.is_file()))
    written = in_files(known, (path for path in world.bare.rglob("*") if path.is_file()))
    note("leaks of slipway-host", {"looks": sampled.looks, "leaks": len(sampled.found) + len(left)})
    assert sampled.looks > 10
    assert sampled.found == set()
    assert leaked(known, said) == set()
    assert left == []
    assert written == []
    assert set(world.temporary.iterdir()) == before


@pytest.mark.parametrize("how", ["--defect", "--wrong", "--refused"])
def test_what_goes_wrong_is_told_without_a_secret(world: World, how: str, token: str) -> None:
    service = world.services[-2]
    world.add(service, automated=False)
    words = (f"--config={OVER_SERVER}", "--service", service)
    if how == "--defect":
        more = {"JWT_SECRET": JWT, "ARGOCD_AUTH_TOKEN": token}
        ended = world.host("secrets", *words, driver=["--defect"], **more)
        assert ended.code == 3
        assert "a defect of Slipway: RuntimeError" in ended.err
    elif how == "--wrong":
        more = {"REGISTRY_PASSWORD": JWT, "GH_PAT": JWT, "ARGOCD_AUTH_TOKEN": token}
        ended = world.host("deploy", *words, **more)
        assert ended.code == 1
    else:
        ended = world.host("sync", *words, ARGOCD_AUTH_TOKEN=JWT)
        assert ended.code == 1
        assert "does not accept ARGOCD_AUTH_TOKEN" in ended.err
    known = secrets_of(world, service, token)
    assert leaked(known, (ended.out + ended.err).encode()) == set()


def test_a_dagger_deploy_leaves_no_secret_in_layers_logs_caches_and_receipts(
    world: World, note: Note, tmp_path: Path, token: str
) -> None:
    """Other runs on this engine count as well: all is searched that it has written meanwhile."""
    service = world.services[-3]
    world.add(service, automated=False)
    given = []
    for name, secret in {"jwt-secret": JWT, "argocd-auth-token": token}.items():
        file = tmp_path / name
        file.write_text(secret)
        given.append(f"--{name}=file://{file}")
    signing = []
    for line in lab.signing_defaults(world.layout).splitlines():
        name, _, value = line.partition("=")
        signing.append("--" + "".join(f"-{c.lower()}" if c.isupper() else c for c in name) + f"={value}")
    ended = world.dagger(
        "deploy",
        f"--service={service}",
        before=[f"--config-path={OVER_SERVER}", *signing, *given],
        progress="--progress=plain",
    )
    assert ended.code == 0, ended.err[-3000:]
    assert asked_by(world, service) == world.name
    known = secrets_of(world, service, token)
    known["cosign password"] = credentials.read(world.layout, "cosign-password")
    assert known["JWT_SECRET"] == JWT
    assert leaked(known, (ended.out + ended.err).encode()) == set()
    # Manifests, layers, SBOMs, signatures and provenance are all blobs of the registry.
    state = world.layout.state
    since = (world.scratch / "source" / "slipway.yaml").stat().st_mtime
    registry = (path for path in (state / "registry").rglob("data") if path.stat().st_mtime >= since)
    blobs = list(registry)
    assert in_files(known, blobs) == []
    logs = [world.layout.logs / name for name in ("dagger-engine.log", "registry.log", "git.log")]
    assert in_files(known, [log for log in logs if log.exists()]) == []
    assert engine_files_with(known, state / "engine", world.source / "slipway.yaml", tmp_path) == []
    note("leaks of dagger call deploy", {"secrets": len(known), "blobs": len(blobs), "leaks": 0})


def engine_files_with(known: dict[str, str], engine: Path, since: Path, scratch: Path) -> list[str]:
    """Return the files that hold a secret among those that the engine has written since."""
    patterns = scratch / "patterns"
    patterns.touch(mode=0o600)
    patterns.write_bytes(b"\n".join({form for secret in known.values() for form in forms(secret)}) + b"\n")
    grep = ["grep", "--files-with-matches", "--text", "--fixed-strings", f"--file={patterns}"]
    done = subprocess.run(
        ["find", engine, "-type", "f", "-newer", since, "-exec", *grep, "{}", "+"],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.splitlines()
