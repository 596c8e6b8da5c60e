"""What a maintainer sees, in a real browser."""

import json
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, sync_playwright

from instances.models import Application
from tests import fleet
from tests.installation import Installation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = [390, 1440]


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    # Playwright keeps an event loop in this thread, and Django takes that for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(profile, executable_path=chromium, args=FLAGS)
        yield context
        context.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser, live_server) -> Iterator[Page]:
    """A signed-in page. Fails the test for any error in the console, failed load, or request to another host."""
    User.objects.create_superuser("maintainer", password="correct horse")
    complaints: list[str] = []
    page = browser.new_page()
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "response", lambda response: response.status >= 400 and complaints.append(f"{response.status} {response.url}")
    )

    def stays_here(request) -> None:
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(live_server.url):
            complaints.append(f"left the host: {request.url}")

    page.on("request", stays_here)
    page.goto(f"{live_server.url}/")
    page.get_by_label("Username").fill("maintainer")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{live_server.url}/")
    yield page
    page.close()
    browser.clear_cookies()
    assert complaints == []


def send(server: str, installation: Installation, path: str, body: dict) -> int:
    data = json.dumps(body).encode()
    headers = {
        "X-Instance-ID": installation.id,
        "X-Signature": installation.sign(data),
        "Content-Type": "application/json",
    }
    with urllib.request.urlopen(urllib.request.Request(server + path, data, headers)) as response:
        return response.status


def report(server: str, installation: Installation, metrics: dict) -> None:
    now = datetime.now(UTC).isoformat()
    assert (
        send(
            server, installation, "/v1/snapshot", {"instance_id": installation.id, "timestamp": now, "metrics": metrics}
        )
        == 202
    )


def introduce(server: str, installation: Installation) -> None:
    body = {"instance_id": installation.id, "public_key": installation.public_key, **installation.description}
    assert send(server, installation, "/v1/register", body) == 201
    assert send(server, installation, "/v1/activate", {}) == 200


def wait_until_drawn(page: Page) -> None:
    """Until more than a few pixels of the chart's canvas are not transparent."""
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("#chart canvas");
            if (!canvas || !canvas.width) return false;
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let drawn = 0;
            for (let i = 3; i < data.length; i += 4) if (data[i]) drawn += 1;
            return drawn > 100;
        }"""
    )


def test_a_key_never_seen_before_becomes_a_card_a_column_and_a_chart(live_server, page):
    installation = Installation("Ledger", "1.0.0")
    introduce(live_server.url, installation)
    report(live_server.url, installation, {"documents": 5})
    page.goto(f"{live_server.url}/applications/ledger/")
    assert page.get_by_role("link", name="Documents").count() == 2  # A card and a column's heading.
    assert page.get_by_text("brand_new_key").count() == 0

    report(live_server.url, installation, {"documents": 5, "brand_new_key": 1234})
    page.reload()

    card = page.get_by_role("link", name="Brand new key").first
    assert "1.23k" in card.locator("..").inner_text()
    page.get_by_role("columnheader", name="Brand new key").wait_for()
    page.get_by_role("cell", name="1.23k").wait_for()
    card.click()
    page.get_by_role("heading", name="Brand new key").wait_for()
    wait_until_drawn(page)

    page.get_by_role("link", name=installation.id[:8]).click()
    page.get_by_role("rowheader", name="Brand new key").wait_for()
    page.get_by_role("cell", name="1,234").wait_for()


def test_the_chart_of_a_single_value_shows_it(live_server, page):
    """What a new application looks like in its first hour."""
    installation = Installation("Ledger", "1.0.0")
    introduce(live_server.url, installation)
    report(live_server.url, installation, {"documents": 5})
    page.goto(f"{live_server.url}/applications/ledger/?metric=documents")
    page.get_by_text("So far there is one value").wait_for()
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("#chart canvas");
            if (!canvas || !canvas.width) return false;
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            let coloured = 0;
            // The grid and its labels are grey: what is much bluer than red is the point.
            for (let i = 0; i < data.length; i += 4) if (data[i + 3] && data[i + 2] - data[i] > 80) coloured += 1;
            return coloured > 10;
        }"""
    )


