"""Stages are found, not listed: one file each, which exports its class as `STAGE`."""

import importlib
import pkgutil


def discover() -> tuple[type, ...]:
    """Return the class of every stage beside this file.

    Raises:
        RuntimeError: two stages have a function of the same name.
    """
    classes: list[type] = []
    owners: dict[str, str] = {}
    for info in pkgutil.iter_modules(__path__):
        stage: type = importlib.import_module(f"{__name__}.{info.name}").STAGE
        for name in vars(stage):
            if not name.startswith("_") and owners.setdefault(name, info.name) != info.name:
                raise RuntimeError(f"stages {owners[name]} and {info.name} both define {name!r}")
        classes.append(stage)
    return tuple(classes)
