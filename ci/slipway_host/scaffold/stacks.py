"""What a service is made of: Go, Node.js or Python, and how such a one is tested and built."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_host.scaffold import code
from slipway_host.scaffold.node_packages import manifests, package_manager
from slipway_host.scaffold.tree import Fact, Tree, join

if TYPE_CHECKING:
    from collections.abc import Callable

GO, NODE, PYTHON = "1.24", "24", "3.13"
"""Versions of the images where the service names none: Go's oldest, the others' one for everybody."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What a service is made of.

    Args:
        name: for people, with what says so.
        evidence: file that says so.
        image: image that has the toolchain.
        test: shell command of the tests, None where there are none.
        caches: folders that the tests keep.
        template: name of the Dockerfile's template, "" where nothing fits.
        settings: what that template is filled in with.
        packages: names of the libraries that it uses.
        port: default of the framework, where it has one.
        missing: why no Dockerfile can be written.
    """

    name: str
    evidence: str
    image: str
    test: Fact | None
    caches: tuple[str, ...]
    template: str
    settings: dict[str, Any] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()
    port: Fact | None = None
    missing: str = ""


def stack_of(tree: Tree, folder: str) -> Stack | None:
    """Return what a folder's service is made of, None where no file says."""
    readers: tuple[Callable[[Tree, str], Stack | None], ...] = (_go, _node, _python)
    return next((found for reader in readers if (found := reader(tree, folder))), None)


def _go(tree: Tree, folder: str) -> Stack | None:
    path = join(folder, "go.mod")
    text = tree.text(path)
    if text is None:
        return None
    said = re.search(r"^go\s+(\d+)\.(\d+)", text, re.MULTILINE)
    version = f"{said[1]}.{said[2]}" if said and (int(said[1]), int(said[2])) > (1, 24) else GO
    tests = tree.below(folder, ["_test.go"])
    mains = [
        path.rpartition("/")[0] or "."
        for path in tree.below(folder, [".go"])
        if re.search(r"^package main\b", tree.text(path) or "", re.MULTILINE)
        and not path.endswith("_test.go")
    ]
    programs = sorted(dict.fromkeys(mains))
    missing = "" if programs else "no package main"
    if len(programs) > 1 and folder not in programs:
        missing = f"several programs: {', '.join(programs)}"
    program = folder if folder in programs else (programs or ["."])[0]
    inside = "." if program == folder else f"./{program.removeprefix(f'{folder}/' if folder != '.' else '')}"
    return Stack(
        name=f"Go {version}",
        evidence=path,
        image=f"docker.io/library/golang:{version}-trixie",
        test=Fact(value="go vet ./... && go test ./...", where=_some(tests, "_test.go")) if tests else None,
        caches=("/go/pkg/mod", "/root/.cache/go-build"),
        template="" if missing else "go",
        settings={
            "version": version,
            "package": inside,
            "sums": "go.mod go.sum" if tree.has(join(folder, "go.sum")) else "go.mod",
        },
        packages=frozenset(re.findall(r"^\s*(?:require\s+)?([\w.-]+\.[\w./-]+)\s+v", text, re.MULTILINE)),
        missing=missing,
    )


def _node(tree: Tree, folder: str) -> Stack | None:
    path = join(folder, "package.json")
    package = _json(tree, path)
    if package is None:
        return None
    said = re.search(
        r"\d+", str(package.get("engines", {}).get("node", "")) or tree.text(join(folder, ".nvmrc")) or ""
    )
    version = said[0] if said else NODE
    manager = package_manager(tree, folder, package)
    scripts, uses = (
        package.get("scripts", {}),
        {**package.get("dependencies", {}), **package.get("devDependencies", {})},
    )
    script = str(scripts.get("test", ""))
    # What npm init writes says that there are none.
    tested = script and "no test specified" not in script
    test = f"{manager.install} && npm test" if tested else ""
    nextjs = "next" in uses
    standalone = nextjs and any(
        re.search(r"output:\s*[\"']standalone[\"']", tree.text(join(folder, f"next.config.{end}")) or "")
        for end in ("js", "mjs", "ts")
    )
    missing = ""
    if nextjs and not standalone:
        missing = 'next.config has no `output: "standalone"`, which keeps the image small'
    elif not nextjs and not (scripts.get("start") or package.get("main")):
        missing = "package.json has neither a script `start` nor `main`"
    started = str(scripts.get("start", "")) or f"node {package.get('main')}"
    if not nextjs and not missing and not re.fullmatch(r"node\s+[\w./-]+", started):
        missing = f"the script `start` is not `node <file>` but `{started[:60]}`"
    missing = missing or manager.missing
    return Stack(
        name=f"{'Next.js, ' if nextjs else ''}Node.js {version} with {manager.name}",
        evidence=path,
        image=f"docker.io/library/node:{version}-trixie-slim",
        test=Fact(value=test, where=f"{path}: scripts.test") if test else None,
        caches=(manager.cache,),
        template="" if missing else ("next" if nextjs else "node"),
        settings={
            "version": version,
            "install": manager.install,
            **manifests(tree, folder, package),
            "cache": manager.cache,
            "build": "npm run build" if scripts.get("build") else "",
            "prune": manager.prune,
            "entry": started.split()[-1] if not missing and not nextjs else "",
            "public": "yes" if tree.below(join(folder, "public")) else "",
        },
        packages=frozenset(uses),
        port=Fact(value="3000", where="the default of Next.js") if nextjs else None,
        missing=missing,
    )


