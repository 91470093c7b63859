"""The machine's own kubeconfig files, as kubectl finds and merges them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host.errors import NotFoundError, SettingsError, nearest, quote
from slipway_host.kube_config import read_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.kube_http import Json

LISTS = ("clusters", "contexts", "users")
PATHS = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
"""Keys whose relative paths mean: from the file's own folder."""


def paths_of(variable: str) -> list[Path]:
    """Return the files that KUBECONFIG names; without it, the one in the home folder."""
    named = [Path(part).expanduser() for part in variable.split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


def merged(paths: Sequence[Path], *, context: str = "") -> Json:
    """Return the files as one kubeconfig; of what two name alike, the first one's counts.

    Args:
        paths: files; those that do not exist are left out, as kubectl does.
        context: instead of the files' current one.

    Raises:
        NotFoundError: none of the files exists.
        SettingsError: one cannot be read, or there is no such context.
    """
    found = [path for path in paths if path.is_file()]
    if not found:
        raise NotFoundError(
            f"no kubeconfig: there is no {', '.join(str(path) for path in paths)}",
            next_command="export KUBECONFIG=<file>, or kubectl config view",
        )
    whole: Json = {"apiVersion": "v1", "kind": "Config", "current-context": ""}
    whole |= {name: [] for name in LISTS}
    for path in found:
        document = _read(path)
        whole["current-context"] = whole["current-context"] or document.get("current-context") or ""
        for name in LISTS:
            known = {entry["name"] for entry in whole[name]}
            entries = document.get(name) or []
            whole[name] += [e for e in entries if isinstance(e, dict) and e.get("name", "") not in known]
    if context:
        names = [str(entry["name"]) for entry in whole["contexts"]]
        if context not in names:
            there = nearest(context, names) or f": there are {', '.join(names)}"
            raise SettingsError(f"the kubeconfig has no context {quote(context, limit=80)!r}{there}")
        whole["current-context"] = context
    return whole


def text_of(document: Json) -> str:
    """Return a kubeconfig as text; JSON is YAML."""
    return json.dumps(document)


def _read(path: Path) -> Json:
    from pydantic import SecretStr

    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"kubeconfig {path} cannot be read: {type(error).__name__}") from None
    try:
        document = read_kubeconfig(SecretStr(text))
    except SettingsError as error:
        error.cause = f"{path}: {error.cause}"
        raise
    folder = path.absolute().parent
    for kind, keys in PATHS.items():
        for entry in document.get(f"{kind}s") or []:
            part = entry.get(kind) if isinstance(entry, dict) else None
            if isinstance(part, dict):
                part |= {key: str(folder / part[key]) for key in keys if part.get(key)}
                _anchor_program(part.get("exec"), folder)
    return document


def _anchor_program(plugin: object, folder: Path) -> None:
    # A bare name is looked up on PATH; one with a slash is meant from the file's folder.
    if isinstance(plugin, dict) and "/" in str(plugin.get("command")):
        plugin["command"] = str(folder / str(plugin["command"]))
