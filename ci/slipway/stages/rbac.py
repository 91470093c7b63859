"""Print what the pipeline's account has to be allowed in the cluster."""

from typing import Annotated

from dagger import Doc

from slipway.calls import open_call
from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class RbacStage(Stage):
    """Adds `dagger call rbac`."""

    @stage_function
    async def rbac(
        self,
        service: ServiceNames = None,
        account: Annotated[
            str,
            Doc(
                "Name of the ServiceAccount, its roles and their bindings; without it, slipway-<application>,"
                " of several services slipway-<namespace>"
            ),
        ] = "",
        account_namespace: Annotated[str, Doc("Namespace of the ServiceAccount")] = "slipway",
        *,
        sync_windows: Annotated[
            bool,
            Doc(
                "Also the right to read Argo CD's projects: no stage needs it; with it, diagnose and doctor "
                "name the sync windows"
            ),
        ] = False,
        for_plan: Annotated[bool, Doc("Only what `plan` needs: the account can change nothing")] = False,
    ) -> str:
        """Print a ServiceAccount with the least rights that the services need, for `kubectl apply -f -`.

        Namespaces, one Role and RoleBinding for each namespace, and no wildcard; nothing is applied.
        """
        from slipway_host import inspection

        call = await open_call(self, "rbac", service)
        return told(
            await inspection.rbac(
                call,
                account=account,
                account_namespace=account_namespace,
                sync_windows=sync_windows,
                for_plan=for_plan,
            )
        )


STAGE = RbacStage
