"""The dashboard in headless Chromium, as a person on a desktop or a phone sees it."""

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import Browser, Page, async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
DESKTOP = (1400, 1000)
PHONE = (390, 844)


class NoChromiumError(RuntimeError):
    """There is no Chromium on this machine."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise NoChromiumError(
            "no chromium on this machine: install it (Debian: apt install chromium)"
        )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page(
    browser: Browser,
    *,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    zone: str = "Europe/Prague",
) -> AsyncIterator[Page]:
    """A fresh page; from 127.0.0.1 Home Assistant logs it in by itself."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        service_workers="block",
        timezone_id=zone,
    )
    context.set_default_timeout(60_000)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def open_dashboard(tab: Page, url: str, path: str = "smart-beer/brewery") -> None:
    """Open a view and wait until a history card has drawn something."""
    await tab.goto(f"{url}/{path}")
    await tab.wait_for_selector("smart-beer-history-card canvas", state="visible")
    await tab.wait_for_function(DRAWN)
    await tab.wait_for_timeout(1500)  # tiles and fonts settle


# Every card on the screen has a canvas with more than one colour on it.
DRAWN = """() => {
  const found = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.localName === "smart-beer-history-card") found.push(element);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document);
  return found.length > 0 && found.every((card) => {
    const canvas = card.shadowRoot.querySelector("canvas");
    if (!canvas || canvas.width === 0) return false;
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let painted = 0;
    for (let i = 3; i < pixels.length; i += 4) if (pixels[i] > 200) painted++;
    return painted > 200;
  });
}"""


async def screenshots(url: str, folder: Path) -> list[str]:
    """Photograph every view wide and light, the first on a phone in the dark; the files' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    async with chromium() as browser:
        async with page(browser) as tab:
            for view in ("brewery", "fermentation", "nodes"):
                await open_dashboard(tab, url, f"smart-beer/{view}")
                taken.append(await _photograph(tab, folder / f"{view}.png"))
        async with page(browser, size=PHONE, dark=True) as tab:
            await open_dashboard(tab, url)
            taken.append(await _photograph(tab, folder / "phone-dark.png"))
    return taken


async def _photograph(tab: Page, file: Path) -> str:
    await tab.screenshot(path=file)
    return str(file)
