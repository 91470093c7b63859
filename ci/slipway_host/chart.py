"""The chart that Argo CD renders, as far as it is in the GitOps repository: no Secret of it may be random.

Argo CD renders charts without a cluster: `lookup` finds nothing there, so a Secret that a template makes
of random characters "unless it exists" gets new values with every sync (fault 58).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from slipway_host.errors import ConflictError, quote
from slipway_host.git_address import same_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.application import Application
    from slipway_host.git import Clone

RANDOM = re.compile(
    r"\b(rand(?:AlphaNum|Alpha|Numeric|Ascii|Bytes|Int)|uuidv4|gen(?:PrivateKey|CA|CAWithKey|SelfSignedCert"
    r"|SelfSignedCertWithKey|SignedCert|SignedCertWithKey))\b"
)
"""Helm's functions that give something else each time."""
_ACTION = re.compile(r"\{\{(?!-?\s*/\*).*?\}\}", re.DOTALL)
_DEFINE = re.compile(r"\{\{-?\s*define\s+\"([^\"]+)\"")
_CALL = re.compile(r"\b(?:include|template)\s+\"([^\"]+)\"")
_SECRET = re.compile(r"^kind:\s*[\"']?Secret[\"']?\s*(#.*)?$", re.MULTILINE)
_TEMPLATES = (".yaml", ".yml", ".tpl", ".txt")


async def refuse_random_secrets(copy: Clone, app: Application) -> None:
    """Raise where a template of the Application's own chart makes a Secret that each sync changes.

    Only what Argo CD really renders counts: a Secret behind a condition that does not hold is none.
    Charts of another repository are not seen.

    Raises:
        ConflictError: with the template and the function in it.
    """
    rendered = [item for item in app.status.get("resources") or [] if item.get("kind") == "Secret"]
    if not rendered or _left_alone(app.body["spec"]):
        return
    for folder in folders(app.body["spec"], copy):
        files = await copy.below(f"{folder}/templates".strip("/"), endings=_TEMPLATES)
        texts = {path: data.decode(errors="replace") for path, data in sorted(files.items())}
        for path, found in random_secrets(texts).items():
            names = ", ".join(str(item.get("name")) for item in rendered[:3])
            raise ConflictError(
                f"{path} makes a Secret by {found}, which Argo CD calls anew with every sync: it has no "
                f"cluster to look the old value up in. Application {quote(app.body['metadata']['name'])} "
                f"has Secret {quote(names, limit=200)}",
                next_command="take it out of the chart, and let secrets.generate in slipway.yaml make it",
            )


def random_secrets(templates: Mapping[str, str]) -> dict[str, str]:
    """Return the random function of each template that makes a Secret by one, even by a named template.

    Args:
        templates: path → text, of one chart.
    """
    named: dict[str, str] = {}
    for text in templates.values():
        _, *pieces = _DEFINE.split(text)
        named |= dict(zip(pieces[::2], pieces[1::2], strict=True))
    found = {
        path: _random(text, named, frozenset()) for path, text in templates.items() if _SECRET.search(text)
    }
    return {path: function for path, function in found.items() if function}


def _random(text: str, named: Mapping[str, str], seen: frozenset[str]) -> str:
    for action in _ACTION.findall(text):
        if found := RANDOM.search(action):
            return found[1]
        for name in set(_CALL.findall(action)) & (named.keys() - seen):
            if function := _random(named[name], named, seen | {name}):
                return function
    return ""


def _left_alone(spec: dict[str, Any]) -> bool:
    """Say whether syncs keep what differs in Secrets."""
    options = (spec.get("syncPolicy") or {}).get("syncOptions") or []
    differences = spec.get("ignoreDifferences") or []
    return "RespectIgnoreDifferences=true" in options and any(d.get("kind") == "Secret" for d in differences)


def folders(spec: dict[str, Any], copy: Clone) -> list[str]:
    """Return the folders of this repository that the Application takes manifests from; "" is its root."""
    sources = [*(spec.get("sources") or []), *([spec["source"]] if spec.get("source") else [])]
    return [
        # Whatever the path is, it stays inside.
        posixpath.normpath(f"/{source['path']}").strip("/")
        for source in sources
        if source.get("path")
        and not source.get("chart")
        and same_place(str(source.get("repoURL")), copy.address)
    ]
