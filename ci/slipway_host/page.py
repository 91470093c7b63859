"""An HTML page that needs nothing but itself: no script, no request, and every text in it inert."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}\b|\b([0-9a-f]{8})[0-9a-f]{32}\b")
"""Digests and commits in full, of which people read the beginning."""
FOLDER = Path(__file__).parent / "templates"


def page(template: str, **facts: Any) -> str:
    """Return a page.

    Args:
        template: file in `templates/`.
        facts: what the template shows; all of it is escaped, but for drawings that are marked as safe.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from slipway_host import figures

    style = (FOLDER / "report.css").read_text()
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": figures.duration,
        "size": figures.size,
        "moment": figures.moment,
        "sentence": lambda text: f"{text[:1].upper()}{text[1:].rstrip('.')}.",
        "short": lambda text: _DIGEST.sub(lambda found: f"{found[1] or found[2]}…", text),
    }
    # Whatever finds its way into the page: the browser takes no style but this one, and no script at all.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        style=Markup(style),  # noqa: S704 - our own file
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        **facts,
    )


def safe(svg: str) -> Any:
    """Return a drawing of ours as what a template takes over as it is."""
    from markupsafe import Markup

    return Markup(svg)  # noqa: S704 - drawn by Vega, which escapes the texts in it
