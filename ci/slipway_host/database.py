"""A service's own database and the role that owns it, made once and adopted ever after.

The order is always the same: look, refuse what is not ours to change, act under a lock, look again.
What acts is one session on the fixed database `postgres`, since advisory locks hold in one database
only, and where extensions or read-only roles are asked for, one on the service's own database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from slipway_host.caller import command
from slipway_host.database_state import Seen, SeenInside, look, look_inside, refuse
from slipway_host.database_steps import inside, locked, outside
from slipway_host.errors import ConflictError, DeadlineError, DeliveryError, MovedError, TransientError
from slipway_host.postgres import FIXED_DATABASE, SqlRunner
from slipway_host.progress import within
from slipway_host.results import StageResult, Status
from slipway_host.scram import scram_verifier

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pydantic import SecretStr

    from slipway_host.progress import Report
    from slipway_host.settings import DatabaseSettings

STAGE = "database"


async def ensure_database(
    sql: SqlRunner,
    settings: DatabaseSettings,
    password: SecretStr,
    *,
    report: Report,
    deadline_s: float,
    reset: bool = False,
    allowed: Collection[str] | None = None,
) -> StageResult:
    """Make the role and its database unless they are there, and prove that the password opens it.

    `Skipped` means that nothing was written. What exists is adopted as it is (R34): neither a
    password nor a grant is changed, and what does not fit is a ConflictError. A new database is
    closed until PUBLIC has lost CONNECT (fault 43); that also marks what a killed run left for the
    next one to complete (fault 50). The role owns the database: from PostgreSQL 15 on that gives it
    CREATE in schema `public` (fault 42); before, `template0` gives that to all who may connect.

    Args:
        sql: the server.
        settings: names, extensions and read-only roles.
        password: the owner's, from its Secret.
        report: takes one line for people, live.
        deadline_s: seconds for all of it.
        reset: give a role that has another password this one (fault 38); never by default.
        allowed: the statements of `preview` that may run, None for whatever is lacking.

    Raises:
        ConflictError: the role or the database is not one of ours, or has another password.
        MovedError: another statement would have to run than those that are allowed.
        NotFoundError: the server has no such extension.
        DeadlineError: the lock or the server took too long.
    """
    setup = _Setup(sql, settings, password, report, deadline_s, reset=reset, allowed=allowed)
    # Every attempt looks first, so it also settles what a dropped connection left open (fault 47).
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        before_sleep=setup.failed,
        reraise=True,
    )
    report(f"{STAGE}: looking at role {settings.role} and database {settings.name}")
    try:
        within(deadline_s)
        with anyio.fail_after(deadline_s):
            return await retrying(setup.once)
    except TimeoutError:
        why = f"; last: {setup.last.cause}" if setup.last else ""
        raise DeadlineError(
            f"database {settings.name} was not ready after {deadline_s:g} s{why}", stage=STAGE
        ) from None
    except DeliveryError as error:
        error.at(STAGE)
        raise


async def preview(
    sql: SqlRunner, settings: DatabaseSettings, password: SecretStr | None
) -> Mapping[str, Sequence[str]]:
    """Return the statements that `ensure_database` would run now, by database and in their order.

    Args:
        sql: the server.
        settings: names, extensions and read-only roles.
        password: the owner's, None where the role and the Secret are both yet to be made.

    Raises:
        ConflictError: as `ensure_database`.
        NotFoundError: as `ensure_database`.
    """
    seen, fits = await _survey(sql, settings, password)
    if not fits:
        raise _other_password(settings)
    found: dict[str, Sequence[str]] = {}
    if not seen.done(settings):
        found[FIXED_DATABASE] = seen.lacking
    within = seen.lacking_inside
    if seen.database and seen.database["open"]:
        within = (await _inside(sql, settings)).pending
    if within:
        # One name for both, where a service's database is the fixed one.
        found[settings.name] = (*found.get(settings.name, ()), *within)
    return found


async def _survey(
    sql: SqlRunner, settings: DatabaseSettings, password: SecretStr | None
) -> tuple[Seen, bool]:
    """Return what is there, and whether the password is the role's, where there is a role."""
    seen = await look(sql, settings)
    refuse(seen, settings)
    fits = seen.role is None or password is None or await sql.accepts(settings.role, password)
    return seen, fits


async def _inside(sql: SqlRunner, settings: DatabaseSettings) -> SeenInside:
    if settings.extensions or settings.read_only:
        return await look_inside(sql, settings)
    return SeenInside(pending=(), outdated=())


