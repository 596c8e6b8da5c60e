"""What a browser lets the pages do: all that they need, and nothing that was slipped into them."""

import base64
import re

import pytest
from django.contrib.auth.models import User
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Page

from tests.test_browser import browser, page  # noqa: F401 - fixtures
from tests.test_teams import TABLE, filled, ledger_instance  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SUPERUSER = 4
NOT_HTML = ("/badge/", "/v1/", "/api/", "/readyz", ".csv", ".json", "autocomplete", "jsi18n")
# What the addresses of the table do not show: a chosen chart, a filter, forms in pop-ups.
MORE = [
    "/applications/ledger/?metric=documents&period=7d",
    "/instances/{instance}/?metric=documents",
    "/admin/instances/instance/?state__exact=active&q=a&o=-2",
    "/admin/auth/group/add/?_popup=1",
]


def watch(page: Page) -> None:  # noqa: F811
    """Has every breach of the policy printed to the console, which fails the test at its end."""
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error("
        "`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"
    )


@pytest.fixture
def addresses(filled) -> list[str]:  # noqa: F811
    paths = [path for path, statuses in TABLE.values() if statuses[SUPERUSER] == 200]
    return [path.format(**filled) for path in [*paths, *MORE] if not any(part in path for part in NOT_HTML)]


def test_every_page_does_all_it_wants_within_the_policy(live_server, page, addresses):  # noqa: F811
    watch(page)
    assert len(addresses) > 30
    for path in addresses:
        response = page.goto(live_server.url + path)
        assert response
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'"), path
        # Until Alpine.js has started.
        page.wait_for_function("!document.documentElement.classList.contains('shm-starting')")


def test_the_sign_in_page_keeps_to_the_policy(live_server, page):  # noqa: F811
    watch(page)
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/login/")
    page.get_by_label("Username").fill("maintainer")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Please enter the correct").wait_for()


def test_forms_with_dates_lists_and_pop_ups_keep_to_the_policy(live_server, page, filled):  # noqa: F811
    watch(page)
    page.goto(f"{live_server.url}/admin/auth/user/{filled['user']}/change/")
    page.locator(".datetimeshortcuts a").nth(1).click()
    page.locator(".calendarbox:visible td a").first.click()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", page.locator("#id_last_login_0, #id_date_joined_0").first.input_value())
    page.goto(f"{live_server.url}/admin/instances/application/{filled['application']}/change/")
    page.get_by_text("more_vert").locator("visible=true").first.click()
    with page.expect_popup() as opened:
        page.locator("#add_id_team").click()
    opened.value.locator("#id_name").fill("Potters")
    with opened.value.expect_event("close"):
        opened.value.get_by_role("button", name="Save").click()
    page.wait_for_function("document.getElementById('id_team').selectedOptions[0].text === 'Potters'")


INJECTED = """() => {
    window.ran = [];
    const holder = document.createElement("div");
    document.body.append(holder);
    const script = document.createElement("script");
    script.textContent = "window.ran.push('element')";
    holder.append(script);
    holder.insertAdjacentHTML("beforeend", `
        <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="
            onload="window.ran.push('handler')" onerror="window.ran.push('handler')">
        <svg onload="window.ran.push('svg')"></svg>
        <a id="injected-link" href="javascript:window.ran.push('address')">x</a>
        <style>#injected-link { color: rgb(1, 2, 3) }</style>
        <iframe srcdoc="<script>parent.ran.push('frame')<\\/script>"></iframe>
        <form id="injected-form" action="https://example.org/"><button>x</button></form>
        <base href="https://example.org/">`);
    document.getElementById("injected-link").click();
    const other = document.createElement("script");
    other.src = "https://example.org/evil.js";
    holder.append(other);
}"""


@pytest.fixture
def stranger(browser, live_server) -> Page:  # noqa: F811
    """A page whose console may complain."""
    User.objects.create_superuser("other", password="correct horse")
    opened = browser.new_page()
    opened.goto(f"{live_server.url}/admin/login/")
    yield opened
    opened.close()


def test_what_is_slipped_into_a_page_does_not_run(live_server, stranger):
    stranger.add_init_script(
        "window.blocked = [];"
        "addEventListener('securitypolicyviolation', (event) => window.blocked.push(event.effectiveDirective))"
    )
    answered: list[str] = []
    stranger.on("response", lambda response: answered.append(response.url))
    stranger.reload()

    stranger.evaluate(INJECTED)
    stranger.evaluate("document.getElementById('injected-form').submit()")

    expected = ["script-src-elem", "script-src-attr", "style-src-elem", "form-action", "base-uri"]
    stranger.wait_for_function("(all) => all.every((name) => window.blocked.includes(name))", arg=expected)
    assert stranger.evaluate("window.ran") == []
    assert stranger.evaluate("getComputedStyle(document.getElementById('injected-link')).color") != "rgb(1, 2, 3)"
    assert stranger.evaluate("document.baseURI").startswith(live_server.url)
    assert not [url for url in answered if "example.org" in url]


def test_signing_in_takes_no_javascript(browser, live_server):  # noqa: F811
    user = User.objects.create_superuser("other", password="correct horse")
    app = TOTPDevice.objects.create(user=user)
    opened = browser.new_page()
    browser.new_cdp_session(opened).send("Emulation.setScriptExecutionDisabled", {"value": True})
    opened.goto(f"{live_server.url}/admin/login/?next=/admin/two-factor/")
    opened.get_by_label("Username").fill("other")
    opened.get_by_label("Password").fill("correct horse")
    opened.get_by_role("button", name="Log in").click()
    opened.get_by_label("Code").fill(f"{totp(app.bin_key):06}")
    opened.get_by_role("button", name="Log in").click()
    opened.get_by_text("It is on: a code").wait_for()
    opened.get_by_label("Your password").fill("correct horse")
    opened.get_by_role("button", name="Turn it off").click()
    opened.get_by_role("heading", name="Set up two-factor sign-in").wait_for()
    opened.close()
    browser.clear_cookies()


def test_setting_up_two_factor_sign_in_keeps_to_the_policy(live_server, page):  # noqa: F811
    watch(page)
    page.get_by_text("maintainer", exact=True).locator("visible=true").first.click()
    page.get_by_role("link", name="Two-factor sign-in").click()
    picture = page.locator(".shm-qr svg")
    box = picture.bounding_box()
    assert box
    assert box["width"] == box["height"] > 150
    key = base64.b32decode(page.locator(".shm-key").inner_text().replace(" ", ""))
    page.get_by_label("Code that the app shows").fill(f"{totp(key):06}")
    page.get_by_label("Your password").fill("correct horse")
    page.get_by_role("button", name="Turn it on").click()
    assert len(page.locator("pre").inner_text().split("\n")) >= 10
    page.get_by_role("link", name="I have kept them").click()
    page.wait_for_url(f"{live_server.url}/")
