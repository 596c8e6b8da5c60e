"""Each page can be used with a screen reader, by the keyboard, without scripts, and on any screen."""

import re
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from tests.pages import ANSWERS, PAGES, PASSWORD, STRANGERS, answer, fill
from tests.test_browser import browser, cut_off  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Run by the browser's own debugger, because the site's policy lets no script in.
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
WIDTHS = [360, 390, 768, 1440, 2560]
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
RUN_AXE = "() => axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)"


@pytest.fixture
def filled(transactional_db) -> dict[str, str]:
    return fill()


@pytest.fixture
def reader(browser, live_server, filled) -> Iterator[Page]:  # noqa: F811
    """A page that a superuser is signed in on."""
    User.objects.create_superuser("reader", password=PASSWORD)
    opened = browser.new_page()
    sign_in(opened, live_server.url)
    yield opened
    opened.close()
    browser.clear_cookies()


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/login/?next=/admin/password_change/done/")
    page.get_by_label("Username").fill("reader")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/password_change/done/")


def broken_rules(page: Page) -> list[str]:
    """What axe-core has to complain about, with the first elements that each complaint is about."""
    page.evaluate(AXE)
    return [
        f"{rule['id']}: {rule['help']}: " + " | ".join(node["html"][:160] for node in rule["nodes"][:3])
        for rule in page.evaluate(RUN_AXE)
    ]


def complaints(page: Page, url: str, pages: dict[str, str], filled: dict[str, str]) -> list[str]:
    found = []
    for name, path in pages.items():
        page.goto(url + path.format(**filled))
        page.wait_for_function("!document.documentElement.classList.contains('shm-starting')")
        found += [f"{name}: {broken}" for broken in broken_rules(page)]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(live_server, reader, filled, scheme):
    reader.emulate_media(color_scheme=scheme)
    found = complaints(reader, live_server.url, PAGES, filled)
    reader.context.clear_cookies()
    found += complaints(reader, live_server.url, STRANGERS, filled)
    assert not found, "\n".join(found)


