"""Makes the pictures in docs/report.md: `make screenshots`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from support.browser import PHONE, Scheme, browser, look
from support.report_pages import PAGES

DOCS = Path(__file__).parents[2] / "docs"
WIDE = 1000
# Picture → page, width and height, scheme.
PICTURES: dict[str, tuple[str, int, int, Scheme]] = {
    "report-run.png": ("three", WIDE, 1260, "light"),
    "report-service.png": ("service", WIDE, 1000, "dark"),
    "report-phone.png": ("one", PHONE, 760, "light"),
}


def main(folder: Path = DOCS) -> None:
    """Write each picture to the folder."""
    with tempfile.TemporaryDirectory() as scratch, browser() as running:
        for picture, (name, width, height, scheme) in PICTURES.items():
            path = Path(scratch) / f"{name}.html"
            path.write_text(PAGES[name]())
            with look(running, path, width=width, scheme=scheme) as shown:
                shown.page.screenshot(
                    path=folder / picture,
                    full_page=True,
                    clip={"x": 0, "y": 0, "width": width, "height": height},
                )


if __name__ == "__main__":
    main()
