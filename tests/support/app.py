"""One application of a test's own on the lab, and `dagger call` in its repository."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway_lab import argocd, command, credentials, gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import REGISTRY, Layout

CALL_S = 600
RECEIPTS = "slipway-receipts"


@dataclass(frozen=True)
class Call:
    """How one `dagger call` ended."""

    code: int
    out: str
    error: str
    stderr: str


def refused(said: Call, *words: str) -> None:
    """Assert that a call ended with one line of these words and the next command, and has done nothing."""
    assert said.code == 1
    assert said.out == ""
    for word in ("Landed: nothing", "Next: ", *words):
        assert word in said.error, said.error


@dataclass(frozen=True)
class App:
    """One application: `name` is its service, Application, namespace and database."""

    name: str
    layout: Layout
    folder: Path

    def call(self, *arguments: str, before: Sequence[str] = (), progress: str = "") -> Call:
        """Run `dagger call` in the service's repository.

        Args:
            arguments: the function and its flags.
            before: flags of the module itself.
            progress: kind of progress on standard error; none without it.
        """
        shown = f"--progress={progress}" if progress else "--silent"
        done = subprocess.run(
            [self.layout.bin / "dagger", shown, "call", *before, *arguments],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
        error = lines[-1] if lines else done.stderr[-2000:]
        return Call(done.returncode, done.stdout, error, done.stderr)

    def deploy(self, *before: str) -> dict[str, Any]:
        """Deploy, with flags of the module itself, and return the receipt."""
        done = self.call("deploy", "--receipt-only", before=before)
        assert done.code == 0, done.error
        receipt: dict[str, Any] = json.loads(done.out)
        return receipt

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Change files (None removes one) and commit; return the commit."""
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        return self._commit()

    def edit(self, path: str, old: str, new: str) -> str:
        """Replace text in one file and commit; return the commit."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        return self._commit()

    def reset(self) -> None:
        """Go back to the first commit, and forget what is not committed."""
        root = self._git("rev-list", "--max-parents=0", "HEAD")
        self._git("reset", "--quiet", "--hard", root)

    def head(self) -> str:
        """Return the service's commit."""
        return self._git("rev-parse", "HEAD")

    def set_ref(self, ref: str, commit: str) -> None:
        """Make a branch of the service's repository name a commit."""
        self._git("update-ref", ref, commit)

    def _commit(self) -> str:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "change")
        return self.head()

    def _git(self, *arguments: str) -> str:
        git = ["git", "-C", str(self.folder), "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        return command.run([*git, *arguments]).strip()

    def cosign(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run cosign as somebody else would, outside of Dagger, with the account at the registry."""
        password = credentials.read(self.layout, "registry")
        account = {"username": credentials.REGISTRY_USER, "password": password}
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "config.json").write_text(json.dumps({"auths": {REGISTRY: account}}))
            return subprocess.run(
                [self.layout.bin / "cosign", *arguments],
                env={"DOCKER_CONFIG": home, "SSL_CERT_FILE": str(self.layout.trust), "HOME": home},
                capture_output=True,
                text=True,
                check=False,
            )

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the application's namespace, as the cluster's administrator."""
        return kubectl(self.layout, "-n", self.name, *arguments)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object of the application's namespace."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def gitops_head(self, name: str = "") -> str:
        """Return the newest commit of the GitOps repository that touched an application, this one first."""
        return self._gitops("log", "-1", "--format=%H", "main", "--", f"apps/{name or self.name}").strip()

    def gitops_contains(self, commit: str, other: str) -> bool:
        """Return whether a commit of the GitOps repository is another one or came after it."""
        bare = gitserver.repository(self.layout, argocd.GITOPS)
        words = ["git", "-C", str(bare), "merge-base", "--is-ancestor", other, commit]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def gitops_message(self) -> str:
        """Return the message of that commit."""
        return self._gitops("log", "-1", "--format=%B", self.gitops_head())

    def tags(self, tag: str) -> list[str]:
        """Return the tag, where the registry's storage has it for this service; nothing otherwise."""
        repositories = self.layout.state / "registry/docker/registry/v2/repositories"
        return [path.name for path in repositories.glob(f"*/{self.name}/_manifests/tags/{tag}")]

    def gitops_file(self, path: str) -> str:
        """Return a file of the GitOps repository's main."""
        return self._gitops("show", f"main:{path}")

    def receipts(self, name: str = "") -> list[str]:
        """Return the runs of an application that are kept in the GitOps repository, this one first."""
        if not self._gitops("branch", "--list", RECEIPTS):
            return []
        listed = self._gitops(
            "ls-tree", "-r", "--name-only", RECEIPTS, "--", f"apps/{name or self.name}/receipts/"
        )
        return [Path(line).stem for line in listed.splitlines()]

    def receipt(self, run: str, name: str = "") -> str:
        """Return the receipt that is kept of a run in dev for an application, this one first."""
        return self._gitops("show", f"{RECEIPTS}:apps/{name or self.name}/receipts/dev/{run}.json")

    def record(self, *arguments: str) -> dict[str, str]:
        """Return the files of a run: name → text."""
        folder = self.folder.parent / f"record-{self.name}"
        done = self.call("record", *arguments, "export", f"--path={folder}")
        assert done.code == 0, done.error
        found = {file.name: file.read_text() for file in folder.iterdir()}
        shutil.rmtree(folder)
        return found

    def _gitops(self, *arguments: str) -> str:
        return command.run(["git", "-C", gitserver.repository(self.layout, argocd.GITOPS), *arguments])
