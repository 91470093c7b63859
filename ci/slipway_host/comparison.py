"""What Argo CD says when it cannot compare or may not sync, sorted by who has to act (faults 82 and 83)."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway_host.pods import Json


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A comparison's error: `kind` is repository, revision, path, render, destination or other."""

    kind: str
    cause: str


# In order: git's words for a repository stand inside the repository server's for a manifest.
_KINDS = (
    (
        r"unable to resolve '.*' to a commit SHA|couldn't find remote ref",
        "revision",
        "does not find the branch or revision that the Application names",
    ),
    (
        r"app path does not exist|no such file or directory|app path is not a directory",
        "path",
        "does not find a path that the Application names in the repository",
    ),
    (
        (
            r"authentication required|repository not found|failed to list refs|dial tcp|x509|could not read"
            r"|no such host|unable to access|connection re|authorization failed|Failed to fetch"
        ),
        "repository",
        "cannot read the repository",
    ),
    (
        (
            r"helm template|execution error at|kustomize build|error converting YAML|unmarshal"
            r"|manifest generation error"
        ),
        "render",
        "cannot render the manifests",
    ),
    (
        r"not permitted in project|destination|is not permitted",
        "destination",
        "may not deploy there, by the rules of the Application's project",
    ),
)


def judge(message: str) -> Judgement:
    """Return what an error condition of an Application is about."""
    for pattern, kind, cause in _KINDS:
        if re.search(pattern, message):
            return Judgement(kind=kind, cause=cause)
    return Judgement(kind="other", cause="cannot compare the Application with the cluster")


def reason(message: str) -> str:
    """Return a program's own words out of a message that repeats the whole command before them."""
    found = re.search(r"exit status \d+: (.+)", message, re.DOTALL)
    head = (
        message.partition("`")[0].rpartition("desc = ")[2].removesuffix("failed to get command args to log: ")
    )
    return f"{head.strip().rstrip(':')}: {found[1]}" if found else message


_ADDRESS = re.compile(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^:/]+)(?::\d+(?=/))?[:/]+(.*)")


def same_repository(one: str, other: str) -> bool:
    """Say whether two addresses mean one repository, over whichever transport."""

    def parts(url: str) -> tuple[str, str]:
        found = _ADDRESS.fullmatch(url.strip())
        return (found[1].lower(), found[2].strip("/").removesuffix(".git").lower()) if found else ("", url)

    return parts(one) == parts(other)


def value_files(source: Json) -> list[str]:
    """Return the values files of a Helm source, as paths from the repository's root."""
    path = str(source.get("path") or "")
    found = (source.get("helm") or {}).get("valueFiles") or []
    return [
        name.lstrip("/") if name.startswith("/") else posixpath.normpath(posixpath.join(path, name))
        for name in map(str, found)
    ]


def windows(project: Json, app: Json) -> list[Json]:
    """Return those of a project's sync windows that concern an Application."""
    spec, name = app["spec"], app["metadata"]["name"]
    place = spec.get("destination") or {}
    found = []
    for window in (project.get("spec") or {}).get("syncWindows") or []:
        concerned = (
            (window.get("applications") or [], name),
            (window.get("namespaces") or [], place.get("namespace", "")),
            (window.get("clusters") or [], place.get("server") or place.get("name", "")),
        )
        if any(fnmatch.fnmatchcase(str(value), str(glob)) for globs, value in concerned for glob in globs):
            found.append({**window, "timeZone": window.get("timeZone") or "UTC"})
    return found


def window(found: Json) -> str:
    """Return a sync window in words; its time zone only where it is known."""
    zone = f" ({found['timeZone']})" if found.get("timeZone") else ""
    return f"{found.get('kind')} {found.get('schedule')}{zone} for {found.get('duration')}"
