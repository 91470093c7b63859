"""Debian's Chromium without a window, for pages that are to be looked at."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request

PROGRAM = "chromium-headless-shell"
DESK, PHONE = 1100, 360
Scheme = Literal["light", "dark"]


@dataclass
class Look:
    """A page as it is shown, and what happened meanwhile.

    Args:
        page: Playwright's page.
        requests: addresses that were asked for, but for the page's own.
        messages: what the console said, and errors and dialogs of scripts.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Iterator[Browser]:
    """Give a running browser."""
    program = shutil.which(PROGRAM)
    assert program, f"{PROGRAM} is not installed: make lab-up installs it"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program)
        yield running
        running.close()


@contextmanager
def look(
    running: Browser, path: Path, *, width: int = DESK, scheme: Scheme = "light", scale: float = 1
) -> Iterator[Look]:
    """Open a file as a page."""
    context = running.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, device_scale_factor=scale
    )
    found = Look(context.new_page())
    own = path.as_uri()

    def asked(request: Request) -> None:
        if request.url != own:
            found.requests.append(request.url)

    def said(message: ConsoleMessage) -> None:
        found.messages.append(message.text)

    def failed(error: Error) -> None:
        found.messages.append(str(error))

    def popped_up(dialog: Dialog) -> None:
        found.messages.append(dialog.message)
        dialog.dismiss()

    found.page.on("request", asked)
    found.page.on("console", said)
    found.page.on("pageerror", failed)
    found.page.on("dialog", popped_up)
    found.page.goto(own)
    yield found
    context.close()
