"""The one thing that has to be known of a Dockerfile before it is built: what its image starts from."""

from __future__ import annotations

import re

SCRATCH = "scratch"
_CONTINUED = re.compile(r"\\[ \t]*\n")
_FROM = re.compile(
    r"^\s*FROM\s+(?:--\S+\s+)*(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?\s*$", re.IGNORECASE | re.MULTILINE
)


def final_base(text: str) -> str:
    """Return what the last stage starts from, through stages that it names: an image, or `scratch`.

    An argument in it stays as it is written; "" where there is no FROM.
    """
    stages: dict[str, str] = {}
    base = ""
    for found in _FROM.finditer(_CONTINUED.sub(" ", text)):
        base = stages.get(found["base"].lower(), found["base"])
        if found["name"]:
            stages[found["name"].lower()] = base
    return base
