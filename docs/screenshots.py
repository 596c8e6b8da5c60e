"""Takes the pictures that the README and docs show, of the demo fleet, light and dark: make screenshots."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.demo_server import Demo, running_demo  # noqa: E402 - the path comes first.

IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1360, 900
FLEET = "/applications/quillhaven/"
PAGES = {
    "overview": "/",
    "application": f"{FLEET}?metric=documents_count&period=3m",
    "metric": f"{FLEET}metric/?key=documents_count&of=median&period=3m",
    "versions": f"{FLEET}versions/?period=3m",
    "lifecycle": f"{FLEET}lifecycle/?period=3m",
}
THEMES = ("light", "dark")


def take(browser: Browser, demo: Demo, theme: str) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(f"{demo.address}/")
    page.evaluate(f"localStorage.adminTheme = JSON.stringify('{theme}')")
    demo.sign_in(page)
    demo.wait_for_history(page)
    for name, path in {**PAGES, "instance": an_instance(page, demo)}.items():
        page.goto(demo.address + path)
        page.wait_for_load_state("networkidle")
        suffix = "" if theme == "light" else f"-{theme}"
        page.screenshot(path=IMAGES / f"{name}{suffix}.png")


def an_instance(page: Page, demo: Demo) -> str:
    """The page of the instance that reported last."""
    page.goto(f"{demo.address}{FLEET}")
    return page.locator("#instances tbody a").first.get_attribute("href") or FLEET


def main() -> None:
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with running_demo() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for theme in THEMES:
            take(browser, demo, theme)


if __name__ == "__main__":
    main()