@pytest.fixture
def busy_fleet(transactional_db) -> Application:
    """Twelve instances with a month behind them, of long names, many keys and values of every shape."""
    application = Application.named("A product whose name is about as long as names of products get to be")
    now = datetime.now(UTC)
    for number in range(12):
        metrics = {f"a_rather_long_metric_name_{key}": number * key for key in range(12)} | {
            "storage": {"engine": "postgresql", "size_gb": 1.5 * number},
            "feature_enabled": number % 2 == 0,
            "unbroken": "x" * 200,
        }
        times = [now - timedelta(days=day, minutes=number) for day in range(0, 30, 3)]
        fleet.instance(application, dict.fromkeys(times, metrics), app_version=f"1.{number % 3}.0-{'rc' * 20}")
    return application


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off(live_server, page, busy_fleet, scheme):
    page.emulate_media(color_scheme=scheme)
    instance = busy_fleet.instances.first()
    paths = [
        "/",
        busy_fleet.get_absolute_url(),
        f"{busy_fleet.get_absolute_url()}?metric=storage.size_gb&period=7d",
        f"{busy_fleet.get_absolute_url()}metric-settings/",
        f"{busy_fleet.get_absolute_url()}?f.unbroken={'x' * 200}&min.storage.size_gb=1&state=new&c=all&nothing=x",
        f"{busy_fleet.get_absolute_url()}versions/",
        f"{busy_fleet.get_absolute_url()}views/",
        instance.get_absolute_url(),
        f"/admin/instances/application/{busy_fleet.pk}/change/",
        f"/admin/instances/instance/{instance.pk}/change/",
    ]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for path in paths:
            page.goto(live_server.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} scrolls sideways at {width}"
            assert cut_off(page) == [], f"{path} at {width}"


