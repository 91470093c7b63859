"""The machine's kubeconfig files: found and merged as kubectl does (R30)."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from pydantic import SecretStr

from slipway_host import kube_config
from slipway_host.errors import NotFoundError, SettingsError
from slipway_host.kube import KubeClient
from slipway_host.kube_files import merged, paths_of, text_of

if TYPE_CHECKING:
    from typing import Any


def config(name: str, **user: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.invalid"}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def write(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_the_variable_may_name_several_files_and_the_home_folder() -> None:
    assert paths_of("/a:~/b:") == [Path("/a"), Path.home() / "b"]
    assert paths_of("") == [Path.home() / ".kube" / "config"]


def test_of_two_files_the_first_one_counts(tmp_path: Path) -> None:
    one = write(tmp_path / "one", config("dev", token="first"))
    both = config("prod", token="prod")
    both["users"].append({"name": "dev", "user": {"token": "second"}})
    two = write(tmp_path / "two", both)
    found = merged([tmp_path / "absent", one, two])
    assert found["current-context"] == "dev"
    assert kube_config.account(found) == {"token": "first"}
    assert kube_config.account(merged([one, two], context="prod")) == {"token": "prod"}


def test_an_unknown_context_is_refused_with_the_nearest(tmp_path: Path) -> None:
    one = write(tmp_path / "one", config("production"))
    with pytest.raises(SettingsError, match="no context 'produktion', did you mean \"production\""):
        merged([one], context="produktion")


def test_no_file_at_all_names_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        merged([tmp_path / "absent"])


def test_a_broken_file_is_named_and_not_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("token: canary\n\t: [")
    with pytest.raises(SettingsError, match="broken") as caught:
        merged([broken])
    assert "canary" not in str(caught.value)


def test_relative_paths_mean_from_the_file_s_folder(tmp_path: Path) -> None:
    plugin = {"command": "./bin/plugin", "apiVersion": "client.authentication.k8s.io/v1"}
    document = config("dev", exec=plugin, **{"client-key": "keys/key", "tokenFile": "/abs/token"})
    user = kube_config.account(merged([write(tmp_path / "folder" / "config", document)]))
    assert user["client-key"] == str(tmp_path / "folder" / "keys/key")
    assert user["tokenFile"] == "/abs/token"
    assert Path(user["exec"]["command"]) == tmp_path / "folder" / "bin/plugin"
    bare = config("dev", exec={**plugin, "command": "aws"})
    assert kube_config.account(merged([write(tmp_path / "bare", bare)]))["exec"]["command"] == "aws"


async def test_where_there_are_no_programs_an_exec_plugin_is_refused_with_the_command_that_can(
    tmp_path: Path,
) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    plugin.chmod(0o700)
    user = {"command": str(plugin), "apiVersion": "client.authentication.k8s.io/v1"}
    kubeconfig = SecretStr(text_of(config("dev", exec=user)))
    with pytest.raises(SettingsError) as caught:
        await KubeClient.connect(kubeconfig, programs=False)
    assert caught.value.next_command == "dagger call push, then slipway-host deploy"
    assert str(plugin)[:80] in caught.value.cause
    assert not (tmp_path / "ran").exists()


def test_keys_and_certificates_are_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process leaves what is in the folder for temporary files (fault 97)."""
    from base64 import b64encode

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    authority = trustme.CA()
    mine = authority.issue_cert("slipway@example.invalid")
    chain = b"".join(part.bytes() for part in mine.cert_chain_pems)
    document = config(
        "dev",
        **{
            "client-certificate-data": b64encode(chain).decode(),
            "client-key-data": b64encode(mine.private_key_pem.bytes()).decode(),
        },
    )
    data = b64encode(authority.cert_pem.bytes()).decode()
    document["clusters"][0]["cluster"]["certificate-authority-data"] = data
    held = ""
    for _ in range(2):  # The loader keeps a table of its files: the second time must not find the first's.
        api = kube_config.load(document)
        assert list(tmp_path.iterdir()) == []
        context = ssl.create_default_context(cafile=api.configuration.ssl_ca_cert)
        context.load_cert_chain(api.configuration.cert_file, api.configuration.key_file)
        held = api.configuration.cert_file
        del api, context
    assert not Path(held).exists()
