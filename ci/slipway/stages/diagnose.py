"""Say which link between commit and pod does not hold, and what mends it."""

from typing import Annotated

from dagger import Doc

from slipway.each import NOBODY, each
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import Work, cluster, open_works


class DiagnoseStage(Stage):
    """Adds `dagger call diagnose`."""

    @stage_function
    async def diagnose(
        self,
        service: ServiceNames = None,
        head: Annotated[bool, Doc("What runs has to be HEAD's image")] = False,  # noqa: FBT002 - a flag
        as_json: Annotated[bool, Doc("Return JSON, and exit code 0 whatever is found")] = False,  # noqa: FBT002 - a flag
    ) -> str:
        """Walk from the commit to the pods, and name the first link that does not hold, with its fix.

        Nothing is changed; where Argo CD's comparison is old, it is asked for a new one. Ends with exit
        code 1 where a link of any service does not hold.
        """
        from slipway_host.diagnosis import Diagnosis, diagnose
        from slipway_host.diagnosis_case import Case
        from slipway_host.receipt import to_json

        _, works = await open_works(self, service, "", clean=False, command="dagger call diagnose")
        if not works:
            return NOBODY
        found: dict[str, Diagnosis] = {}
        async with cluster(self) as kube:

            async def one(work: Work) -> str:
                registry, git = await work.registry(), await work.git()
                case = Case(target=work.target, kube=kube, git=git, registry=registry, expect_head=head)
                diagnosis = found[work.name] = await diagnose(case)
                failure = None if as_json else diagnosis.failure()
                if failure is None:
                    return diagnosis.text()
                # A function that fails returns nothing, and whoever has to act needs the whole walk.
                say(f"{work.name}:\n{diagnosis.text()}")
                raise failure

            text = await each("diagnose", works, one)
        if not as_json:
            return text
        return to_json({"services": [found[work.name].document() for work in works]})


STAGE = DiagnoseStage
