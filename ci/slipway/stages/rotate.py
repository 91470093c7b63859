"""Give keys of a service's Secret new values."""

import datetime as dt
from typing import Annotated

from dagger import Doc

from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway.work import cluster, open_works
from slipway_host.errors import SettingsError
from slipway_host.run import new_run_id


class RotateStage(Stage):
    """Adds `dagger call rotate`."""

    @stage_function
    async def rotate(
        self,
        key: Annotated[list[str], Doc("Keys of the Secret; DATABASE_URL means the database's password")],
        confirm: Annotated[str, Doc("The Secret's name, since the old values stop working")],
        service: ServiceNames = None,
        rotation: Annotated[
            str, Doc("Name of the rotation; run again under it, nothing changes twice. Default: today's date")
        ] = "",
    ) -> str:
        """Give keys of a service's Secret new values, and replace every pod that reads it.

        No other function changes a value that is there. Killed anywhere, the same call completes it.
        """
        from slipway_host import rotation as rotations
        from slipway_host import targets

        _, works = await open_works(self, service, "", clean=True, command="dagger call rotate")
        secrets = {(work.target.namespace, work.target.secrets.name) for work in works}
        if len(secrets) != 1:
            raise SettingsError(
                f"one Secret at a time: there are {', '.join(sorted(name for _, name in secrets))}",
                next_command=f"dagger call rotate --service={works[0].name}",
            )
        # The service that makes the key comes first; whoever else reads the Secret gets new pods as well.
        config, first = works[0].checkout.config, works[0].target
        for work in works:
            if set(key) & work.target.secrets.generate.keys() | set(key) & set(work.target.secrets.asked):
                first = work.target
                break
        others = [
            targets.target_of(config, name, environment=self.environment, commit=first.commit)
            for name in config.services
            if name != first.service
        ]
        readers = [t for t in others if (t.namespace, t.secrets.name) in secrets]
        plan = rotations.rotation(
            name=rotation or f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
            keys=key,
            confirm=confirm,
            targets=[first, *readers],
        )
        postgres = await works[0].postgres()
        async with cluster(self) as kube:
            result = await works[0].delivery(kube, new_run_id()).rotate(plan, postgres)
        say(result.summary)
        return f"{result.status}: {result.summary}"


STAGE = RotateStage
