"""`dagger call` and `slipway-host` name the same things alike (R30)."""

import argparse
import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway.stages import discover
from slipway_host.command import COMMANDS, parser
from slipway_host.job_functions import FUNCTIONS

CI = Path(__file__).parents[2] / "ci"
STAGES = {name: value for stage in discover() for name, value in vars(stage).items() if name[0] != "_"}
DAGGER_ONLY = {"changed_since"}
"""Of an engine that has the whole repository."""


def options(command: str) -> dict[str, argparse.Action]:
    (commands,) = [action for action in parser()._actions if action.dest == "command"]
    assert isinstance(commands.choices, dict)
    return {action.dest: action for action in commands.choices[command]._actions}


def test_every_command_of_the_host_side_is_a_function_of_the_module() -> None:
    assert COMMANDS.keys() <= STAGES.keys()
    assert FUNCTIONS.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_the_flags_of_the_function_and_their_defaults(name: str) -> None:
    found = options(name)
    for parameter in list(inspect.signature(STAGES[name]).parameters.values())[1:]:
        if parameter.name in DAGGER_ONLY:
            continue
        assert parameter.name in found, f"slipway-host {name} has no --{parameter.name.replace('_', '-')}"
        if parameter.default is inspect.Parameter.empty:
            assert found[parameter.name].required
        else:
            assert found[parameter.name].default == (
                parameter.default or type(found[parameter.name].default)()
            )


def test_services_are_listed_by_commas_or_one_by_one() -> None:
    words = ["status", "--service=api,ui", "--service", "worker"]
    assert parser().parse_args(words).service == ["api", "ui", "worker"]


def text_of(node: ast.expr) -> str:
    """Return a text as it stands in the source, up to its first value."""
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    return str(node.value) if isinstance(node, ast.Constant) else ""


def named() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Find every command that a text names: where, its function and the flags with it."""
    for path in sorted([*CI.glob("slipway/**/*.py"), *CI.glob("slipway_host/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_case = name == "call" and ast.unparse(node.func) in {"case.call", "self.call"}
            function = text_of(node.args[0])
            if (name == "command" or of_case) and function:
                flags = (text_of(one).partition("=")[0] for one in node.args[1:])
                where = f"{path.relative_to(CI)}:{node.lineno}"
                yield where, function, tuple(flag for flag in flags if flag.startswith("--"))


def test_every_command_that_a_text_names_exists_in_both_programs_or_in_dagger_alone() -> None:
    found = list(named())
    assert len(found) > 80
    for where, function, flags in found:
        kebab = function.replace("-", "_")
        assert kebab in STAGES, f"{where}: {function}"
        own = {f"--{name.replace('_', '-')}" for name in inspect.signature(STAGES[kebab]).parameters}
        if function in COMMANDS:
            words = {word for action in options(function).values() for word in action.option_strings}
            own = own & words if function in FUNCTIONS else own | words
        assert set(flags) <= own, f"{where}: {function} {' '.join(flags)}"
