"""Something that dies once it has written a number of times."""


class Killed(BaseException):
    """Not an error that anything handles: what comes after it does not happen."""


class Dying:
    """Passes calls on until the n-th write has landed."""

    def __init__(self, inner: object, count: list[int]) -> None:
        self._inner, self._count = inner, count

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if name not in {"patch", "act"}:
            return found

        async def call(*args: object, **kwargs: object) -> object:
            result = await found(*args, **kwargs)
            self._count[0] -= 1
            if self._count[0] == 0:
                raise Killed
            return result

        return call
