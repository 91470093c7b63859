"""Who asks: the program whose commands an error or a summary names next.

The same code runs in `dagger call` and in `slipway-host`. What it tells people to type has to exist where
they type it, with the environment that they chose: in `prod`, a command without it would go to `dev`.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGGER, HOST = "dagger call", "slipway-host"
DEFAULT_ENVIRONMENT = "dev"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One program, as it was called.

    Args:
        environment: what was chosen; nothing for the default.
        functions: those of `slipway-host`, where that is the program; none for Dagger, which has all.
        flags: what every command of this caller repeats besides: where configuration and cluster are.
    """

    environment: str = ""
    functions: frozenset[str] = frozenset()
    flags: tuple[str, ...] = ()

    def command(self, function: str, *flags: str, secret: str = "") -> str:
        """Return the command line of a function; Dagger's where only Dagger has it.

        Args:
            function: as `dagger call` writes it.
            flags: of the function, the same in both programs.
            secret: name of a variable whose value a service's Secret is to get.
        """
        chosen = self.environment not in {"", DEFAULT_ENVIRONMENT}
        environment = [f"--environment={self.environment}"] if chosen else []
        if function in self.functions:
            brought = [f"--app-secret={secret}"] if secret else []
            return " ".join([HOST, function, *environment, *self.flags, *brought, *flags])
        own = () if self.functions else self.flags
        brought = [f"--app-secrets=env://{secret}"] if secret else []
        return " ".join([DAGGER, *environment, *own, *brought, function, *flags])


_asking: ContextVar[Caller | None] = ContextVar("caller", default=None)


@contextmanager
def asking(caller: Caller) -> Iterator[None]:
    """Name this caller's commands in everything that happens within."""
    token = _asking.set(caller)
    try:
        yield
    finally:
        _asking.reset(token)


def command(function: str, *flags: str, secret: str = "") -> str:
    """Return the command line of a function for whoever asks; as `Caller.command`."""
    return (_asking.get() or Caller()).command(function, *flags, secret=secret)
