"""The files of a preview's application: those of the one that it copies, under its own names (R29).

Everything is copied as it is but the Argo CD Application: that one gets its own name and namespace, and names
its own values file. What differs in values stands there too, as `valuesObject`, which wins over files. So the
copy of the values file stays a copy, whose tag deploys write.
"""

from __future__ import annotations

import io
import posixpath
from typing import TYPE_CHECKING, Any

from slipway_host.environments import merged
from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.pods import Json
    from slipway_host.preview_model import Preview
    from slipway_host.settings import Target

FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""Without it, what an Application has made outlives it."""
_MANIFESTS = (".yaml", ".yml")


def copied(found: Mapping[str, bytes], base: Target, target: Target, preview: Preview) -> dict[str, bytes]:
    """Return the files of a preview's application: path → bytes.

    Args:
        found: the files of the application that is copied.
        base: that application.
        target: the preview's.
        preview: in what it differs.

    Raises:
        SettingsError: its Application does not tell where its values file is, or cannot be read.
    """
    before, after = posixpath.dirname(base.values), posixpath.dirname(target.values)
    files: dict[str, bytes] = {}
    for path, data in found.items():
        new = posixpath.join(after, posixpath.relpath(path, before))
        files[target.values if path == base.values else new] = (
            _application(path, data, base, target, preview) if path.endswith(_MANIFESTS) else data
        )
    return files


def _application(path: str, data: bytes, base: Target, target: Target, preview: Preview) -> bytes:
    """Return a manifest for the preview; whatever is not the Application stays as it is, byte by byte."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if b"argoproj.io/" not in data:
        return data
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        documents = list(yaml.load_all(data))
    except YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {quote(str(error), limit=200)}") from None
    ours = [one for one in documents if _is(one, base.app)]
    if not ours:
        return data
    for one in ours:
        _rename(path, one, base, target, preview)
    text = io.BytesIO()
    yaml.dump_all(documents, text)
    return text.getvalue()


def _is(document: Any, app: str) -> bool:
    return (
        isinstance(document, dict)
        and document.get("kind") == "Application"
        and (document.get("metadata") or {}).get("name") == app
    )


def _rename(path: str, document: Json, base: Target, target: Target, preview: Preview) -> None:
    meta, spec = document["metadata"], document["spec"]
    meta["name"] = target.app
    finalizers = meta.setdefault("finalizers", [])
    if not any(str(one).startswith(FINALIZER) for one in finalizers):
        finalizers.append(FINALIZER)
    if preview.project:
        spec["project"] = preview.project
    spec.setdefault("destination", {})["namespace"] = target.namespace
    sources = [source for source in (*spec.get("sources", ()), spec.get("source")) if source]
    named = [source for source in sources if _lead(source, base, target)]
    if not named:
        raise SettingsError(
            f"{path}: no source of Application {base.app} names {base.values}, so a copy cannot name its own",
            next_command=f"name it in `valueFiles`, or add {posixpath.dirname(target.values)} by hand",
        )
    wanted = _filled(preview.values, target)
    for source in named:
        helm = source.get("helm")
        if helm is None and not wanted:
            continue
        helm = source.setdefault("helm", {})
        # What the release makes is called as in the application that is copied: other things name it.
        helm.setdefault("releaseName", base.app)
        if wanted:
            helm["valuesObject"] = merged(_inline(helm), wanted)


def _lead(source: Json, base: Target, target: Target) -> bool:
    """Have a source read the preview's files, and return whether it read those of the copied application."""
    before, after = posixpath.dirname(base.values), posixpath.dirname(target.values)
    folder = str(source.get("path") or "").strip("/")
    found = False
    if before and (folder == before or folder.startswith(f"{before}/")):
        source["path"] = posixpath.join(after, posixpath.relpath(folder, before)).rstrip("/.")
        found = True
    files = (source.get("helm") or {}).get("valueFiles") or []
    for index, file in enumerate(files):
        where, _, rest = str(file).partition("/")
        if where == "" or where.startswith("$"):
            # From the root: of this repository, or of another source's.
            if rest == base.values:
                files[index], found = f"{where}/{target.values}", True
        elif posixpath.normpath(posixpath.join(folder, str(file))) == base.values:
            files[index] = posixpath.relpath(target.values, source.get("path") or ".")
            found = True
    return found


def _inline(helm: Json) -> Json:
    """Return the values that stand in the Application itself; `values` counts only without `valuesObject`."""
    from ruamel.yaml import YAML

    text = helm.pop("values", "")
    found = helm.get("valuesObject")
    return found if found is not None else (YAML(typ="safe").load(text) or {} if text else {})


def _filled(value: Any, target: Target) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, target) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, target) for part in value]
    if not isinstance(value, str):
        return value
    parts = {"{app}": target.app, "{service}": target.service, "{environment}": target.environment}
    for part, text in parts.items():
        value = value.replace(part, text)
    return value
