"""A kubeconfig: from its text to a client for its current context."""

from __future__ import annotations

import base64
import binascii
import copy
import os
import shutil
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from pydantic import SecretStr

    from slipway_host.kube_http import Json

THREADS = 40
"""How many anyio lets ask at once."""
_LOADING = threading.Lock()
"""The loader keeps its files in a table of its own, one for all threads."""


def read_kubeconfig(kubeconfig: SecretStr) -> Json:
    """Return the kubeconfig's content; YAML, or base64 of YAML (R34)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = kubeconfig.get_secret_value().strip()
    if not text:
        raise SettingsError("the kubeconfig is empty: expected its YAML, or base64 of it")
    try:
        document = YAML(typ="safe", pure=True).load(text)
        if isinstance(document, str):  # base64 is a YAML scalar
            decoded = base64.b64decode("".join(text.split()), validate=True)
            document = YAML(typ="safe", pure=True).load(decoded.decode())
    except (YAMLError, binascii.Error, UnicodeDecodeError):
        # Not chained: these exceptions hold an excerpt of what they could not read.
        raise SettingsError("the kubeconfig is neither YAML nor base64 of YAML") from None
    if not isinstance(document, dict) or not document.get("clusters"):
        raise SettingsError("the kubeconfig names no clusters: expected `kubectl config view --raw`")
    return document


def account(document: Json) -> Json:
    """Return the current context's account; empty where the file has another shape."""
    with suppress(AttributeError, KeyError, StopIteration, TypeError):
        contexts, users = document["contexts"], document["users"]
        name = next(c for c in contexts if c["name"] == document["current-context"])
        user = next(u for u in users if u["name"] == name["context"]["user"])["user"]
        return user if isinstance(user, dict) else {}
    return {}


def refuse_programs(document: Json) -> None:
    """Raise where the current context's account is an exec plugin's.

    Raises:
        SettingsError: it is; the message names the command that runs where the program is.
    """
    plugin = account(document).get("exec")
    if plugin:
        raise SettingsError(
            f"the kubeconfig's account is a program's, {str(plugin.get('command'))[:80]!r}, and a container "
            "of the pipeline does not have it: give a kubeconfig with a token or a certificate, or run the "
            "steps after the push on a machine that has the program",
            next_command="dagger call push, then slipway-host deploy",
        )


def load(document: Json) -> ApiClient:
    """Return a client for the file's current context; runs its exec plugin where it has one."""
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_kube_config_from_dict

    plugin = account(document).get("exec")
    if plugin and not shutil.which(str(plugin.get("command"))):
        raise SettingsError(
            f"the kubeconfig's account needs the program {str(plugin.get('command'))!r}, "
            "which is not on PATH here"
        )
    configuration = Configuration()
    # urllib3 would repeat requests behind our back.
    configuration.retries = False
    # As many as threads may ask at once: urllib3 warns of each connection more, among the run's own lines.
    configuration.connection_pool_maxsize = THREADS
    held: list[int] = []
    try:
        with _LOADING:
            load_kube_config_from_dict(  # type: ignore[no-untyped-call]
                copy.deepcopy(document), client_configuration=configuration, persist_config=False
            )
            held += _off_disk(configuration)
    except ConfigException as error:
        raise SettingsError(f"the kubeconfig is incomplete: {quote(str(error))}") from error
    except (binascii.Error, OSError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"the kubeconfig's certificates and tokens cannot be read: {type(error).__name__}"
        ) from None
    if plugin and not (configuration.api_key or configuration.cert_file):
        # The loader logs a plugin's failure and goes on without an account.
        raise SettingsError(
            f"the kubeconfig's program {str(plugin.get('command'))!r} gave no credentials",
            next_command="kubectl auth whoami",
        )
    try:
        api = ApiClient(configuration)
    except (OSError, ValueError) as error:
        raise SettingsError(f"the kubeconfig's certificates cannot be read: {type(error).__name__}") from None
    for descriptor in held:
        weakref.finalize(api, os.close, descriptor)
    return api


def _off_disk(configuration: Configuration) -> list[int]:
    """Move keys and certificates that the loader wrote to files into memory, and return what holds them.

    The loader removes its files when the interpreter ends: a killed process would leave the private
    key of a cluster's account in the folder for temporary files.
    """
    from kubernetes.config import kube_config as loader

    # Before each request the hook would put the files' paths back; a 401 renews the account here.
    configuration.refresh_api_key_hook = None
    written = set(loader._temp_files.values())
    held = []
    if hasattr(os, "memfd_create"):
        for name in ("ssl_ca_cert", "cert_file", "key_file"):
            path = getattr(configuration, name)
            if path in written:
                held.append(os.memfd_create("slipway"))
                with open(held[-1], "wb", closefd=False) as memory:
                    memory.write(Path(path).read_bytes())
                setattr(configuration, name, f"/proc/self/fd/{held[-1]}")
        # Forgets the paths, too: the next load would return one that is gone.
        loader._cleanup_temp_files()  # type: ignore[no-untyped-call]
    return held
