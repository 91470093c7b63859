"""The order of the lab's parts: what is prepared, what is started, and how it is found again."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_lab import (
    argocd,
    checks,
    credentials,
    engine,
    gitea,
    gitserver,
    golang,
    images,
    kubernetes,
    node,
    pki,
    postgres,
    registry,
    rollouts,
    sigstore,
)
from slipway_lab.errors import LabError
from slipway_lab.layout import HOST
from slipway_lab.pins import GO_PROGRAMS
from slipway_lab.sandbox import Sandbox, listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_lab.layout import Layout
    from slipway_lab.progress import Progress

PROJECT = Path(__file__).parents[2]
SEED = PROJECT / "examples" / "mosuon-devops-k8s"
DAEMONS = {
    # daemon → address that answers, or None where nobody asks it from outside.
    "registry": 5000,
    "mirror": 5001,
    "git-backend": None,
    "git": gitserver.PORT,
    "sigstore": sigstore.PORT,
    "timestamp-authority": sigstore.TIMESTAMP_PORT,
    "fulcio": sigstore.FULCIO_PORT,
    "gitea": gitea.PORT,
    "etcd": None,
    "kube-apiserver": 6443,
    "kube-controller-manager": 10257,
    "kube-scheduler": 10259,
    "containerd": None,
    "coredns": 8181,
    "kube-proxy": 10249,
    "kubelet": 10250,
    "redis": None,
    "argocd-repo-server": argocd.REPO_SERVER_PORT,
    "argocd-application-controller": 8082,
    "argocd-server": argocd.SERVER_PORT,
    rollouts.NAME: rollouts.HEALTH_PORT,
    "dagger-engine": None,
}


def prepared(layout: Layout) -> bool:
    """Return whether every program is built."""
    return all(golang.folder_of(layout, program).exists() for program in GO_PROGRAMS)


def prepare(layout: Layout, progress: Progress) -> None:
    """Install and build what is missing; nothing runs yet."""
    ready = prepared(layout)
    checks.check(layout, prepared=ready)
    layout.create()
    absent = checks.absent_packages()
    if absent:
        with progress.step(f"install {len(absent)} Debian packages", expected_s=30):
            checks.install_packages(absent)
    # Images wait for downloads and disk, the compiler for the processor: together they take less.
    beside = _Beside(lambda: images.make_all(layout, with_programs=False))
    golang.build_all(layout, progress)
    with progress.step("make base images", expected_s=1 if images.made(layout) else 20):
        beside.join()
        images.make_all(layout, with_programs=True)


def up(layout: Layout, progress: Progress) -> None:
    """Bring the whole lab up; parts that run already are left alone."""
    began = time.monotonic()
    prepare(layout, progress)
    pki.ensure(layout)
    credentials.ensure(layout)
    sandbox = Sandbox(layout)
    before = None if sandbox.first is None else _processes(sandbox)
    with progress.step("namespaces and network", expected_s=1):
        sandbox.up()
    with progress.step("registries", expected_s=1):
        registry.start(sandbox)
    with progress.step("public images in the mirror", expected_s=20):
        registry.fill_mirror(layout)
    with progress.step("git server", expected_s=1):
        gitserver.start(sandbox)
        seed(layout)
    with progress.step("Sigstore", expected_s=2):
        sigstore.start(sandbox)
    with progress.step("Gitea", expected_s=6):
        gitea.start(sandbox)
    # The engine needs nothing of the cluster: both start at once.
    beside = _Beside(lambda: engine.start(sandbox))
    with progress.step("Kubernetes control plane", expected_s=9):
        kubernetes.start(sandbox)
    with progress.step("Kubernetes node and DNS", expected_s=5):
        node.start(sandbox)
    controller = _Beside(lambda: rollouts.start(sandbox))
    with progress.step("PostgreSQL", expected_s=10):
        postgres.start(layout)
    with progress.step("Argo CD", expected_s=5):
        argocd.start(sandbox)
        argocd.watch(layout, (SEED / "root.yaml").read_text())
    with progress.step("Argo Rollouts", expected_s=1):
        controller.join()
    with progress.step("Dagger engine", expected_s=5):
        beside.join()
    progress.say(f"The lab is {_news(before, _processes(sandbox))} ({time.monotonic() - began:.1f} s).")


def _processes(sandbox: Sandbox) -> dict[str, int]:
    found = {name: sandbox.daemon(name) for name in DAEMONS}
    return {name: process.pid for name, process in found.items() if process}


def _news(before: dict[str, int] | None, now: dict[str, int]) -> str:
    if before is None:
        return "up"
    anew = [name for name, pid in now.items() if before.get(name) != pid]
    return f"up; started anew: {', '.join(anew)}" if anew else "up already, nothing changed"


class _Beside:
    """Runs one call in a thread and hands its error over at `join`."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except LabError as error:
            self._error = error

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error


