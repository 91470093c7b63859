import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from slipway_host.errors import SettingsError
from slipway_host.git import clone
from support.git_work import VALUES, git, make_key, settings


def verified(bare: Path, allowed: Path, revision: str) -> str:
    options = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}")
    command = ["git", *options, "verify-commit", "-v", revision]
    done = subprocess.run(command, cwd=bare, check=False, capture_output=True, text=True)
    return f"{done.returncode} {done.stderr}"


async def test_a_signed_commit_verifies_and_the_key_is_gone_afterwards(work: Path, tmp_path: Path) -> None:
    # R11.
    key, public = make_key(tmp_path)
    signed = replace(settings(work), signing_key=key, author_email="bot@acme.example")
    async with clone(signed, protocols=("file",)) as copy:
        home = copy._program.home
        files = {file.name: file.stat().st_mode & 0o777 for file in home.iterdir() if file.is_file()}
        assert files == {"askpass": 0o700, "signing-key": 0o600}
        await copy.fetch()
        commit = await copy.commit({VALUES: b"y"}, "s\n")
        await copy.push(commit)
    assert not home.exists()
    bare, allowed = work.parent / "remote.git", tmp_path / "allowed"
    allowed.write_text(f"bot@acme.example {public}")
    good = verified(bare, allowed, commit)
    assert good.startswith("0 ")
    assert 'Good "git" signature for bot@acme.example' in good
    assert verified(bare, allowed, "main~1").startswith("1 ")
    allowed.write_text(f"bot@acme.example {make_key(tmp_path, passphrase='other')[1]}")
    assert verified(bare, allowed, commit).startswith("1 ")


@pytest.mark.parametrize("kind", ["encrypted", "public", "nonsense"])
async def test_a_key_that_cannot_sign_stops_before_the_push(work: Path, tmp_path: Path, kind: str) -> None:
    encrypted, public = make_key(tmp_path, passphrase="canary")
    key = {"encrypted": encrypted, "public": SecretStr(public), "nonsense": SecretStr("canary-4711")}[kind]
    head = git(work.parent / "remote.git", "rev-parse", "main")
    async with clone(replace(settings(work), signing_key=key), protocols=("file",)) as copy:
        await copy.fetch()
        with pytest.raises(SettingsError, match="the commit cannot be signed") as caught:
            await copy.commit({VALUES: b"y"}, "s\n")
        assert not re.search(rf"canary|PRIVATE|{copy._program.home}", str(caught.value))
        assert "without a passphrase" in caught.value.next_command
    assert git(work.parent / "remote.git", "rev-parse", "main") == head
