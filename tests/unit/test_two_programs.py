"""`dagger call` and `slipway-host` name the same things alike (R30)."""

import argparse
import inspect

import pytest

from slipway.stages import discover
from slipway_host.command import COMMANDS, parser
from slipway_host.job_functions import FUNCTIONS

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
