"""A machine without Dagger, with a clone of the repository of one service that has a world on the lab."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import REGISTRY
from support.host_side import HostSide, host_side
from support.worlds import PORT, Worlds

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from slipway_host.settings import GitSettings

WAIT_S = 60
SECRET_LENGTH = 12
"""Characters from which on an account's value is no user name, nor a path."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Somebody's shell in that clone, with every account.

    Args:
        here: the clone.
        worlds: of which one is the service's.
        service: key in `slipway.yaml`.
        app: Application, namespace and Deployment.
        git: the GitOps repository.
        given: more variables of the environment, and others in place of the usual ones.
    """

    here: HostSide
    worlds: Worlds
    service: str
    app: str
    git: GitSettings
    # A test that fails shows this object.
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `slipway-host` with every account, and see how it ends."""
        accounts = {
            **self.here.accounts(),
            "GIT_USERNAME": credentials.GIT_WRITER,
            "GH_PAT": credentials.read(self.here.layout, "git-writer"),
            **self.given,
        }
        done = self.here.run(*words, **accounts)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "dagger call" not in said
        secrets = [text for name, text in accounts.items() if name != "KUBECONFIG"]
        assert not [text for text in secrets if len(text) > SECRET_LENGTH and text in said]
        return done

    def json(self, *words: str) -> Any:
        """Return the JSON that a command prints."""
        return json.loads(self.run(*words).stdout)

    def push(self) -> None:
        """Put an image of HEAD, which runs, into the registry, with what a build writes into it."""
        self.worlds.images.push(self.here.commit[:8], labels=self.here.labels)

    def head(self) -> str:
        """Return the newest commit of the GitOps repository."""
        return gitserver.head_of(self.here.layout, self.worlds.repository)

    def image(self) -> str:
        """Return the image that the Deployment asks for."""
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        return kubectl(self.here.layout, "-n", self.app, "get", "deployment", self.app, "-o", path)

    def until_image(self, tag: str) -> None:
        """Wait until Argo CD has brought a tag."""
        end = time.monotonic() + WAIT_S
        while not self.image().endswith(f":{tag}"):
            assert time.monotonic() < end, self.image()
            time.sleep(1)


def machine(worlds: Worlds, world: str, folder: Path, service: Mapping[str, Any], **more: Any) -> Machine:
    """Return a machine for the service of a world.

    Args:
        worlds: all of a file.
        world: which of them.
        folder: an empty folder.
        service: what `slipway.yaml` says of the service, besides its application and its port.
        more: the rest of `slipway.yaml`.
    """
    app = worlds.name(world)
    registry, _, name = worlds.images.repository.rpartition("/")
    here = host_side(
        worlds.layout,
        folder,
        app,
        {},
        registry=f"{REGISTRY}/{registry}",
        gitops={"repository": worlds.url},
        services={name: {"app": app, "health": {"port": PORT}, **service}},
        **more,
    )
    git = worlds.case(world, None).git  # type: ignore[arg-type]  # only its account is asked for
    return Machine(here=here, worlds=worlds, service=name, app=app, git=git)
