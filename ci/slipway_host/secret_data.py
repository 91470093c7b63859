"""A Kubernetes Secret as JSON: its values in and out, and whether it is ours to add to."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from slipway_host.creation import STAGE
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from slipway_host.kube_http import Json


def check_given(values: Mapping[str, SecretStr]) -> None:
    """Refuse values that cannot be meant, before anything is touched.

    Raises:
        SettingsError: a value is empty, a mere `-`, or ends with a line break.
    """
    for name, value in values.items():
        text = value.get_secret_value()
        # CI systems hand over an empty string for a secret that is not set, and `echo` adds a
        # newline that only a 401 much later would tell of (fault 11).
        if not text.strip():
            raise SettingsError(f"the value given for {name} is empty", stage=STAGE)
        if text.strip() == "-":
            raise SettingsError(f"the value given for {name} is a mere `-`", stage=STAGE)
        if text.endswith(("\n", "\r")):
            raise SettingsError(
                f"the value given for {name} ends with a line break: store it without one",
                stage=STAGE,
            )


def encoded(text: str) -> str:
    """Return a text as it stands in `data`."""
    return base64.b64encode(text.encode()).decode()


def decoded(secret: Json) -> dict[str, str]:
    """Return a Secret's values; bytes that are no text, which nobody here asks for, as escapes."""
    data = secret.get("data") or {}
    return {k: base64.b64decode(v).decode(errors="backslashreplace") for k, v in data.items()}


def untouchable(secret: Json, expected_type: str) -> str:
    """Return why a Secret is not ours to add to, empty if it is (fault 56)."""
    metadata = secret["metadata"]
    if metadata.get("deletionTimestamp"):
        return "is being deleted"
    if secret.get("immutable"):
        return "is immutable"
    owners = [f"{o['kind']} {o['name']}" for o in metadata.get("ownerReferences") or ()]
    if owners:
        return f"belongs to {', '.join(owners)}, which would undo it"
    if secret.get("type", "Opaque") != expected_type:
        return f"has type {secret['type']} instead of {expected_type}"
    return ""


def show(namespace: str, name: str) -> str:
    """Return the command that shows a Secret without its values."""
    return f"kubectl --namespace {namespace} describe secret {name}"


def new_secret(
    namespace: str, name: str, kind: str, data: Mapping[str, str], labels: Mapping[str, str]
) -> Json:
    """Return the object to POST."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "type": kind,
        "data": dict(data),
    }