def seed(layout: Layout) -> None:
    """Make the GitOps repository as its team would have it, unless it is there."""
    gitserver.create(layout, argocd.GITOPS)
    if not gitserver.head_of(layout, argocd.GITOPS):
        gitserver.publish(layout, argocd.GITOPS, SEED, message="Start with one chart and its applications")


def down(layout: Layout, progress: Progress) -> None:
    """End everything; data and prepared parts stay for the next start."""
    sandbox = Sandbox(layout)
    if not layout.run.exists():
        progress.say("The lab is down already.")
        return
    # The engine first and politely: it writes its cache's index when it ends.
    sandbox.stop("dagger-engine", grace_s=20)
    sandbox.down()
    progress.say("The lab is down: no process, mount, link or rule of its own is left.")


def reset(layout: Layout, progress: Progress) -> None:
    """Take the lab down and forget its data; prepared parts stay."""
    down(layout, progress)
    shutil.rmtree(layout.state, ignore_errors=True)
    progress.say("The lab's data is gone; the next start begins anew.")


def status(layout: Layout) -> list[tuple[str, bool, str]]:
    """Return name, whether it works, and where it answers, for each daemon."""
    sandbox = Sandbox(layout)
    rows = []
    for name, port in DAEMONS.items():
        process = sandbox.daemon(name)
        works = process is not None and (port is None or listening(HOST, port))
        where = f"{HOST}:{port}" if port else (f"pid {process.pid}" if process else "")
        rows.append((name, works, where))
    return rows


def inside(layout: Layout, arguments: list[str]) -> str:
    """Run a program inside the lab's namespaces, where pods and Services have addresses."""
    return Sandbox(layout).run(arguments)


def variables(layout: Layout) -> dict[str, str]:
    """Return the environment in which the machine's own tools reach the lab."""
    return {
        "_EXPERIMENTAL_DAGGER_RUNNER_HOST": f"unix://{layout.engine_socket}",
        "DAGGER_NO_NAG": "1",
        "DO_NOT_TRACK": "1",
        "GIT_SSL_CAINFO": str(layout.trust),
        "SSL_CERT_FILE": str(layout.trust),
        "KUBECONFIG": str(layout.kubeconfig),
        "PATH": f"{layout.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def local_defaults(layout: Layout) -> str:
    """Return the `.env` that names the sources of the pipeline's secrets on this lab."""
    folder = layout.credentials
    arguments = {
        "registryUsername": credentials.REGISTRY_USER,
        "registryPassword": f"file://{folder / 'registry'}",
        "kubeConfig": f"file://{kubernetes.kubeconfig_path(layout, 'deployer')}",
        "postgresPassword": f"file://{folder / 'postgres'}",
        "gitUsername": credentials.GIT_WRITER,
        "ghPat": f"file://{folder / 'git-writer'}",
    }
    return _dotenv(arguments)


def signing_defaults(layout: Layout) -> str:
    """Return the lines of a `.env` with which deploys sign and verify as well."""
    folder = layout.credentials
    arguments = {
        "cosignKey": f"file://{folder / 'cosign.key'}",
        "cosignPassword": f"file://{folder / 'cosign-password'}",
        "cosignPublicKey": f"file://{folder / 'cosign.pub'}",
    }
    return _dotenv(arguments)


def _dotenv(arguments: dict[str, str]) -> str:
    # The arguments' own names: Dagger compares without case, and an underscore would make another name.
    return "".join(f"{name}={value}\n" for name, value in arguments.items())
