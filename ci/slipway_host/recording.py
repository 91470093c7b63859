"""What stays of a run when it is over: its receipt in the GitOps repository, and its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway_host import receipt_keeper, record, reports, scrub
from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.passage import Accounts, Passage
    from slipway_host.settings import GitSettings


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A run as it is remembered.

    Args:
        document: the receipt.
        files: name → bytes.
    """

    document: dict[str, Any]
    files: dict[str, bytes]


async def keep(document: Mapping[str, Any], passages: Sequence[Passage], log: record.Log) -> Recording:
    """Keep the receipt of a run in the GitOps repository, and return all that stays of it.

    No known secret of the run is in any of it.

    Args:
        document: the receipt.
        passages: the services; none where the run ended before it came to them.
        log: what was said; a receipt that cannot be kept is said there.
    """
    known = scrub.parts(_secrets(passages))
    clean: dict[str, Any] = record.clean(dict(document), known)
    if passages:
        first, targets = passages[0], [passage.delivery.target for passage in passages]
        await receipt_keeper.keep(first.accounts.git, clean, targets, report=log)
    return Recording(
        document=clean, files=record.files(clean, [scrub.without(line, known) for line in log.lines])
    )


async def illustrated(kept: Recording, passages: Sequence[Passage], log: record.Log) -> Recording:
    """Return a run with its report among the files; where that cannot be made, one line says so."""

    async def settings() -> GitSettings:
        if not passages:
            raise SettingsError("the run ended before it came to its services")
        return passages[0].accounts.git

    targets = [passage.delivery.target for passage in passages]
    try:
        html = await reports.of_document(kept.document, targets, settings)
    except Exception as error:  # noqa: BLE001 - the run is over: nothing here makes another outcome of it
        log(f"WARNING: the report of run {kept.document['run']} was not made: {type(error).__name__}")
        return kept
    return replace(kept, files={**kept.files, "report.html": html.encode()})


def write(kept: Recording, *, folder: str, step_summary: str, log: record.Log) -> None:
    """Write the files of a run here; where that fails, one line says so.

    Args:
        kept: the run.
        folder: where to write them, or "".
        step_summary: file that GitHub shows as the step's summary, which is added to; or "".
        log: what was said.
    """
    try:
        if folder:
            there = Path(folder)
            there.mkdir(parents=True, exist_ok=True)
            for name, data in kept.files.items():
                (there / name).write_bytes(data)
        if step_summary:
            with Path(step_summary).open("ab") as file:
                file.write(kept.files["summary.md"])
    except OSError as error:
        why = f"{error.filename or folder}: {os.strerror(error.errno or 0)}"
        log(f"WARNING: the files of run {kept.document['run']} were not written: {quote(why)}")


def _secrets(passages: Sequence[Passage]) -> list[str]:
    given = [secret for passage in passages for secret in passage.delivery.target.secrets.given.values()]
    given += [secret for passage in passages for secret in passage.delivery.applications.secrets]
    for accounts in {id(passage.accounts): passage.accounts for passage in passages}.values():
        given += filter(None, _of(accounts))
    return [secret.get_secret_value() for secret in given]


def _of(accounts: Accounts) -> list[SecretStr | None]:
    git, postgres = accounts.git, accounts.postgres
    return [
        accounts.registry.password,
        git.token,
        git.ssh_key,
        git.signing_key,
        postgres.admin_password,
        postgres.dsn,
    ]