def _other_password(settings: DatabaseSettings) -> ConflictError:
    """Resetting it unasked would cut off who uses it (fault 38)."""
    role = settings.role
    return ConflictError(
        f"role {role} has another password than the one in the Secret's DATABASE_URL; correct the "
        "Secret, or, if nothing else uses the role, give it the Secret's",
        next_command=command("database", f"--reset-password={role}"),
    )


class _Setup:
    """What a set-up remembers from one attempt to the next."""

    def __init__(
        self,
        sql: SqlRunner,
        settings: DatabaseSettings,
        password: SecretStr,
        report: Report,
        deadline_s: float,
        *,
        reset: bool,
        allowed: Collection[str] | None,
    ) -> None:
        self._allowed = allowed
        self.last: DeliveryError | None = None
        self._sql, self._settings, self._password = sql, settings, password
        self._report, self._deadline_s, self._reset = report, deadline_s, reset
        self._acted = False
        self._was_reset = False
        self._lacked = False

    def failed(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, DeliveryError):
            self.last = error
            self._report(f"{STAGE}: {error.cause}; trying again")

    async def once(self) -> StageResult:
        settings = self._settings
        seen, fits = await _survey(self._sql, settings, self._password)
        if not fits and not self._reset:
            raise _other_password(settings)
        if not (fits and seen.done(settings)):
            self._check_allowed(seen.lacking, settings)
            self._lacked = self._lacked or not seen.done(settings)
            seen = await self._make(reset=not fits)
        within = await _inside(self._sql, settings)
        if within.pending:
            self._check_allowed(within.pending, settings)
            self._report(f"{STAGE}: {len(within.pending)} statements in database {settings.name}")
            self._acted = self._lacked = True
            steps = locked(inside(settings), deadline_s=self._deadline_s)
            await self._sql.act(steps, database=settings.name)
            before, within = len(within.pending), await look_inside(self._sql, settings)
            if len(within.pending) >= before:
                # A GRANT without the right to grant is a warning to PostgreSQL, and no error.
                raise ConflictError(
                    f"{len(within.pending)} statements had no effect in database {settings.name}: the "
                    "administrator may not grant there",
                    next_command=f"psql -d {settings.name} -c '\\dn+ public'",
                )
            if within.pending:
                raise TransientError(f"database {settings.name} has new tables")
        return self._result(seen, within)

    async def _make(self, *, reset: bool) -> Seen:
        settings = self._settings
        what = "setting the password of" if reset else "creating what is missing of"
        self._report(f"{STAGE}: {what} {settings.role} and {settings.name}")
        # From here on something may have been written, even if no answer comes.
        self._acted = True
        self._was_reset = self._was_reset or reset
        steps = outside(settings, scram_verifier(self._password), reset=reset)
        await self._sql.act(locked(steps, deadline_s=self._deadline_s), database=FIXED_DATABASE)
        # Somebody without our lock may have been faster: the same rules hold for what they made.
        seen = await look(self._sql, settings)
        refuse(seen, settings)
        if not await self._sql.accepts(settings.role, self._password):
            raise _other_password(settings)
        if not seen.done(settings):
            raise TransientError(f"database {settings.name} has gone again")
        return seen

    def _check_allowed(self, lacking: Sequence[str], settings: DatabaseSettings) -> None:
        beyond = [] if self._allowed is None else [one for one in lacking if one not in self._allowed]
        if beyond:
            raise MovedError(f"database {settings.name}: not in the plan: {'; '.join(beyond)}", stage=STAGE)

    def _result(self, seen: Seen, within: SeenInside) -> StageResult:
        settings = self._settings
        open_to_all = bool(seen.database and seen.database["public"])
        words = [
            f"database {settings.name}, owned by {settings.role}: {'made' if self._lacked else 'in place'}",
            f"password of role {settings.role} set to its Secret's" if self._was_reset else "",
            f"extensions {', '.join(settings.extensions)}" if settings.extensions else "",
            f"left at their version: {', '.join(within.outdated)}" if within.outdated else "",
            f"readable by {', '.join(settings.read_only)}" if settings.read_only else "",
            "any role may connect to it, as before" if open_to_all else "",
        ]
        return StageResult(
            stage=STAGE,
            status=Status.SUCCEEDED if self._acted else Status.SKIPPED,
            summary="; ".join(filter(None, words)),
            outputs={
                "database": settings.name,
                "role": settings.role,
                "publicConnect": open_to_all,
                "passwordReset": self._was_reset,
                "extensions": list(settings.extensions),
                "readOnly": list(settings.read_only),
            },
        )
