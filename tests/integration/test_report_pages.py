"""R19: the reports as people see them, in a browser: light and dark, on a phone and on paper."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe

from slipway_host.run_report import run_report
from support import runs
from support.browser import DESK, PHONE, Scheme, browser, look
from support.report_pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

A4 = (595, 842)
"""Points."""
MOSTLY_WHITE = 230
CONTRAST = 4.5
"""WCAG 2.1, level AA, of text."""
OVERFLOWING = """() => [...document.querySelectorAll("h1,h2,h3,p,dt,dd,th,td,li,caption,code")]
  .filter(e => e.getClientRects().length && e.closest("thead") === null)
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
            || (getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1))
  .map(e => e.textContent.trim())"""
DRAWN = """() => [...document.querySelectorAll("svg")].filter(e => e.getClientRects().length).flatMap(svg => {
  const ground = getComputedStyle(svg.closest("section")).backgroundColor;
  return [...svg.querySelectorAll("text")].filter(t => t.textContent).map(text => {
    const box = text.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const behind = [...svg.querySelectorAll("path")].filter(path => {
      const fill = getComputedStyle(path).fill, area = path.getBoundingClientRect();
      return fill !== "none" && area.left <= x && x <= area.right && area.top <= y && y <= area.bottom
        && area.height < 40;
    }).map(path => getComputedStyle(path).fill);
    const edge = svg.getBoundingClientRect();
    const inside = box.left >= edge.left - 1 && box.right <= edge.right + 1;
    return [text.textContent, getComputedStyle(text).fill, behind.at(-1) ?? ground, inside];
  });
})"""


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for name, made in PAGES.items():
        (folder / f"{name}.html").write_text(made())
    return {name: folder / f"{name}.html" for name in PAGES}


def luminance(color: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def pdf(page: Page) -> pypdfium2.PdfDocument:
    return pypdfium2.PdfDocument(io.BytesIO(page.pdf(prefer_css_page_size=True, print_background=True)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_asks_for_nothing_and_is_accessible(
    running: Browser, pages: dict[str, Path], name: str, scheme: Scheme
) -> None:
    with look(running, pages[name], scheme=scheme) as shown:
        violations = Axe().run(shown.page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    assert shown.requests == []
    assert shown.messages == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["three", "service"])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_texts_of_the_drawings_can_be_read(
    running: Browser, pages: dict[str, Path], name: str, scheme: Scheme, width: int
) -> None:
    with look(running, pages[name], scheme=scheme, width=width) as shown:
        texts: list[tuple[str, str, str, bool]] = shown.page.evaluate(DRAWN)
    assert len(texts) > 50
    assert [one for one in texts if contrast(one[1], one[2]) < CONTRAST] == []
    assert [said for said, *_, inside in texts if not inside] == []


@pytest.mark.parametrize("name", PAGES)
def test_phone_has_nothing_to_scroll_sideways(running: Browser, pages: dict[str, Path], name: str) -> None:
    with look(running, pages[name], width=PHONE) as shown:
        assert shown.page.evaluate("document.documentElement.scrollWidth") == PHONE
        assert shown.page.evaluate(OVERFLOWING) == []


def test_drawings_are_light_in_the_light_and_dark_in_the_dark(
    running: Browser, pages: dict[str, Path]
) -> None:
    def colors(scheme: Scheme) -> Any:
        bar = "svg.wide path[fill='var(--accent)']"
        with look(running, pages["one"], scheme=scheme) as shown:
            return shown.page.evaluate(
                "bar => [getComputedStyle(document.body).backgroundColor, "
                "getComputedStyle(document.querySelector(bar)).fill]",
                bar,
            )

    light, dark = colors("light"), colors("dark")
    assert luminance(light[0]) > 0.8
    assert luminance(dark[0]) < 0.05
    assert luminance(light[1]) < luminance(dark[1])


def test_timeline_is_drawn_for_the_width_that_there_is(running: Browser, pages: dict[str, Path]) -> None:
    for width, seen in ((DESK, [True, False]), (PHONE, [False, True])):
        with look(running, pages["three"], width=width) as shown:
            charts = [shown.page.locator(f"svg.{kind}") for kind in ("wide", "narrow")]
            assert [chart.is_visible() for chart in charts] == seen
            found = charts[seen.index(True)].text_content() or ""
        for said in ("api: deployed", "worker: failed", "scan-source", "✕ failed, 17.9 s"):
            assert said in found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_a4_white_and_not_wasted(running: Browser, pages: dict[str, Path], scheme: Scheme) -> None:
    with look(running, pages["one"], scheme=scheme) as shown:
        document = pdf(shown.page)
    assert len(document) == 2
    texts = ""
    for sheet in document:
        assert tuple(round(side) for side in sheet.get_size()) == A4
        pixels = bytes(sheet.render(scale=0.5).buffer)
        assert pixels[:3] == b"\xff\xff\xff"
        assert sum(pixels) / len(pixels) > MOSTLY_WHITE
        texts += sheet.get_textpage().get_text_bounded()
    for said in ("api b99fccd2 is deployed to dev", "Timeline", "44.9 MB", "proof"):
        assert said in texts


def test_hostile_receipt_does_nothing_in_a_browser(running: Browser, tmp_path: Path) -> None:
    attack = '</style></svg><script>alert(1)</script><img src="https://evil.example/x" onerror="alert(1)">'
    one = runs.service("api", namespace=attack)
    for stage in one["stages"]:
        stage |= {"summary": attack, "stage": f"{stage['stage']}{attack}"}
    document = runs.run(one, runs.failed("ui", "test", attack, landed=attack, command=attack), tag=attack)
    path = tmp_path / "report.html"
    path.write_text(run_report(document, {}, by=attack, doubt=attack))
    with look(running, path, width=PHONE) as shown:
        assert shown.page.locator("script, img").count() == 0
        assert attack in (shown.page.locator("h1").text_content() or "")
        assert shown.page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert shown.requests == []
    assert shown.messages == []
