"""What a draft of `slipway.yaml` takes from the variables of a build script, one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slipway_host.scaffold.advice import Advice
from slipway_host.scaffold.script import COMMIT, TAG
from slipway_host.scaffold.secretive import is_secret

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from slipway_host.scaffold.draft import Draft
    from slipway_host.scaffold.script import Script, Variable


@dataclass(kw_only=True)
class Translation:
    """What became of a script.

    Args:
        taken: names that went into the file.
        left: what did not, with one line of advice each.
        app: the application's name, "" where the script has none.
        image: last part of the image's name, "" where the script has none.
    """

    taken: list[str] = field(default_factory=list)
    left: list[Advice] = field(default_factory=list)
    app: str = ""
    image: str = ""


class Taker:
    """Takes variables of a script into a draft.

    Args:
        script: the script.
        draft: takes the values.
    """

    def __init__(self, script: Script, draft: Draft) -> None:
        self.script, self.draft = script, draft
        self.done = Translation()
        self.used: set[str] = set()

    def _where(self, variable: Variable) -> str:
        return f"{self.script.name}:{variable.line}" + (", its default" if variable.default else "")

    def found(self, *wanted: str) -> Variable | None:
        """Return the first of some variables that the script sets, unless it is a secret."""
        self.used.update(wanted)
        found = self.script.first(*wanted)
        if found and is_secret(found.name, found.value or ""):
            self.leave(
                found.line,
                f"{found.name} looks like a secret and was not taken over",
                "keep it in the CI's secrets; if it was ever committed, rotate it",
            )
            return None
        return found

    def one(
        self,
        path: tuple[str, ...],
        pattern: re.Pattern[str],
        *wanted: str,
        usual: str = "",
        as_: Callable[[str], str] = str,
    ) -> None:
        """Put one variable's value at a path, where it may stand there."""
        found = self.found(*wanted)
        if found is None or found.value is None:
            return
        value = as_(found.value)
        if not pattern.fullmatch(value) or COMMIT in value or TAG in value:
            self.leave(
                found.line,
                f"{found.name}: its value cannot be {'.'.join(path[-2:])}",
                "write that key by hand",
            )
        elif value != usual:
            self.put(path, value, found)

    def put(self, path: tuple[str, ...], value: object, *sources: Variable) -> None:
        """Put a value at a path, and say which variables it comes from."""
        self.draft.put(path, value, ", ".join(dict.fromkeys(self._where(one) for one in sources)))
        self.done.taken += [one.name for one in sources if one.name not in self.done.taken]

    def leave(self, line: int, what: str, instead: str) -> None:
        """Say what was not taken, and what to do instead."""
        self.done.left.append(Advice(line=line, what=what, instead=instead))
