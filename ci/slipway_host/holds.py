"""Holds: what must not be deployed until somebody lifts them.

They stand in the GitOps repository beside the values file, `<values file>.hold`, so that whoever deploys
sees them and no server is needed. By its name, the file is nothing to Argo CD, Helm and kustomize: those
read what ends in yaml, yml, json or jsonnet, or is named to them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from slipway_host.caller import command
from slipway_host.errors import ConflictError, HeldError, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host import git

REASON_LIMIT = 300


@dataclass(frozen=True, kw_only=True)
class Hold:
    """One hold.

    Args:
        tag: the image that is held; empty for whatever would be deployed.
        reason: why, in words.
        by: who.
        since: when, in UTC, `2026-11-24T05:15:00Z`.
    """

    tag: str
    reason: str
    by: str
    since: str

    def line(self) -> str:
        """Return who holds what since when and why."""
        what = f"tag {self.tag}" if self.tag else "every deploy"
        return quote(f"{what} is held by {self.by} since {self.since}: {self.reason}")


def path_of(values: str) -> str:
    """Return the path of the file with the holds of a values file."""
    return f"{values}.hold"


def parse(data: bytes | None, path: str) -> tuple[Hold, ...]:
    """Return the holds that a file names.

    Raises:
        ConflictError: it cannot be read; what it was to stop is stopped.
    """
    if data is None:
        return ()
    try:
        return tuple(
            Hold(**{key: str(item.get(key, "")) for key in ("tag", "reason", "by", "since")})
            for item in json.loads(data)["holds"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConflictError(
            f"{path} in the GitOps repository is there and no list of holds: nothing is deployed past it",
            next_command=f"correct or remove {path}",
        ) from None


def text(holds: Sequence[Hold]) -> bytes:
    """Return the file for holds, one a line."""
    rows = ",\n".join(f"    {json.dumps(asdict(hold), ensure_ascii=False)}" for hold in holds)
    return f'{{\n  "holds": [\n{rows}\n  ]\n}}\n'.encode()


def added(there: Sequence[Hold], hold: Hold) -> tuple[Hold, ...]:
    """Return the holds with one more; where the same is held already, that one stays."""
    if any(one.tag == hold.tag for one in there):
        return tuple(there)
    return (*there, hold)


async def read(copy: git.Clone, values: str, *, at: str | None = None) -> tuple[Hold, ...]:
    """Return the holds of a values file at the copy's head, or at another commit."""
    path = path_of(values)
    return parse(await copy.find(path, at=at), path)


def refuse(holds: Sequence[Hold], *, name: str, tag: str) -> None:
    """Stop a deploy that a hold is about.

    Args:
        holds: what there is.
        name: the service.
        tag: what would be deployed.

    Raises:
        HeldError: one says who stopped it, when and why.
    """
    for hold in holds:
        if hold.tag in {"", tag}:
            which, other = ([f"--tag={tag}"], "deploy another commit, or ") if hold.tag else ([], "")
            raise HeldError(
                f"{name}: {hold.line()}",
                next_command=f"{other}{command('hold', f'--service={name}', '--lift', *which)}",
            )


def placed(there: Sequence[Hold], hold: Hold) -> bytes | None:
    """Return the file with one more hold; None where the same is held already."""
    after = added(there, hold)
    return None if after == tuple(there) else text(after)


def lifted(there: Sequence[Hold], tag: str) -> tuple[Hold, ...]:
    """Return the holds that are left: without a tag, none is."""
    return tuple(hold for hold in there if tag and hold.tag != tag)
