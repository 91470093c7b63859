"""What a diagnosis knows of its service, and how it says that a link does not hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from slipway_host.caller import command
from slipway_host.errors import TerminalError

if TYPE_CHECKING:
    from slipway_host.application import Application
    from slipway_host.applications import Applications
    from slipway_host.errors import DeliveryError
    from slipway_host.kube import KubeClient
    from slipway_host.receipts import Stored
    from slipway_host.settings import GitSettings, RegistrySettings, Target
    from slipway_host.workload import Workload


class BrokenLinkError(TerminalError):
    """A link of the chain does not hold.

    Args:
        cause: one sentence.
        fix: the command that mends it.
        evidence: what others said of it, one line each.
        under_way: it may come to hold by itself.
    """

    def __init__(self, cause: str, *, fix: str, evidence: str = "", under_way: bool = False) -> None:
        super().__init__(cause, next_command=fix)
        self.evidence = evidence
        self.under_way = under_way


@dataclass(frozen=True)
class Unknown:
    """What a link says of which nobody can tell whether it holds: it breaks nothing."""

    said: str


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The GitOps repository as the walk has seen it.

    Args:
        address: for people.
        head: the branch's commit.
        tag: what the values file names; empty where it names none.
        data: the values file; None where it could not be read.
        error: why it could not.
        manifest: path of the Application's manifest; empty where there is none.
        runs: receipts of deploys of HEAD's tag and of the one that the values file names, newest first.
        silence: why there are none, where it is not that nobody ran; else empty.
    """

    address: str = ""
    head: str = ""
    tag: str = ""
    data: bytes | None = None
    error: DeliveryError | None = None
    manifest: str = ""
    runs: tuple[Stored, ...] = ()
    silence: str = ""


@dataclass(kw_only=True)
class Case:
    """One service, with what the links have found so far.

    Args:
        target: the service at HEAD; from the values file on, at the tag that this names.
        kube: the cluster.
        applications: Argo CD's.
        git: the GitOps repository.
        registry: the account at the registry.
        expect_head: what is asked for has to be HEAD's image.
    """

    target: Target
    kube: KubeClient
    applications: Applications
    git: GitSettings
    registry: RegistrySettings
    expect_head: bool = False
    notes: list[str] = field(default_factory=list)
    branch: Branch | None = None
    branch_head: str = ""
    manifest: str = ""
    digest: str = ""
    manifests: frozenset[str] = frozenset()
    _app: Application | None = None
    _workload: Workload | None = None

    def name_tag(self, tag: str) -> None:
        """Go on with the tag that the values file names."""
        self.target = replace(self.target, image_tag=tag)

    @property
    def head_tag(self) -> str:
        """HEAD's own tag."""
        return replace(self.target, image_tag="").tag

    @property
    def app(self) -> Application:
        """The Application, once its link has looked at it."""
        assert self._app is not None  # noqa: S101 - the links have an order
        return self._app

    @app.setter
    def app(self, found: Application) -> None:
        self._app = found

    @property
    def workload(self) -> Workload:
        """The workload, once its link has looked at it."""
        assert self._workload is not None  # noqa: S101 - the links have an order
        return self._workload

    @workload.setter
    def workload(self, found: Workload) -> None:
        self._workload = found

    def call(self, function: str, *flags: str, secret: str = "") -> str:
        """Return the command of a function for this service; `secret` is one that its Secret is to get."""
        return command(function, f"--service={self.target.service}", *flags, secret=secret)

    @property
    def again(self) -> str:
        """The command that looks again."""
        return self.call("diagnose")
