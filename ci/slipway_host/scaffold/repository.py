"""The files of a service's repository (R3, R23, R31)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.scaffold import code, services, stacks, templates, translation
from slipway_host.scaffold import script as scripts
from slipway_host.scaffold.draft import Draft
from slipway_host.scaffold.outcome import Outcome
from slipway_host.scaffold.tree import join

if TYPE_CHECKING:
    from slipway_host.config import Config
    from slipway_host.scaffold.outcome import Step
    from slipway_host.scaffold.services import Found
    from slipway_host.scaffold.tree import Tree
    from slipway_host.services import Service

CONFIG = "slipway.yaml"
DEPLOY, PULL_REQUEST = ".github/workflows/deploy.yaml", ".github/workflows/pull-request.yaml"
CREDENTIALS = "slipway.env.example"
"""Not .env.example: many services have one, for their own settings."""
MAIN, OLD_MAIN = "main", "master"
TEMPLATES = {
    DEPLOY: "service/deploy.yaml",
    PULL_REQUEST: "service/pull-request.yaml",
    CREDENTIALS: "service/env",
}
WRITTEN = ("plan.json", "record/", "report.html", "reports/", "sbom/")
"""What functions write where one follows the documentation: not ignored, it would stop a deploy."""
ENGINE = re.compile(r"DAGGER_VERSION: (v[\d.]+)")
"""Where the workflow says which Dagger it installs: dagger.json asks for the same."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What only the caller knows; "" is left to what the repository says.

    Args:
        registry: registry and namespace of the images.
        gitops: address of the GitOps repository.
        namespace: in Kubernetes.
        name: of the repository; its services' names begin with it.
        blueprint: git address of Slipway's own repository, for dagger.json.
        script: path of a build script to read, in the repository.
        tool: what the caller types, for the next steps.
    """

    registry: str = ""
    gitops: str = ""
    namespace: str = ""
    name: str = ""
    blueprint: str = ""
    script: str = ""
    tool: str = "dagger call"


def scaffold(
    tree: Tree, wishes: Wishes, *, folder: str = "", origin: str = "", branch: str = MAIN
) -> Outcome:
    """Return what a service's repository needs to be delivered.

    Args:
        tree: the repository.
        wishes: what only the caller knows.
        folder: name of the repository's folder, where it has one.
        origin: address of its remote, where it has one.
        branch: the branch that deploys.

    Raises:
        SettingsError: something is missing that nothing here tells; nothing was written.
    """
    outcome = Outcome()
    if tree.has(CONFIG):
        text = tree.text(CONFIG) or ""
        config = load_config(text, path=CONFIG)
        outcome.facts.append(f"{CONFIG} is there: what it says counts, and it stays as it is")
        outcome.there.append(CONFIG)
    else:
        text = _new_config(tree, wishes, outcome, folder=folder, origin=origin)
        outcome.offer(tree, CONFIG, text)
        config = load_config(text, path=CONFIG)
    _dagger_json(tree, wishes, outcome, name=folder or next(iter(config.services)))
    secrets = sorted({key for one in config.services.values() for key in one.secrets.given})
    database = any(one.database for one in config.services.values())
    for path, template in TEMPLATES.items():
        outcome.offer(
            tree, path, templates.render(template, secrets=secrets, database=database, branch=branch)
        )
    _gitignore(tree, outcome)
    for name in config.services:
        _dockerfile(tree, name, config.services[name], outcome)
    outcome.steps = _steps(tree, config, outcome, tool=wishes.tool)
    return outcome


def branch_of(head: str) -> str:
    """Return the branch that deploys, by Git's HEAD: who works on some other branch, has main."""
    return OLD_MAIN if head.strip().endswith(f"/{OLD_MAIN}") else MAIN


def _new_config(tree: Tree, wishes: Wishes, outcome: Outcome, *, folder: str, origin: str) -> str:
    draft, script = Draft(), None
    name = (
        wishes.name or origin.rstrip("/").removesuffix(".git").rpartition("/")[2].rpartition(":")[2] or folder
    )
    if wishes.script:
        script = _script(tree, wishes)
    app, image = translation.names_in(script) if script else ("", "")
    if not (name or app):
        raise SettingsError(
            "nothing here tells the repository's name", next_command=f"{wishes.tool} init --name=<name>"
        )
    found = services.find(tree, name or app)
    meant = _meant(found, script, image or app)
    if meant and (image or app) and not wishes.name:
        # Its image and its Application are there already: their names stay.
        renamed = services.Found(**{**vars(meant), "name": services.label(image or app)})
        found[found.index(meant)] = meant = renamed
    # In the order of the documentation, whatever is known first.
    for key, value in (("registry", wishes.registry), ("namespace", wishes.namespace)):
        if value:
            draft.put((key,), value)
    if wishes.gitops:
        draft.put(("gitops", "repository"), wishes.gitops)
    if script and meant:
        done = translation.translate(script, draft, meant.name)
        outcome.facts.append(f"{script.name}: took {', '.join(done.taken) or 'nothing'}")
        outcome.advice += _callers(tree, script.name)
        outcome.advice += [f"{script.name}:{one.line}: {one.what} → {one.instead}" for one in done.left]
    for one in found:
        outcome.facts.append(f"{one.name}: {'; '.join(services.describe(tree, one, draft))}")
    _required(draft, script.name if script else "")
    if "namespace" not in draft.data:
        draft.todo(
            ("registry",), "namespace: each application gets one of its own name, unless it stands here"
        )
    outcome.advice += [f"{CONFIG}: {one}" for todos in draft.todos.values() for one in todos]
    return draft.text(templates.render("service/slipway-head").rstrip())


