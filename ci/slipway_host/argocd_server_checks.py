"""What Argo CD's own server says of the account that comes with ARGOCD_AUTH_TOKEN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.argocd_server import SECRET
from slipway_host.caller import command
from slipway_host.checks import CheckStatus, Finding
from slipway_host.errors import quote
from slipway_host.rights import ARGOCD_ACTIONS

if TYPE_CHECKING:
    from slipway_host.application import Application
    from slipway_host.applications_server import ServerApplications
    from slipway_host.argocd_server import ArgoCDServer
    from slipway_host.settings import Target


async def account(applications: ServerApplications) -> Finding:
    """Return who the token is at the server, by the server's own word."""
    server = await applications.server()
    said = await server.get("api/v1/session/userinfo")
    version = str((await server.get("api/version")).get("Version", "of no version"))
    where = f"Argo CD {quote(version, limit=40)} at {server.host}"
    if not said.get("loggedIn"):
        return Finding(
            status=CheckStatus.FAILED,
            found=f"{where} does not accept {SECRET}",
            fix=f"argocd account generate-token --account=<account> --server={server.host}",
        )
    return Finding(found=f"{where}, as {quote(str(said.get('username')), limit=80)}")


async def granted(applications: ServerApplications, target: Target) -> Finding:
    """Return whether the account may do with the service's Application what stages and functions do."""
    app = await applications.read(target)
    server = await applications.server()
    missing = [action for action in ARGOCD_ACTIONS if not await _may(server, action, app)]
    if not missing:
        return Finding(found=f"{', '.join(ARGOCD_ACTIONS)} of {app.project}/{app.name} are granted")
    uses = "; ".join(f"{action} ({ARGOCD_ACTIONS[action]})" for action in missing)
    return Finding(
        # Whoever deploys can do without the emergency.
        status=CheckStatus.WARNING if missing == ["update"] else CheckStatus.FAILED,
        found=f"the account may not do with {app.project}/{app.name}: {uses}",
        fix=f"{command('rbac')}, which names the policy that the account needs there",
    )


async def _may(server: ArgoCDServer, action: str, app: Application) -> bool:
    # Outside the server's own namespace, an Application's name in the policy has the namespace in it.
    names = (f"{app.project}/{app.name}", f"{app.project}/{app.namespace}/{app.name}")
    for name in names:
        said = await server.get(f"api/v1/account/can-i/applications/{action}/{name}")
        if said.get("value") == "yes":
            return True
    return False
