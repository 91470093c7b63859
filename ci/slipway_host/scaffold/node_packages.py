"""How a Node.js project's packages are installed: by npm, pnpm or yarn, as its lock file says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.scaffold.tree import Tree, join

if TYPE_CHECKING:
    from collections.abc import Mapping

NPM_FLAGS = "--no-audit --no-fund"
NEWEST_PNPM, NEWEST_YARN = "10", "4"
PNPM_OF_LOCK = {"5": "7", "6": "8"}
"""Major version of pnpm by that of its lock file, where the newest cannot read it."""
MANIFESTS = (
    "package.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "yarn.lock",
    ".npmrc",
    ".yarnrc.yml",
)
FOLDERS = (".yarn/releases", ".yarn/plugins", ".yarn/patches", "patches")
"""What lock files and settings refer to, beside the packages."""
HOOKS = ("preinstall", "install", "postinstall", "prepare")
"""Scripts of the project itself that an installation runs."""


@dataclass(frozen=True, kw_only=True)
class PackageManager:
    """A program that installs packages.

    Args:
        name: for people.
        install: command that installs what the lock file says.
        cache: folder that it keeps between runs.
        prune: command that takes away what only tests and builds use.
        missing: why node alone would not find what it installs.
    """

    name: str
    install: str
    cache: str
    prune: str
    missing: str = ""


def package_manager(tree: Tree, folder: str, package: Mapping[str, Any]) -> PackageManager:
    """Return the program that a project's lock file is of."""
    said = re.match(r"(pnpm|yarn)@(\d[\w.-]*)", str(package.get("packageManager", "")))
    named = {said[1]: said[2]} if said else {}
    if tree.has(join(folder, "pnpm-lock.yaml")):
        return _pnpm(tree, folder, named.get("pnpm", ""))
    if tree.has(join(folder, "yarn.lock")):
        return _yarn(tree, folder, named.get("yarn", ""))
    locked = tree.has(join(folder, "package-lock.json"))
    return PackageManager(
        name="npm",
        install=f"npm {'ci' if locked else 'install'} {NPM_FLAGS}",
        cache="/root/.npm",
        prune=f"npm prune --omit=dev {NPM_FLAGS}",
    )


def _pnpm(tree: Tree, folder: str, named: str) -> PackageManager:
    lock = re.search(
        r"^lockfileVersion:\s*[\"']?(\d+)", tree.text(join(folder, "pnpm-lock.yaml")) or "", re.MULTILINE
    )
    version = PNPM_OF_LOCK.get(lock[1], NEWEST_PNPM) if lock else NEWEST_PNPM
    pnpm = f"npx --yes pnpm@{named or version}"
    return PackageManager(
        name="pnpm",
        install=f"{pnpm} install --frozen-lockfile",
        cache="/root/.local/share/pnpm/store",
        # The project's own scripts may need what has just been taken away.
        prune=f"{pnpm} prune --prod --ignore-scripts",
    )


def _yarn(tree: Tree, folder: str, named: str) -> PackageManager:
    # A long lock file is not read: then its settings, or the version that is named, say which yarn it is of.
    second = tree.has(join(folder, ".yarnrc.yml")) or named.partition(".")[0] not in {"", "1"}
    if not second and "__metadata:" not in (tree.text(join(folder, "yarn.lock")) or ""):
        install = f"npx --yes yarn@{named or '1'} install --frozen-lockfile"
        cache, prune = "/usr/local/share/.cache/yarn", f"{install} --production"
        return PackageManager(name="yarn", install=install, cache=cache, prune=prune)
    # From the second on it is another program.
    settings = tree.text(join(folder, ".yarnrc.yml")) or ""
    kept = re.search(r"^yarnPath:.*yarn-([\w.-]+)\.cjs", settings, re.MULTILINE)
    yarn = f"npx --yes @yarnpkg/cli-dist@{named or (kept[1] if kept else NEWEST_YARN)}"
    linked = re.search(r"^nodeLinker:\s*[\"']?node-modules\b", settings, re.MULTILINE)
    return PackageManager(
        name="yarn",
        install=f"{yarn} install --immutable",
        cache="/root/.yarn/berry/cache",
        prune=f"{yarn} workspaces focus --production",
        missing="" if linked else "without `nodeLinker: node-modules` in .yarnrc.yml, node finds no package",
    )


def manifests(tree: Tree, folder: str, package: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has to be there before packages are installed.

    Files and folders, or `everything`: the installation may run a script of the project's own.
    """
    hooks = [str(package.get("scripts", {}).get(name, "")) for name in HOOKS]
    return {
        "manifests": " ".join(name for name in MANIFESTS if tree.has(join(folder, name))),
        "folders": [name for name in FOLDERS if tree.names(join(folder, name))],
        "everything": any(hook for hook in hooks if hook and not re.fullmatch(r"husky( install)?", hook)),
    }
