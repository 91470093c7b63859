"""What a service's own code says of it: port, health endpoint, settings that it reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway_host.scaffold.tree import Fact, join

if TYPE_CHECKING:
    from slipway_host.scaffold.tree import Tree

SOURCES = (".go", ".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx")
# Neither what tests it nor what describes it.
TESTS = re.compile(
    r"(_test\.go|(^|/)(tests?|__tests__|e2e|docs)/.*|(^|/)test_[^/]*\.py|\.(test|spec)\.[cm]?[jt]sx?)$"
)
EXPOSE = re.compile(r"^\s*EXPOSE\s+(\d{2,5})", re.IGNORECASE)
# Neither import nor report; and not the ports of what a service talks to.
PORT = re.compile(
    r"""(?ix)
      (?<!im)(?<!sup)(?<!re)(?<!ex)(?<!trans) port ["')\]]{0,2} (?![a-z]) [^\n\d]{0,30}
        \b(?!5432|6379|9092)(\d{4,5})\b
      | listen\w* \s* \( [^\n\d]{0,25} :? (\d{4,5})\b
      | --port[\s=]+ (\d{4,5})\b"""
)
HEALTH = re.compile(r"""["'`](?:GET\s+)?(/(?:[\w-]+/)*(?:health|healthz|healthcheck|livez|readyz))/?["'`]""")
# A file below the application's folder is the route itself.
NEXT_HEALTH = re.compile(r"(?:^|/)(?:src/)?(?:app|pages)/((?:[\w()-]+/)*health[\w-]*)(?:/route)?\.[jt]sx?$")
READS = re.compile(
    r"""(?x) (?:getenv|Getenv|LookupEnv|environ(?:\.get)?|env::var) \s* [\(\[] \s* ["']([A-Z][A-Z0-9_]+)["']
      | process\.env\.([A-Z][A-Z0-9_]+) | process\.env\[["']([A-Z][A-Z0-9_]+)["']\]
      | \bgetenv?\(["']([A-Z][A-Z0-9_]+)["']
      | ["'](DATABASE_URL|JWT_SECRET)["']   # however it is read"""
)
SECRET_WORDS = re.compile(
    r"(SECRET|PASSWORD|PASSWD|TOKEN|PRIVATE|CREDENTIAL|APIKEY|_KEY$|_PAT$|_DSN$|REDIS_URL|MONGO\w*_UR[IL]|AMQP_URL)"
)
BAKED = re.compile(r"\b((?:NEXT_PUBLIC|VITE|REACT_APP)_[A-Z0-9_]+)\b")


def sources(tree: Tree, folder: str) -> list[str]:
    """Return the service's source files without its tests."""
    return [path for path in tree.below(folder, SOURCES) if not TESTS.search(path)]


def port(tree: Tree, folder: str, dockerfile: str | None) -> Fact | None:
    """Return the port that the container listens on, where image or code name one."""
    if dockerfile and (exposed := tree.every(EXPOSE, [dockerfile])):
        # Of several stages, the last is the image.
        return exposed[-1]
    return tree.first(PORT, sources(tree, folder))


def health(tree: Tree, folder: str) -> Fact | None:
    """Return the path that says whether the service serves, where the code has one."""
    for path in sources(tree, folder):
        if match := NEXT_HEALTH.search(path):
            route = re.sub(r"\([^)]*\)/", "", match[1])
            return Fact(value=f"/{route}", where=path)
    if any(tree.has(join(folder, f"next.config.{end}")) for end in ("js", "mjs", "ts")):
        # What else stands there are other services' paths.
        return None
    found = tree.every(HEALTH, sources(tree, folder))
    # Of several the plain one: /health rather than /api/v1/admin/healthz.
    return min(found, key=lambda fact: (not fact.value.endswith("/health"), len(fact.value)), default=None)


def reads(tree: Tree, folder: str) -> list[Fact]:
    """Return the environment variables that the code reads."""
    return tree.every(READS, sources(tree, folder))


def is_secret(name: str) -> bool:
    """Return whether a variable's name says that its value is nobody's business."""
    return bool(SECRET_WORDS.search(name.upper()))


def baked(tree: Tree, folder: str, dockerfile: str | None) -> list[Fact]:
    """Return the build arguments that become part of a frontend."""
    paths = sources(tree, folder) + ([dockerfile] if dockerfile else [])
    return tree.every(BAKED, paths)


def dockerfile_of(tree: Tree, folder: str) -> str | None:
    """Return the path of the folder's Dockerfile, None where there is none."""
    path = join(folder, "Dockerfile")
    return path if tree.has(path) else None
