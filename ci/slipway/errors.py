"""The way from an expected failure to what `dagger call` prints."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import dagger
from dagger.mod._exceptions import FunctionError

from slipway_host.errors import DeliveryError, quote

P = ParamSpec("P")
R = TypeVar("R")


class StageError(FunctionError):
    """One line that says it all.

    Dagger's runtime prints any other exception with a traceback; this kind it prints as it is. The name
    stands before the message, with its module unless that is the runtime's own.
    """

    __module__ = FunctionError.__module__


def one_line(call: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Make a stage's expected failures end `dagger call` with one line and exit code 1."""

    @functools.wraps(call)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        name = call.__name__
        try:
            return await call(*args, **kwargs)
        except DeliveryError as error:
            raise StageError(str(error.at(name, next_command=f"dagger call {name}"))) from None
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
