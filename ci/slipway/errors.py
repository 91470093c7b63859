"""The way from an expected failure to what `dagger call` prints."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import dagger
from dagger.mod._exceptions import FunctionError

from slipway.inputs import CONFIG_PATH
from slipway_host import caller
from slipway_host.errors import DeliveryError, quote

P = ParamSpec("P")
R = TypeVar("R")


class StageError(FunctionError):
    """One line that says it all.

    Dagger's runtime prints any other exception with a traceback; this kind it prints as it is. The name
    stands before the message, with its module unless that is the runtime's own.
    """

    __module__ = FunctionError.__module__


def _caller(inputs: object) -> caller.Caller:
    path = getattr(inputs, "config_path", CONFIG_PATH)
    flags = () if path == CONFIG_PATH else (f"--config-path={path}",)
    return caller.Caller(environment=getattr(inputs, "environment", ""), flags=flags)


def one_line(call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Make a stage's expected failures end `dagger call` with one line and exit code 1."""

    @functools.wraps(call)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        name = call.__name__.replace("_", "-")
        # A method of the module's object, which knows what was chosen before the function's name.
        with caller.asking(_caller(args[0] if args else None)):
            try:
                return await call(*args, **kwargs)
            except DeliveryError as error:
                raise StageError(str(error.at(name, next_command=caller.command(name)))) from None
            except dagger.QueryError as error:
                raise StageError(f"{name}: engine: {quote(str(error))}") from None

    return wrapped


def stage_function(call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Make an async method a Dagger function that acts on every call, and fails in one line.

    Dagger keeps a function's result for 7 days unless told otherwise, and then skips the function: a
    deploy that does nothing and says that it did. What is worth keeping is kept by the engine anyway,
    step by step.
    """
    exposed: Callable[P, Awaitable[R]] = dagger.function(  # type: ignore[call-overload]
        one_line(call), cache="never"
    )
    return exposed
