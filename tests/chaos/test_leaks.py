"""R10, fault 98: the secrets of a run, in any form, are nowhere but where they belong."""

import base64
import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.conftest import Note
from chaos.leaks import forms, in_files, leaked, sampling
from chaos.world import World
from slipway_lab import credentials, lab

JWT = f'{secrets.token_hex(8)}+jwt/"quoted"=&%41\\{secrets.token_hex(8)}'
"""Its plain, URL, JSON and base64 forms all differ. New each time, since a test beside this one may give the
engine the project's own source, and with it whatever stands in this file."""
GIT = {"git", "git-remote-https", "sh", "askpass"}


def secrets_of(world: World, service: str) -> dict[str, str]:
    read = {name: credentials.read(world.layout, name) for name in ("registry", "git-writer", "postgres")}
    stored = {key: base64.b64decode(value).decode() for key, value in world.secret(service).items()}
    if url := stored.get("DATABASE_URL"):
        stored["database password"] = url.partition("://")[2].partition(":")[2].partition("@")[0]
    return {**read, "token": (world.plugin / "token").read_text(), "jwt": JWT, **stored}


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


def test_a_host_side_deploy_leaves_no_secret_anywhere(world: World, note: Note) -> None:
    service = world.services[-2]
    world.add(service)
    known = secrets_of(world, service)
    driver = {Path(sys.executable).name, "python", "python3"}
    allowed = {name: set(driver) for name in ("registry", "git-writer", "postgres", "jwt")}
    allowed["git-writer"] |= GIT
    # What runs that other tests killed could not remove.
    before = set(world.temporary.iterdir())
    with sampling(known, world.temporary, allowed) as sampled:
        ended = world.host("deploy", "--service", service, JWT_SECRET=JWT)
    assert ended.code == 0, ended.err
    known = secrets_of(world, service)
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


@pytest.mark.parametrize("how", ["--defect", "--wrong"])
def test_what_goes_wrong_is_told_without_a_secret(world: World, how: str) -> None:
    service = world.services[-2]
    world.add(service)
    if how == "--defect":
        ended = world.host("secrets", "--service", service, driver=["--defect"], JWT_SECRET=JWT)
        assert ended.code == 3
        assert "a defect of Slipway: RuntimeError" in ended.err
    else:
        ended = world.host("deploy", "--service", service, REGISTRY_PASSWORD=JWT, GH_PAT=JWT)
        assert ended.code == 1
    known = secrets_of(world, service)
    assert leaked(known, (ended.out + ended.err).encode()) == set()


def test_a_dagger_deploy_leaves_no_secret_in_layers_logs_caches_and_receipts(
    world: World, note: Note, tmp_path: Path
) -> None:
    """Other runs on this engine count as well: all is searched that it has written meanwhile."""
    service = world.services[-3]
    world.add(service)
    file = tmp_path / "jwt"
    file.write_text(JWT)
    signing = []
    for line in lab.signing_defaults(world.layout).splitlines():
        name, _, value = line.partition("=")
        signing.append("--" + "".join(f"-{c.lower()}" if c.isupper() else c for c in name) + f"={value}")
    ended = world.dagger(
        "deploy",
        f"--service={service}",
        before=[*signing, f"--jwt-secret=file://{file}"],
        progress="--progress=plain",
    )
    assert ended.code == 0, ended.err[-3000:]
    known = secrets_of(world, service)
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
