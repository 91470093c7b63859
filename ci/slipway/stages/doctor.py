"""Look at everything that a deploy needs, before anything is changed."""

from typing import Annotated

from dagger import Doc

from slipway.each import told
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage


class DoctorStage(Stage):
    """Adds `dagger call doctor`."""

    @stage_function
    async def doctor(
        self,
        service: ServiceNames = None,
        *,
        as_json: Annotated[bool, Doc("Print JSON instead of a table")] = False,
        report_only: Annotated[
            bool, Doc("Return the report whatever it says; without it, a failed check ends the call")
        ] = False,
    ) -> str:
        """Check rights and reachability of all that a deploy needs, and change nothing.

        Everything is looked at side by side: configuration, commit, registry (pull and push), GitOps
        repository (push and values files), Kubernetes (version and each right), Argo CD, PostgreSQL,
        engine, scanner. Ends with exit code 1 where a check failed; the report is printed before.
        """
        from slipway.examination import examination

        return told(await examination(self, service, as_json=as_json, report_only=report_only))


STAGE = DoctorStage
