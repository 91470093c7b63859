"""Histories of GitOps repositories, written at once by `git fast-import`."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PERSON = "Jo <jo@acme.invalid>"


def values(tag: str, *, app: str = "api", lines: int = 0) -> str:
    """Return a values file; `tag` stands in it as it is written, quotes included."""
    rest = "".join(f'  - name: SETTING_{at}\n    value: "{app}-{at}"\n' for at in range(lines // 2))
    return (
        f"# {app}\nimage:\n  repository: ghcr.io/acme/{app}\n  tag: {tag}  # set by the pipeline\n"
        f"replicaCount: 2\nenv:\n  - name: APP\n    value: {app}\n{rest}"
    )


@dataclass
class Story:
    """Commits in the order in which they are told; `write` puts them into a bare repository.

    Args:
        now: seconds since 1970 that times count from, backwards.
    """

    now: int
    _stream: list[bytes] = field(default_factory=list)
    _marks: int = 0

    def commit(
        self,
        files: dict[str, str | None],
        message: str,
        *,
        ago: float,
        authored: float | None = None,
        author: str = PERSON,
        branch: str = "main",
        onto: int | None = None,
        merge: int | None = None,
    ) -> int:
        """Add a commit, and return its mark.

        Args:
            files: path → text; None removes the file.
            message: all of it.
            ago: seconds before `now` at which it was committed.
            authored: the same for the author's date; default: `ago`.
            author: and committer.
            branch: that it is on top of.
            onto: mark of the parent; default: the branch's last commit.
            merge: mark of a second parent.
        """
        self._marks += 1
        body = message.encode()
        written = self.now - (ago if authored is None else authored)
        lines = [
            f"commit refs/heads/{branch}",
            f"mark :{self._marks}",
            f"author {author} {written:.0f} +0000",
            f"committer {author} {self.now - ago:.0f} +0000",
            f"data {len(body)}",
        ]
        self._stream += ["\n".join(lines).encode(), b"\n", body, b"\n"]
        if onto:
            self._stream.append(f"from :{onto}\n".encode())
        if merge:
            self._stream.append(f"merge :{merge}\n".encode())
        for path, text in files.items():
            if text is None:
                self._stream.append(f"D {path}\n".encode())
                continue
            data = text.encode()
            self._stream += [f"M 100644 inline {path}\ndata {len(data)}\n".encode(), data, b"\n"]
        return self._marks

    def write(self, bare: Path) -> dict[int, str]:
        """Make the repository, and return the hash of each mark."""
        env = {"PATH": os.environ["PATH"], "HOME": str(bare.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        if not bare.exists():
            subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True, env=env)
            for name in ("allowFilter", "allowAnySHA1InWant"):
                subprocess.run(["git", "config", f"uploadpack.{name}", "true"], cwd=bare, check=True, env=env)
        marks = bare / "story-marks"
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force", f"--export-marks={marks}"],
            cwd=bare,
            env=env,
            check=True,
            input=b"".join(self._stream),
        )
        pairs = (line.split() for line in marks.read_text().splitlines())
        return {int(mark[1:]): commit for mark, commit in pairs}
