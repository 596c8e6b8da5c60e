"""The question that each page is there for, asked in a browser of the demo's fleet as a stranger would."""

import os
import re
import shutil
import time

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.demo_server import SECONDS, Demo, running_demo
from tests.test_browser import FLAGS

FLEET = "/applications/quillhaven/"

pytestmark = [pytest.mark.browser, pytest.mark.server]


@pytest.fixture(scope="module")
def demo():
    with running_demo() as running:
        yield running


@pytest.fixture(scope="module")
def page(demo):
    # Playwright keeps an event loop in this thread, and Django takes that for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC")
        demo.sign_in(page)
        demo.wait_for_history(page)
        yield page
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def number(text: str) -> int:
    return int(re.search(r"\d+", text)[0])


def card(page: Page, label: str) -> str:
    """What a card says in large letters."""
    return (
        page.locator(".shm-kpi", has=page.locator(".shm-kpi-label", has_text=label))
        .first.locator(".shm-kpi-value")
        .inner_text()
    )


def listed(demo: Demo, page: Page, query: str) -> list[dict]:
    sheet = demo.download(page, f"{FLEET}instances.json?{query}&c=all")
    return [dict(zip(sheet["columns"], row, strict=True)) for row in sheet["rows"]]


def look(demo: Demo, page: Page, path: str) -> list[dict]:
    """Opens a page, and returns its active instances as they were before and after it was made: the demo goes on."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        before = listed(demo, page, "state=active&sort=app_version")
        page.goto(demo.address + path)
        if told(listed(demo, page, "state=active&sort=app_version")) == told(before):
            return before
        time.sleep(1)
    raise AssertionError("The fleet of the demo changes so often that no page can be compared with it.")


def told(rows: list[dict]) -> list[tuple]:
    """What the pages are compared with: not the time of the last report, which is another all the time."""
    return sorted((row["instance"], row["Version"], str(row["users_count"]), row["db.engine"]) for row in rows)


def test_the_overview_are_my_applications_alive(demo, page):
    fleet = look(demo, page, "/")

    assert "Nothing needs a look" in page.get_by_role("status").first.inner_text()
    applications = page.get_by_role("article").all()
    assert len(applications) == 3
    for application in applications:
        assert "Receiving" in application.inner_text()
    quillhaven = page.get_by_role("article").filter(has_text="Quillhaven")
    assert re.search(rf"Active instances\s+{len(fleet)}\b", quillhaven.inner_text())


def test_an_application_what_do_its_instances_use(demo, page):
    page.goto(demo.address + FLEET)
    page.get_by_role("link", name="Users count", exact=True).click()
    page.get_by_role("heading", name="Users count").wait_for()
    active = look(demo, page, page.url.removeprefix(demo.address).partition("#")[0])

    page.get_by_text("The same as a table").first.click()
    newest = page.locator("#chart tbody tr").first.locator("td").last.inner_text()
    users = sum(row["users_count"] for row in active if isinstance(row["users_count"], int))
    assert int(newest.replace(",", "")) == users

    # Who is behind a number is one click away.
    bar = page.locator("#breakdowns a", has_text="postgresql").first
    bar.click()
    page.wait_for_url("**f.db.engine=postgresql**")
    page.wait_for_function("document.querySelector('#instances-title').innerText.includes(' of ')")
    with_it = [row for row in active if row["db.engine"] == "postgresql"]
    assert number(page.locator("#instances-title [data-count]").inner_text()) == len(with_it)


def test_a_metric_how_much_is_usual_and_who_has_most(demo, page):
    fleet = look(demo, page, f"{FLEET}metric/?key=users_count")
    values = sorted(row["users_count"] for row in fleet if isinstance(row["users_count"], int))

    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    assert float(card(page, "Median")) == pytest.approx(median, rel=0.01)
    most = page.locator("section", has=page.get_by_role("heading", name="Who reports most")).locator("tbody tr").first
    assert int(most.locator("td").last.inner_text()) == values[-1]
    most.get_by_role("link").click()
    page.get_by_role("heading", name="Instance").first.wait_for()
    page.locator("tr", has_text="users_count").first.wait_for()


@pytest.mark.parametrize("name", ["history", "distribution"])
def test_a_picture_of_a_chart_is_taken_away(demo, page, name):
    page.goto(f"{demo.address}{FLEET}metric/?key=users_count")
    with page.expect_download() as saved:
        page.locator(f'[data-png="{name}"]').click()

    assert saved.value.suggested_filename == f"{name}.png"
    picture = saved.value.path().read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 2000  # An empty one is smaller.


def test_versions_how_much_of_the_fleet_is_on_the_newest(demo, page):
    active = look(demo, page, f"{FLEET}versions/")

    newest = max((row["Version"] for row in active), key=lambda version: [int(part) for part in version.split(".")])
    share = sum(row["Version"] == newest for row in active) / len(active)
    assert number(card(page, "On the newest version")) == pytest.approx(share * 100, abs=0.5)
    row = page.locator("tr", has_text=newest).filter(has_text="Newest")
    row.get_by_role("link", name=newest).click()
    page.wait_for_url("**f.app_version=**")
    count = page.locator("#instances-title [data-count]").inner_text()
    assert number(count) == sum(row["Version"] == newest for row in active)


def test_the_lifecycle_do_they_stay(demo, page):
    fleet = look(demo, page, f"{FLEET}lifecycle/")

    assert 0 < number(card(page, "Stay 4 weeks")) <= 100
    net = page.locator(".shm-kpi", has_text="Net").inner_text()
    before, now = map(int, re.search(r"(\d+) → (\d+) active", net).groups())
    assert now == len(fleet)
    assert int(card(page, "Net").replace("−", "-").replace("±", "")) == now - before


def test_an_instance_is_it_well(demo, page):
    newest = listed(demo, page, "state=active&sort=-last_report_at")[0]
    page.goto(f"{demo.address}/instances/{newest['instance']}/")

    assert "It counts" in page.locator("main").inner_text()
    assert card(page, "Version") == newest["Version"]
    assert card(page, "Reports every") == "1 hour"
    assert str(newest["users_count"]) in page.locator("pre").inner_text()
