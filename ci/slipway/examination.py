"""All checks of one call: the configuration, the engine, and the world that the configuration names."""

from slipway import engine_checks
from slipway.calls import call_of
from slipway.checkout import Checkout
from slipway.inputs import Stage
from slipway.work import open_works
from slipway_host.caller import command
from slipway_host.checks import Check, CheckStatus, Finding, Result
from slipway_host.each import Outcome
from slipway_host.errors import SettingsError

LISTED = 5


async def examination(
    inputs: Stage, services: list[str] | None, *, as_json: bool, report_only: bool
) -> Outcome:
    """Return what every check found; where the configuration is wrong, it is the only one."""
    from slipway_host import inspection

    try:
        checkout, works = await open_works(inputs, services, "", clean=False, command=command("doctor"))
    except SettingsError as error:
        failed = CheckStatus.FAILED
        only = Result(name="configuration", status=failed, found=error.cause, fix=error.next_command)
        return inspection.examined([only], as_json=as_json, report_only=report_only)

    async def configuration() -> Finding:
        names = ", ".join(work.name for work in works)
        return Finding(found=f"{inputs.config_path} is valid; environment {inputs.environment}: {names}")

    async def source() -> Finding:
        return _source(checkout)

    given = (inputs.cosign_key, inputs.cosign_public_key, inputs.cosign_identity_token)
    signs = works[0].environment.require_signature or any(secret is not None for secret in given)
    before = [
        Check(name="configuration", look=configuration),
        Check(name="source", look=source),
        *engine_checks.checks(checkout, signs=signs),
    ]
    call = call_of(inputs, checkout, works)
    return await inspection.doctor(call, before=before, as_json=as_json, report_only=report_only)


def _source(checkout: Checkout) -> Finding:
    if not checkout.changes:
        return Finding(found=f"commit {checkout.tag}, nothing uncommitted")
    listed = ", ".join(checkout.changes[:LISTED]) + (" …" if len(checkout.changes) > LISTED else "")
    return Finding(
        status=CheckStatus.FAILED,
        found=f"{len(checkout.changes)} uncommitted change(s), which no tag may stand for: {listed}",
        fix="git commit, or git stash",
    )
