"""What looks like a secret: such a value is never taken over, and never repeated."""

from __future__ import annotations

import math
import re

NAMES = re.compile(
    r"(PASSWORD|PASSWD|PASS$|SECRET|TOKEN|CREDENTIAL|PRIVATE|APIKEY|API_KEY|ACCESS_KEY|_PAT$|^PAT$|_DSN$|DATABASE_URL"
    r"|REDIS_URL)"
)
# The names of objects that hold secrets, and switches about them, are none.
NO_SECRET = re.compile(r"(_NAME|_NAMESPACE|_FILE|_PATH|_DIR|_KEYS?_?NAMES?|_ENABLED)$")
VALUES = re.compile(
    r"""(?x) -----BEGIN
      | ://[^/\s:@]*:[^/\s@]+@
      | \b(?:gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA|dckr_pat_|npm_|sk-)[A-Za-z0-9_-]{8,}
      | \beyJ[A-Za-z0-9_-]{10,}\."""
)
SWITCH = re.compile(r"(?i)true|false|yes|no|on|off|\d{0,5}")
# Without the slash: a path is long, too.
LONG = re.compile(r"[A-Za-z0-9+=_-]{24,}")
BITS = 4.0
"""Of information for each character: random text of 24 characters and more has it, names do not."""


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable's name or value says that it is nobody's business."""
    if value and SWITCH.fullmatch(value):
        return False
    upper = name.upper()
    if NAMES.search(upper) and not NO_SECRET.search(upper):
        return True
    return bool(VALUES.search(value)) or any(_random(word) for word in LONG.findall(value))


def _random(word: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    if sum(any(kind(char) for char in word) for kind in kinds) < len(kinds):
        return False
    shares = [word.count(char) / len(word) for char in set(word)]
    return -sum(share * math.log2(share) for share in shares) > BITS