def _callers(tree: Tree, script: str) -> list[str]:
    """Name the workflows that run the script: beside the new one, both would deploy."""
    name = PurePosixPath(script).name
    folder = str(PurePosixPath(DEPLOY).parent)
    paths = [f"{folder}/{one}" for one in tree.names(folder)]
    running = [path for path in paths if name in (tree.text(path) or "")]
    return [f"{path}: runs {name} → remove it together with the script, or both deploy" for path in running]


def _script(tree: Tree, wishes: Wishes) -> scripts.Script:
    path = str(PurePosixPath(wishes.script))
    text = None if path.startswith(("/", "..")) else tree.text(path)
    if text is None:
        raise SettingsError(
            f"{path[:200]}: no such script in the repository",
            next_command=f"{wishes.tool} init --from=<path from the repository's root>",
        )
    return scripts.read(text, name=path)


def _meant(found: list[Found], script: scripts.Script | None, name: str) -> Found | None:
    """Return the service that a script delivers."""
    if script is None:
        return None
    if len(found) == 1:
        return found[0]
    at = str(PurePosixPath(script.name).parent)
    there = next((one for one in found if one.folder == at), None) or next(
        (one for one in found if one.name == name), None
    )
    if there is None:
        there_are = ", ".join(one.name for one in found)
        raise SettingsError(
            f"{script.name} delivers {name or 'one service'}, and it is none of {there_are}",
            next_command="the same command without --from, or with the script that is beside a service",
        )
    return there


def _required(draft: Draft, script: str) -> None:
    asked = {
        ("registry",): "--registry=<host/namespace>",
        ("gitops", "repository"): "--gitops=<https address>",
    }
    missing = [flag for path, flag in asked.items() if draft.get(*path) is None]
    if missing:
        said = f"neither the repository nor {script} tells" if script else "nothing in the repository tells"
        what = " and ".join(
            "the registry" if "registry" in one else "the GitOps repository" for one in missing
        )
        raise SettingsError(
            f"{said} {what}",
            next_command=f"the same command with {' '.join(missing)}",
        )


def _dagger_json(tree: Tree, wishes: Wishes, outcome: Outcome, *, name: str) -> None:
    path = "dagger.json"
    if tree.has(path):
        # Made by `dagger init`, or edited since: whoever calls through it, has it right.
        outcome.there.append(path)
    elif wishes.blueprint:
        blueprint = {"name": "slipway", "source": wishes.blueprint}
        engine = ENGINE.search(templates.render(TEMPLATES[DEPLOY], secrets=[], branch=MAIN))
        version = engine[1] if engine else ""
        text = json.dumps(
            {"name": services.label(name), "engineVersion": version, "blueprint": blueprint}, indent=2
        )
        outcome.offer(tree, path, f"{text}\n")


def _gitignore(tree: Tree, outcome: Outcome) -> None:
    path = ".gitignore"
    there = tree.text(path)
    if there is None:
        written = "".join(f"/{name}\n" for name in WRITTEN)
        accounts = "# accounts of the pipeline, for runs on this machine\n.env\n"
        outcome.offer(tree, path, f"{accounts}# what its functions write\n{written}")
    elif not any(line.strip().lstrip("/") in {".env", ".env*", "*.env"} for line in there.splitlines()):
        outcome.advice.append(f"{path}: add a line `.env`, which will name the accounts of this machine")


def _dockerfile(tree: Tree, name: str, service: Service, outcome: Outcome) -> None:
    folder, path = service.context, join(service.context, service.dockerfile)
    if tree.has(path):
        outcome.there.append(path)
        return
    stack = stacks.stack_of(tree, folder)
    if stack is None or not stack.template:
        why = stack.missing if stack else "no file tells what it is made of"
        outcome.advice.append(f"{path}: service {name} has none, and none was written: {why}")
        return
    baked = [fact.value for fact in code.baked(tree, folder, None)]
    values = {**stack.settings, "baked": baked, "port": service.health.port}
    outcome.offer(tree, path, templates.render(f"service/Dockerfile.{stack.template}", **values))
    outcome.offer(
        tree, join(folder, ".dockerignore"), templates.render("service/dockerignore", stack=stack.template)
    )


def _steps(tree: Tree, config: Config, outcome: Outcome, *, tool: str) -> list[Step]:
    add = " ".join(outcome.new)
    steps: list[Step] = []
    if not tree.has("dagger.json") and "dagger.json" not in outcome.new:
        steps.append(
            (
                "dagger init --blueprint=<git address of Slipway>",
                "writes dagger.json, to be committed as well",
            )
        )
    if outcome.new:
        steps.append((f"git add {add} && git commit -m 'Deliver by Slipway'", ""))
    steps.append((f"cat {CREDENTIALS} >> .env", "and say in it where this machine has each account"))
    at = config.gitops.repository.rstrip("/").removesuffix(".git").rpartition("/")[2].rpartition(":")[2]
    export = f" export --path=../{at}" if tool.startswith("dagger") else ""
    return [
        *steps,
        (f"git clone {config.gitops.repository} ../{at}", ""),
        (
            f"{tool} init-gitops --folder=../{at}{export}",
            "chart, Application and values; says what follows there",
        ),
        (f"{tool} doctor", "what is still missing, and how to mend it"),
        ("dagger call deploy", ""),
    ]
