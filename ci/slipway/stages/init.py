"""Write what a repository needs to be delivered, and nothing over what is there."""

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import dagger
from anyio import to_thread
from dagger import Doc, Name, dag

from slipway.checkout import REMOTE_URL
from slipway.errors import stage_function
from slipway.inputs import ServiceNames, Stage, say
from slipway_host.source import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.scaffold.outcome import Outcome
    from slipway_host.scaffold.tree import Tree


class InitStage(Stage):
    """Adds `dagger call init` and `dagger call init-gitops`."""

    @stage_function
    async def init(
        self,
        script: Annotated[
            str, Name("from"), Doc("Build script to read, as a path in the repository; it is never run")
        ] = "",
        registry: Annotated[str, Doc("Registry and namespace of the images, like ghcr.io/acme")] = "",
        gitops: Annotated[str, Doc("https or ssh address of the GitOps repository")] = "",
        namespace: Annotated[str, Doc("Namespace in Kubernetes; without it, each application's name")] = "",
        name: Annotated[str, Doc("Name that the services' begin with; without it, the repository's")] = "",
        blueprint: Annotated[str, Doc("Git address of Slipway, for a dagger.json where there is none")] = "",
    ) -> dagger.Directory:
        """Return the files that the repository lacks: `dagger call init … export --path=.`.

        slipway.yaml for what is found in the code or in a build script, workflows, names of credentials, and
        a Dockerfile where none is. No file that is there is among them; differences are told.
        """
        from slipway_host.scaffold import repository

        wishes = repository.Wishes(
            registry=registry,
            gitops=gitops,
            namespace=namespace,
            name=name,
            blueprint=blueprint,
            script=script,
        )
        found = REMOTE_URL.search(await self._git("config"))
        origin = CREDENTIALS.sub("", found[1]) if found else ""
        branch = repository.branch_of(await self._git("HEAD"))
        return await self._new_files(
            self.source, lambda tree: repository.scaffold(tree, wishes, origin=origin, branch=branch)
        )

    @stage_function
    async def init_gitops(
        self,
        folder: Annotated[dagger.Directory, Doc("A clone of the GitOps repository")],
        service: ServiceNames = None,
        project: Annotated[str, Doc("AppProject that is there already; without it, one is written")] = "",
    ) -> dagger.Directory:
        """Return the files that the GitOps repository lacks: `… init-gitops --folder=X export --path=X`.

        The chart that all services share, an Argo CD Application and values for each service, the limits
        of its project, and the pipeline's rights. No file that is there is among them; differences are told.
        """
        from slipway_host import selection
        from slipway_host.loader import load_config
        from slipway_host.scaffold import gitops_repository

        config = load_config(await self.source.file(self.config_path).contents(), path=self.config_path)
        names = selection.select(config, service or [])
        return await self._new_files(
            folder,
            lambda tree: gitops_repository.scaffold(
                tree, config, environment=self.environment, services=names, project=project
            ),
        )

    async def _git(self, name: str) -> str:
        # No repository yet, or a work tree of one, whose configuration is elsewhere.
        there = await self.source.exists(f".git/{name}")
        return await self.source.file(f".git/{name}").contents() if there else ""

    async def _new_files(
        self, folder: dagger.Directory, scaffold: "Callable[[Tree], Outcome]"
    ) -> dagger.Directory:
        from slipway_host.scaffold.tree import Tree

        # Below the working directory: the engine exchanges files with nowhere else. Whole folders: of single
        # ones, its log would show every line, and nobody would find the report.
        place = Path(f"scaffold-{uuid.uuid4().hex}")
        there, new = place / "there", place / "new"
        new.mkdir(parents=True)
        try:
            await folder.without_directory(".git").export(str(there))
            outcome = await to_thread.run_sync(scaffold, Tree(there))
            await to_thread.run_sync(outcome.write, new)
            found = await dag.current_module().workdir(str(new)).sync()
        finally:
            shutil.rmtree(place, ignore_errors=True)
        for line in outcome.report().splitlines():
            say(line)
        return found


STAGE = InitStage
