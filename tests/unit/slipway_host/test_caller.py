"""Commands that errors name: they exist for whoever reads them (R30)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from slipway_host.caller import Caller, asking, command
from slipway_host.command import COMMANDS, parser

HOST = Caller(functions=frozenset(COMMANDS))
PACKAGE = Path(__file__).parents[3] / "ci" / "slipway_host"
NAMED = re.compile(r"dagger call ([a-z-]+)")


@pytest.mark.parametrize(
    ("caller", "said"),
    [
        (Caller(), "dagger call rollback --service=api"),
        (Caller(environment="dev"), "dagger call rollback --service=api"),
        (Caller(environment="prod"), "dagger call --environment=prod rollback --service=api"),
        (
            Caller(environment="prod", flags=("--config-path=x.yaml",)),
            "dagger call --environment=prod --config-path=x.yaml rollback --service=api",
        ),
        (HOST, "slipway-host rollback --service=api"),
        (
            Caller(environment="prod", flags=("--context=eu",), functions=HOST.functions),
            "slipway-host rollback --environment=prod --context=eu --service=api",
        ),
    ],
)
def test_a_command_is_the_caller_s_own_in_the_environment_that_was_chosen(caller: Caller, said: str) -> None:
    with asking(caller):
        assert command("rollback", "--service=api") == said
    assert command("rollback", "--service=api") == "dagger call rollback --service=api"


def test_what_only_dagger_has_is_asked_of_dagger_without_the_host_s_own_flags() -> None:
    caller = Caller(environment="prod", flags=("--context=eu",), functions=HOST.functions)
    assert caller.command("push") == "dagger call --environment=prod push"


def test_a_secret_is_brought_as_each_program_takes_it() -> None:
    # The module's own flags stand before the function.
    assert Caller().command("secrets", secret="KEY") == "dagger call --app-secrets=env://KEY secrets"
    said = HOST.command("secrets", secret="KEY")
    assert said == "slipway-host secrets --app-secret=KEY"
    assert parser().parse_args(said.split()[1:]).app_secret == ["KEY"]


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_no_text_names_dagger_for_what_both_programs_have(path: Path) -> None:
    tree = ast.parse(path.read_text())
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
    ]
    allowed = {"reference", "command", "command_options"}
    both = {name for text in texts for name in NAMED.findall(text)} & COMMANDS.keys()
    assert path.stem in allowed or not both, f"{path.name}: {', '.join(sorted(both))}: caller.command()"