def test_no_page_scrolls_sideways_or_cuts_anything_off(live_server, reader, filled):
    found = []
    for name, path in PAGES.items():
        reader.goto(live_server.url + path.format(**filled))
        for width in WIDTHS:
            reader.set_viewport_size({"width": width, "height": 900})
            reader.evaluate(TWO_FRAMES)  # In which charts become as wide as their place.
            wide = reader.evaluate("document.documentElement.scrollWidth")
            found += [f"{name} is {wide} wide at {width}"] if wide > width else []
            found += [f"{name} at {width}: {element}" for element in cut_off(reader)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_only_a_form_leads_to_is_as_good(live_server, reader, filled, scheme):
    reader.emulate_media(color_scheme=scheme)
    found = []
    for name in ANSWERS:
        answer(reader, live_server.url, name, filled["application"])
        reader.wait_for_function("!document.documentElement.classList.contains('shm-starting')")
        found += [f"{name}: {broken}" for broken in broken_rules(reader)]
        for width in WIDTHS:
            reader.set_viewport_size({"width": width, "height": 900})
            reader.evaluate(TWO_FRAMES)
            wide = reader.evaluate("document.documentElement.scrollWidth")
            found += [f"{name} is {wide} wide at {width}"] if wide > width else []
            found += [f"{name} at {width}: {element}" for element in cut_off(reader)]
    assert reader.get_by_label("Code").is_visible()
    assert not found, "\n".join(found)


ICON = re.compile(r"\b(\w+_\w+|add|close|search|monitoring|cancel|schedule)$")


def test_no_icon_is_read_aloud_by_the_name_of_its_picture(live_server, reader, filled):
    found = []
    for name in ("overview", "admin: applications", "admin: application", "admin: new token", "admin: user"):
        reader.goto(live_server.url + PAGES[name].format(**filled))
        reader.wait_for_function("!document.documentElement.classList.contains('shm-starting')")
        reader.evaluate("() => new Promise((done) => setTimeout(done))")  # In which Django's scripts have put theirs.
        heard = re.findall(r'(?:button|link|img) "([^"]*)"', reader.locator("body").aria_snapshot())
        found += [f"{name}: {one}" for one in heard if ICON.search(one)]
    assert not found, "\n".join(found)
    assert reader.get_by_role("button", name="Navigation").count()
    assert reader.get_by_role("link", name="Go back").count()


@pytest.fixture
def without_scripts(browser, reader) -> Page:  # noqa: F811
    browser.new_cdp_session(reader).send("Emulation.setScriptExecutionDisabled", {"value": True})
    return reader


def covered(page: Page) -> str:
    """The element that lies over the page's heading, if any."""
    return page.evaluate(
        """() => {
            const heading = document.querySelector("main h1") ?? document.querySelector("h1");
            heading.scrollIntoView({ block: "center" });
            const box = heading.getBoundingClientRect();
            const top = document.elementFromPoint(box.left + 4, box.top + box.height / 2);
            if (top && (heading.contains(top) || top.contains(heading))) return "";
            return top ? top.outerHTML.slice(0, 160) : "nothing that is in sight";
        }"""
    )


def test_every_page_is_there_without_scripts(live_server, without_scripts, filled):
    page, found = without_scripts, []
    # Nor fonts: what a page looks like that far is what it looks like on a slow line for a while.
    page.route("**/*.woff2", lambda route: route.abort())
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in PAGES.items():
            page.goto(live_server.url + path.format(**filled))
            if element := covered(page):
                found.append(f"{name} at {width} is covered by {element}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{name} is {wide} wide at {width}"] if wide > width else []
    assert not found, "\n".join(found)


def test_numbers_tables_and_filters_work_without_scripts(live_server, without_scripts, filled):
    page = without_scripts
    page.goto(f"{live_server.url}/applications/{filled['slug']}/")
    assert page.get_by_text("Active instances").first.is_visible()
    assert page.locator("table").last.locator("tbody tr").count() >= 10

    page.locator("#chart").get_by_text("The same as a table").click()
    assert page.locator("#chart table tbody tr").first.is_visible()
    page.locator("#chart").get_by_role("link", name="7 d").or_(page.get_by_role("link", name="7 days")).first.click()
    assert "period=7d" in page.url

    page.goto(f"{live_server.url}/admin/instances/instance/")
    page.get_by_role("link", name="Revoked").first.click()
    assert "state__exact=revoked" in page.url


def test_the_account_s_menu_and_the_navigation_work_without_scripts(live_server, without_scripts, filled):
    page = without_scripts
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{live_server.url}/admin/")
        page.get_by_role("navigation").get_by_role("link", name="Instances").first.click()
        page.wait_for_url(f"{live_server.url}/admin/instances/instance/")
    page.locator("summary", has_text="reader").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{live_server.url}/admin/logout/")


def test_what_opens_on_a_click_opens_by_the_keyboard(live_server, reader, filled):
    reader.set_viewport_size({"width": 390, "height": 900})
    reader.goto(live_server.url)
    reader.keyboard.press("Tab")
    assert reader.evaluate("document.activeElement.textContent") == "Skip to the content"
    link = reader.get_by_role("navigation").get_by_role("link", name="Instances").first
    assert not link.is_visible()
    reader.get_by_role("button", name="Navigation").locator("visible=true").focus()
    reader.keyboard.press("Enter")
    link.wait_for()
    reader.locator("summary", has_text="reader").focus()
    reader.keyboard.press("Enter")
    reader.get_by_role("button", name="Dark").focus()
    reader.keyboard.press(" ")
    reader.wait_for_function("document.documentElement.classList.contains('dark')")
    reader.keyboard.press("Escape")
    assert not reader.get_by_role("button", name="Log out").is_visible()
    reader.evaluate("localStorage.clear()")


def test_a_page_has_its_colours_before_any_script_of_the_shell_has_run(live_server, reader):
    """Else a dark page begins with a white flash, or with none at all while the scripts are on their way."""
    reader.evaluate("localStorage.adminTheme = '\"dark\"'")
    reader.route("**/alpine*.js", lambda route: route.abort())
    reader.goto(live_server.url)
    assert reader.get_by_role("heading", level=1).first.is_visible()
    assert "dark" in reader.evaluate("document.documentElement.className").split()
    assert not reader.locator("#search-input-command").is_visible()
    reader.unroute("**/alpine*.js")
    reader.goto(live_server.url)
    reader.wait_for_function("!document.documentElement.classList.contains('shm-starting')")
    reader.evaluate("localStorage.clear()")


def test_nothing_moves_while_a_page_loads(live_server, reader, filled):
    """Cumulative layout shift, of which 0.1 is called good."""
    for name in ("overview", "application", "metric", "instance", "admin: instances"):
        reader.goto(live_server.url + PAGES[name].format(**filled))
        reader.wait_for_load_state("networkidle")
        shift = reader.evaluate(
            """() => new Promise((resolve) => {
                let sum = 0;
                new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; })
                    .observe({ type: "layout-shift", buffered: true });
                requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
            })"""
        )
        assert shift < 0.02, f"{name}: {shift}"