def cut_off(page: Page) -> list[str]:
    """Visible elements of the page that reach beyond its right edge, but for what scrolls in a frame of its own."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".shm *")].filter((element) => {
            if (element.closest(".shm-frame, .shm-code, details:not([open]) > :not(summary)")) return false;
            const box = element.getBoundingClientRect();
            return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )


def test_the_table_is_narrowed_without_loading_the_page(live_server, page, busy_fleet):
    page.goto(live_server.url + busy_fleet.get_absolute_url())
    page.evaluate("window.isTheSamePage = true")
    count = page.locator("#instances-title [data-count]")

    # The keyboard stays where it was, also when what it was on is gone.
    page.locator("#state-active").press("Enter")
    page.wait_for_url("**/?state=active")
    page.wait_for_function("document.activeElement.id === 'state-active'")
    page.get_by_label("Search instances").press_sequentially("1.0.")
    page.wait_for_url("**/?q=1.0.&state=active")
    page.wait_for_function("document.activeElement.id === 'instances-search'")
    assert count.inner_text() == "4 of 12"
    assert "4 of 12" in page.get_by_role("status").last.inner_text()

    page.locator(".shm-panels summary", has_text="Filter").click()
    page.get_by_role("group", name="Feature enabled").get_by_label("true").check()
    page.get_by_label("at least").last.fill("4")
    page.get_by_role("button", name="Show these").locator("visible=true").click()
    page.wait_for_url("**/?q=1.0.&state=active&f.feature_enabled=true&min.*=4")
    assert count.inner_text() == "1 of 12"
    # What stands above it goes on from what is asked for now.
    page.locator('#chart a[href*="period=7d"][href*="f.feature_enabled=true"]').wait_for()
    assert "q=1.0." in page.locator("#breakdowns a").first.get_attribute("href")

    page.get_by_role("link", name="Remove Feature enabled: true").click()
    page.wait_for_function("document.activeElement.id === 'instances-title'")
    assert page.evaluate("window.isTheSamePage")

    page.go_back()
    page.get_by_role("link", name="Remove Feature enabled: true").wait_for()
    wait_until_drawn(page)
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('htmx'))") == []


def axes(page) -> dict[str, list[str]]:
    """What is written along the axes of the chart, once it is drawn."""
    page.wait_for_function("window.Chart && Chart.getChart(document.querySelector('#chart canvas'))")
    return page.evaluate(
        """() => {
            const { x, y } = Chart.getChart(document.querySelector("#chart canvas")).scales;
            return { x: x.ticks.map((tick) => tick.label), y: y.ticks.map((tick) => tick.label) };
        }"""
    )


def test_the_axis_of_shares_ends_at_all_of_them(live_server, page):
    fleet.instance(Application.named("Ledger"), {datetime.now(UTC): {"cache_hit_ratio": 0.99, "storage_mb": 10**7}})

    page.goto(f"{live_server.url}/applications/ledger/?metric=cache_hit_ratio")
    shares = axes(page)
    page.goto(f"{live_server.url}/applications/ledger/?metric=storage_mb")
    sizes = axes(page)

    assert (shares["y"][0], shares["y"][-1]) == ("0\u00a0%", "100\u00a0%")
    assert sizes["y"][0] == "0"
    assert sizes["y"][-1].endswith("TB")
    # The one time that there is, and no hours around it.
    assert len(shares["x"]) == len(sizes["x"]) == 1


def test_a_chart_follows_the_theme(live_server, page, busy_fleet):
    page.goto(live_server.url + busy_fleet.get_absolute_url())
    picture = "document.querySelector('#chart canvas').toDataURL()"
    page.wait_for_function(f"{picture}.length > 5000")
    light = page.evaluate(picture)
    page.evaluate("document.documentElement.classList.add('dark')")
    page.wait_for_function(f"(light) => {picture} !== light", arg=light)


def test_a_page_is_printed_light_and_whole(live_server, page, busy_fleet):
    page.goto(live_server.url + busy_fleet.get_absolute_url())
    page.evaluate("localStorage.adminTheme = JSON.stringify('dark')")
    page.reload()
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    # Added last, so it sees what the page's own have done.
    page.evaluate(
        """addEventListener("beforeprint", () => {
            window.wasDark = document.documentElement.classList.contains("dark");
        })"""
    )

    page.pdf(format="A4")

    assert page.evaluate("window.wasDark") is False
    page.wait_for_function("document.documentElement.classList.contains('dark')")
    page.emulate_media(media="print")
    assert page.locator("#instances tbody tr").first.is_visible()
    for unwanted in (".shm-tabs", ".shm-take-away", "#nav-sidebar", "#instances form"):
        assert not page.locator(unwanted).first.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("localStorage.removeItem('adminTheme')")


def test_an_instance_is_revoked_after_it_was_asked_for(live_server, page, busy_fleet):
    instance = busy_fleet.instances.first()
    page.goto(live_server.url + instance.get_absolute_url())
    page.get_by_text("Revoke…").click()
    page.get_by_label("Reason").fill("Cloned disk image")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("Restore…").wait_for()
    assert page.get_by_text("Cloned disk image").first.is_visible()
    instance.refresh_from_db()
    assert instance.state == instance.State.REVOKED


def test_the_commands_of_an_empty_page_send_a_first_snapshot(live_server, page, settings):
    """What the overview hands over is run to the letter, less the installation of PyNaCl."""
    page.goto(live_server.url)
    commands = page.locator("pre").inner_text()
    program = commands.split("<<'END'\n")[1].removesuffix("END").strip()
    exec(compile(program, "first_snapshot", "exec"), {})
    page.reload()
    page.get_by_role("article").get_by_role("link", name="My application").first.wait_for()


def test_times_are_by_the_reader_s_clock_until_the_reader_wants_utc(live_server, page):
    at = datetime.now(UTC) - timedelta(days=3)
    application = Application.objects.create(name="Ledger", slug="ledger")
    instance = fleet.instance(application, {at: {"documents": 5}})
    tokyo = f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M}"
    page.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    page.goto(f"{live_server.url}/")
    page.goto(f"{live_server.url}/instances/{instance.pk}/")
    assert page.get_by_text(tokyo, exact=True).count()

    foot = page.locator("footer")
    foot.get_by_role("button", name="Show in UTC").click()
    assert page.get_by_text(f"{at:%Y-%m-%d %H:%M} UTC", exact=True).count()
    foot.get_by_role("button", name="Show by my clock").click()
    assert page.get_by_text(tokyo, exact=True).count()


def test_the_language_is_chosen_at_the_foot_of_any_page(live_server, page):
    page.goto(f"{live_server.url}/")
    page.locator("footer").get_by_role("button", name="Français").click()

    page.wait_for_url(f"{live_server.url}/")
    assert page.locator("html").get_attribute("lang") == "fr"
    page.locator("footer").get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
