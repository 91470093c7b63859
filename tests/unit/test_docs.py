"""What README, docs and error messages tell people to type exists, and so do the pages that they link to."""

import argparse
import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway import functions
from slipway_host import command
from slipway_host.config import Config
from slipway_host.loader import load_config
from support.pages import BLOCK, KINDS, PAGES, ROOT, Command, commands
from support.typed import NAMED, NOT_RUN, reads, typed

SOURCES = sorted([*ROOT.glob("ci/slipway/**/*.py"), *ROOT.glob("ci/slipway_host/**/*.py")])
CALL = re.compile(r"(?:dagger|slipway-host) [^`\n\"|;]+")
# dagger's own flags that take their value as the next word, or none.
OWN = {"-m", "-o", "-q", "-s", "--silent", "--progress", "--output", "-y", "--json", "--help", "--mod"}
CORE = {
    "export",
    "terminal",
    "user",
    "entries",
    "contents",
    "digest",
    "size",
    "file",
    "directory",
    "with-exec",
    "stdout",
}
"""Functions of the engine's own objects, which a function of the module may return."""
FLAG = re.compile(r"--[a-z][a-z-]*")


def spoken() -> Iterator[tuple[str, str]]:
    """Find every command, with where it stands."""
    for page in PAGES:
        for found in CALL.finditer(page.read_text()):
            yield str(page.relative_to(ROOT)), found[0]
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for found in CALL.finditer(node.value):
                    yield f"{source.relative_to(ROOT)}:{node.lineno}", found[0]


SPOKEN = sorted(set(spoken()))


def words_of(text: str) -> list[str]:
    """Split as a shell does; what follows a comma or a bracket belongs to the sentence around it."""
    text = re.split(r"[,…)#]|\s(?:and|or|says|shows|then|>|&&|2>)\s|\s\.", text, maxsplit=1)[0]
    try:
        return shlex.split(text.strip().rstrip(".:"))
    except ValueError:
        return text.split()


def test_some_hundred_commands_are_looked_at() -> None:
    assert len(SPOKEN) > 150


@pytest.mark.parametrize(("where", "text"), [one for one in SPOKEN if "dagger call" in one[1]])
def test_dagger_call_names_functions_and_arguments_that_exist(where: str, text: str) -> None:
    there = {functions.kebab(name): found for name, found in functions.functions().items()}
    module = {one.flag for one in functions.module_arguments()}
    words = words_of(text)[1:]
    words = words[words.index("call") + 1 :] if "call" in words else []
    name, known = "", module
    for word in words:
        if word in OWN or word.split("=")[0] in OWN:
            continue
        if word.startswith("--"):
            flag = word.split("=")[0]
            if FLAG.fullmatch(flag) and "{" not in flag:
                assert flag in known | {"--path"}, f"{where}: {text}"
        elif not name and re.fullmatch(r"[a-z][a-z-]+", word):
            name = word
            assert name in there, f"{where}: no function {name}: {text}"
            known = {one.flag for one in functions.arguments(there[name])}
        elif word in CORE:
            known = known | {"--path", "--cmd", "--args"}


def host_flags() -> dict[str, set[str]]:
    parser = command.parser()
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                found[name] = set(sub._option_string_actions)
    return found


@pytest.mark.parametrize(("where", "text"), [one for one in SPOKEN if one[1].startswith("slipway-host")])
def test_slipway_host_names_commands_and_options_that_exist(where: str, text: str) -> None:
    there, words = host_flags(), words_of(text)[1:]
    if not words or not re.fullmatch(r"[a-z][a-z-]+", words[0]):
        return
    if len(words) == 1 or words[1].startswith("-"):
        assert words[0] in there, f"{where}: {text}"
        for word in words[1:]:
            if FLAG.match(word):
                assert word.split("=")[0] in there[words[0]], f"{where}: {text}"


SHOWN = {"", "diff", "Dockerfile", "dotenv", "json", "python", "yaml"}
"""Languages of blocks that show something, and nothing that is typed."""


@pytest.mark.parametrize("command", typed(), ids=lambda command: command.name)
def test_each_command_of_the_pages_is_run_once(command: Command) -> None:
    assert NAMED.count(command.name) + reads(command) == 1, "see tests/support/typed.py"


def test_commands_that_are_run_or_are_not_stand_on_a_page() -> None:
    there = {command.name for page in PAGES for command in commands(page)}
    assert {*NAMED, *NOT_RUN} - there == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_say_what_they_are(page: Path) -> None:
    text = page.read_text()
    blocks = list(BLOCK.finditer(text))
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(blocks)
    for block in blocks:
        assert block["kind"] in {*KINDS, *SHOWN}
        if block["kind"] in SHOWN:
            assert not re.search(r"^(?:\$ |dagger |slipway-host )", block["text"], re.MULTILINE), block[
                "text"
            ]


def test_lines_of_env_files_are_arguments_of_the_module() -> None:
    known = {one.flag.removeprefix("--").replace("-", "") for one in functions.module_arguments()}
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            for line in block["text"].splitlines() if block["kind"] == "dotenv" else ():
                assert line.partition("=")[0].lower() in known, f"{page.name}: {line}"


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Find every piece of a `slipway.yaml`, with its page."""
    keys = {one.alias or name for name, one in Config.model_fields.items()}
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            found = YAML(typ="safe").load(block["text"]) if block["kind"] == "yaml" else None
            if isinstance(found, dict) and found.keys() <= keys:
                yield page.name, found


@pytest.mark.parametrize(("page", "sample"), list(samples()))
def test_samples_of_the_configuration_are_valid(page: str, sample: dict[str, Any]) -> None:
    whole = {"registry": "ghcr.io/acme", "services": {"api": {}}, **sample}
    whole["gitops"] = {"repository": "https://github.com/acme/gitops", **whole.get("gitops", {})}
    load_config(json.dumps(whole), path=page)


def test_page_of_the_functions_is_that_of_the_stages() -> None:
    assert (ROOT / "docs" / "functions.md").read_text() == functions.page(), "run `make schema`"


def messages() -> Iterator[str]:
    """Find what the page of messages quotes, its placeholders as they are there."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## Dagger's own words")[0]
    for row in page.splitlines():
        if row.startswith("| `"):
            yield row.removeprefix("| `").partition("` |")[0]


def texts() -> str:
    """Return what the sources can say, one text a line, names of values as placeholders."""
    found = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


TEXTS = texts()


@pytest.mark.parametrize("message", list(messages()))
def test_messages_that_are_explained_are_messages_of_ours(message: str) -> None:
    for part in re.split("[…;]", message):
        assert part.strip() in TEXTS, part


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), f"{target} is not there"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target} has no such heading"


def test_every_page_is_found_from_the_first_one() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or f"({page.name}" in index, (
            f"docs/README.md does not name {page.name}"
        )
