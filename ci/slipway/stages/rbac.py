"""Print what the pipeline's account has to be allowed in the cluster."""

from typing import Annotated

from dagger import Doc

from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage
from slipway.work import open_works
from slipway_host.errors import SettingsError
from slipway_host.names import DNS_LABEL


class RbacStage(Stage):
    """Adds `dagger call rbac`."""

    @stage_function
    async def rbac(
        self,
        service: ServiceNames = None,
        account: Annotated[str, Doc("Name of the ServiceAccount, its roles and their bindings")] = "slipway",
        account_namespace: Annotated[str, Doc("Namespace of the ServiceAccount")] = "slipway",
    ) -> str:
        """Print a ServiceAccount with the least rights that the services need, for `kubectl apply -f -`.

        Namespaces, one Role and RoleBinding for each namespace, and no wildcard; nothing is applied.
        """
        from slipway_host import rights

        for name in (account, account_namespace):
            if not DNS_LABEL.fullmatch(name):
                raise SettingsError(
                    f"{name[:80]!r} is not a Kubernetes name: lower-case letters, digits and hyphens"
                )
        _, works = await open_works(self, service, "", clean=False, command="dagger call rbac")
        asked = [right for work in works for right in rights.rights(work.target, await work.postgres())]
        return rights.as_yaml(
            rights.manifests(
                asked,
                account=account,
                namespace=account_namespace,
                namespaces=[work.target.namespace for work in works],
            )
        )


STAGE = RbacStage
