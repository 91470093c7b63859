"""Kubernetes' quantities, as exact numbers: `250m`, `1.5Gi`, `2e3`, `1k`.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ has the grammar.
"""

from __future__ import annotations

import re
from decimal import Decimal

GIB = Decimal(2**30)
_BINARY = {unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}
# An E with digits behind it is an exponent, and one without is 10^18.
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]?))", re.ASCII)


def quantity(text: str) -> Decimal:
    """Return a quantity in base units: cores, bytes.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no quantity of Kubernetes")
    number, exponent, unit = found.groups()
    if exponent:
        return Decimal(number + exponent)
    return Decimal(number) * (_BINARY[unit] if unit in _BINARY else _DECIMAL[unit or ""])


def cores(value: Decimal) -> str:
    """Return cores as people write them: `250m`, `1.5`."""
    if value % 1 == 0 or value >= 10:  # noqa: PLR2004 - above, thousandths are noise
        return f"{_plain(value)}"
    return f"{_plain(value * 1000)}m"


def size(value: Decimal) -> str:
    """Return bytes in the largest binary unit that leaves a number of 1 or more: `1.5Gi`."""
    for unit, factor in reversed(_BINARY.items()):
        if value >= factor:
            return f"{_plain(value / factor)}{unit}"
    return _plain(value)


def _plain(value: Decimal) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return text or "0"
