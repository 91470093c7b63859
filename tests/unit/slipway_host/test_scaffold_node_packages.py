"""Which program installs a Node.js project's packages, and what it needs for that."""

import json
from pathlib import Path
from typing import Any

import pytest

from slipway_host.scaffold import templates
from slipway_host.scaffold.node_packages import manifests, package_manager
from slipway_host.scaffold.stacks import stack_of
from slipway_host.scaffold.tree import Tree

BERRY = "__metadata:\n  version: 8\n"
LINKED = "nodeLinker: node-modules\n"


def tree(folder: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Tree(folder)


@pytest.mark.parametrize(
    ("files", "named", "install"),
    [
        ({}, "", "npm install --no-audit --no-fund"),
        ({"package-lock.json": ""}, "", "npm ci --no-audit --no-fund"),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "", "npx --yes pnpm@10 install --frozen-lockfile"),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, "", "npx --yes pnpm@8 install --frozen-lockfile"),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, "", "npx --yes pnpm@7 install --frozen-lockfile"),
        ({"pnpm-lock.yaml": ""}, "pnpm@9.1.0+sha512.ab", "npx --yes pnpm@9.1.0 install --frozen-lockfile"),
        ({"pnpm-lock.yaml": ""}, "pnpm@$(id)", "npx --yes pnpm@10 install --frozen-lockfile"),
        ({"yarn.lock": "# yarn lockfile v1\n"}, "", "npx --yes yarn@1 install --frozen-lockfile"),
        ({"yarn.lock": ""}, "yarn@1.22.22", "npx --yes yarn@1.22.22 install --frozen-lockfile"),
        (
            {"yarn.lock": BERRY, ".yarnrc.yml": f"{LINKED}yarnPath: .yarn/releases/yarn-3.6.4.cjs\n"},
            "",
            "npx --yes @yarnpkg/cli-dist@3.6.4 install --immutable",
        ),
        (
            {"yarn.lock": BERRY, ".yarnrc.yml": LINKED},
            "yarn@4.9.1",
            "npx --yes @yarnpkg/cli-dist@4.9.1 install --immutable",
        ),
    ],
)
def test_lock_file_and_package_json_say_which_program(
    tmp_path: Path, files: dict[str, str], named: str, install: str
) -> None:
    found = package_manager(tree(tmp_path, files), ".", {"packageManager": named} if named else {})
    assert (found.install, found.missing) == (install, "")


@pytest.mark.parametrize("next_config", ["", 'export default { output: "standalone" }'])
def test_packages_that_node_alone_does_not_find_get_no_dockerfile(tmp_path: Path, next_config: str) -> None:
    package = {"dependencies": {"next": "15"}} if next_config else {"scripts": {"start": "node a.js"}}
    files = {"package.json": json.dumps(package), "yarn.lock": BERRY, "next.config.mjs": next_config}
    stack = stack_of(tree(tmp_path, files), ".")
    assert stack is not None
    assert (stack.template, stack.missing[:40]) == ("", "without `nodeLinker: node-modules` in .y")


@pytest.mark.parametrize(
    ("scripts", "everything"),
    [
        ({}, False),
        ({"prepare": "husky", "build": "tsc"}, False),
        ({"prepare": "husky install"}, False),
        ({"prepare": "tsc"}, True),
        ({"postinstall": "prisma generate"}, True),
    ],
)
def test_a_script_that_the_installation_runs_has_the_whole_project(
    tmp_path: Path,
    scripts: dict[str, Any],
    everything: bool,  # noqa: FBT001
) -> None:
    files = {"package.json": "", "yarn.lock": "", ".yarn/releases/yarn-4.cjs": "", "patches/a.patch": ""}
    found = manifests(tree(tmp_path, files), ".", {"scripts": scripts})
    assert found == {
        "manifests": "package.json yarn.lock",
        "folders": [".yarn/releases", "patches"],
        "everything": everything,
    }
    values = {"version": "24", "install": "I", "cache": "C", "build": "", "prune": "P", "entry": "a.js"}
    text = templates.render("service/Dockerfile.node", **values, **found, baked=(), port=4000)
    begin = text.partition("RUN --mount")[0].splitlines()[2:]
    copied = ["COPY package.json yarn.lock ./", "COPY .yarn/releases .yarn/releases", "COPY patches patches"]
    assert begin == (["COPY . ."] if everything else copied)


def test_what_takes_packages_away_runs_no_script_that_may_need_them(tmp_path: Path) -> None:
    found = package_manager(tree(tmp_path, {"pnpm-lock.yaml": ""}), ".", {})
    assert found.prune == "npx --yes pnpm@10 prune --prod --ignore-scripts"