def _python(tree: Tree, folder: str) -> Stack | None:
    names = ("pyproject.toml", "requirements.txt", "requirements.lock", "setup.py", "Pipfile")
    there = [name for name in names if tree.has(join(folder, name))]
    if not there:
        return None
    project = _toml(tree, join(folder, "pyproject.toml"))
    said = re.search(
        r"3\.(\d+)",
        str(project.get("project", {}).get("requires-python", ""))
        or tree.text(join(folder, ".python-version"))
        or "",
    )
    version = f"3.{max(int(said[1]), int(PYTHON[2:]))}" if said else PYTHON
    wanted = _requirements(tree, folder, project)
    tests = [
        path for path in tree.below(folder, [".py"]) if re.search(r"(^|/)(test_[^/]*|[^/]*_test)\.py$", path)
    ]
    locked = next((name for name in ("requirements.lock", "requirements.txt") if name in there), "")
    install = f"-r {locked}" if locked else "."
    more = next(
        (
            name
            for name in ("requirements-test.lock", "requirements-test.txt", "requirements-dev.txt")
            if tree.has(join(folder, name))
        ),
        "",
    )
    # With hashes in a file, pip takes nothing by its bare name.
    tools = f"-r {more}" if more else f"{install} pytest"
    tester = f"python -m venv /venv && /venv/bin/pip install --quiet {tools} && /venv/bin/python -m pytest"
    command, missing = _python_entry(tree, folder, wanted)
    if not missing and not locked and not project.get("build-system") and "setup.py" not in there:
        missing = "neither requirements.txt nor a build system in pyproject.toml"
    return Stack(
        name=f"Python {version}",
        evidence=join(folder, there[0]),
        image=f"docker.io/library/python:{version}-slim",
        test=Fact(value=tester, where=_some(tests, "test_*.py")) if tests else None,
        caches=("/root/.cache/pip",),
        template="" if missing else "python",
        settings={"version": version, "install": install, "locked": locked, "command": json.dumps(command)},
        packages=frozenset(wanted),
        missing=missing,
    )


def _python_entry(tree: Tree, folder: str, wanted: set[str]) -> tuple[list[str], str]:
    """Return the command below the virtual environment's bin, or why there is none."""
    for name in ("main.py", "app.py", "app/main.py", "src/main.py"):
        text = tree.text(join(folder, name))
        if text is None:
            continue
        module = name.removesuffix(".py").replace("/", ".")
        served = re.search(
            r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:FastAPI|Starlette|Litestar|Flask)\(", text, re.MULTILINE
        )
        if served and "uvicorn" in wanted:
            # As a shell's: the chart says the port.
            return [
                "sh",
                "-c",
                f"exec uvicorn {module}:{served[1]} --host 0.0.0.0 --port ${{PORT:-4000}}",
            ], ""
        if served and "gunicorn" in wanted:
            return ["sh", "-c", f"exec gunicorn {module}:{served[1]} --bind 0.0.0.0:${{PORT:-4000}}"], ""
        # An application object needs a server; anything else that is called so is there to be run.
        if "__main__" in text or (name == "main.py" and not served):
            return ["python", name], ""
    packages = [path for path in tree.below(folder, ["/__main__.py"]) if not code.TESTS.search(path)]
    if len(packages) == 1:
        inside = packages[0].removeprefix("" if folder == "." else f"{folder}/").removesuffix("/__main__.py")
        return ["python", "-m", inside.removeprefix("src/").replace("/", ".")], ""
    return [], "no main.py, app.py or package with __main__.py says what to start"


def _requirements(tree: Tree, folder: str, project: dict[str, Any]) -> set[str]:
    lines = [str(line) for line in project.get("project", {}).get("dependencies", [])]
    lines += [str(name) for name in project.get("tool", {}).get("poetry", {}).get("dependencies", {})]
    for name in ("requirements.txt", "requirements.lock"):
        lines += (tree.text(join(folder, name)) or "").splitlines()
    return {found[0].lower() for line in lines if (found := re.match(r"[A-Za-z][\w.-]*", line.strip()))}


def _json(tree: Tree, path: str) -> dict[str, Any] | None:
    try:
        found = json.loads(tree.text(path) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _toml(tree: Tree, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(tree.text(path) or "")
    except tomllib.TOMLDecodeError:
        return {}


def _some(paths: list[str], what: str) -> str:
    return f"{paths[0]}" if len(paths) == 1 else f"{len(paths)} files {what}" if paths else ""
