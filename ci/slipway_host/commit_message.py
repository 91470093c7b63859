"""The subject of a GitOps commit: a template that a team may write itself (R11, R34)."""

from __future__ import annotations

import re

TEMPLATE = "chore({app}): update image tag to {tag}"
FIELDS = ("{app}", "{tag}")
_LIMIT = 200


def fault(template: str) -> str:
    """Return what is wrong with a template, or nothing: it has to be one line, with known fields."""
    unknown = sorted(set(re.findall(r"\{[^}]*\}?", template)) - set(FIELDS))
    if unknown:
        return f"unknown {', '.join(unknown)}: use {{app}} and {{tag}}"
    if not template.strip() or not template.isprintable():
        return "expected one line of text"
    if len(template) > _LIMIT:
        return f"longer than {_LIMIT} characters"
    # git drops such a line from the message, and the trailers would be its subject.
    return "a line that starts with # may be dropped as a comment" if template.startswith("#") else ""


def subject(template: str, *, apps: str, tags: str) -> str:
    """Return the subject of one commit."""
    return template.replace("{app}", apps).replace("{tag}", tags)
