"""Every chart can be taken away as a picture that says by itself what it shows."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page

from instances.models import Application, Instance
from tests import fleet
from tests.test_accessibility import filled, reader, without_scripts  # noqa: F401 - fixtures
from tests.test_browser import browser, page  # noqa: F401 - fixtures
from tests.test_browser_policy import watch
from tests.test_facts import close

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCALE, PADDING, LEAST = 2, 24, 640
# The size, the colour of the first pixel, and of how many pixels the colour is another.
LOOKED_AT = """async (address) => {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const all = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
    const rows = (from, to) => all.subarray(from * image.width, to * image.width);
    const inked = (from, to) => rows(from, to).filter((one) => one !== all[0]).length;
    const pixel = context.getImageData(0, 0, 1, 1).data;
    return {
        width: image.width,
        height: image.height,
        ground: Array.from(pixel),
        head: inked(0, 120),
        figure: inked(120, image.height),
        colours: new Set(all).size,
    };
}"""


@pytest.fixture
def ledger(transactional_db) -> Application:
    return Application.named("Ledger")


@pytest.fixture
def living(ledger) -> Instance:
    """One that has been silent for a while, and the hours that were counted meanwhile."""
    now = datetime.now(UTC)
    for back in range(24):
        at = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=back)
        close(ledger, at, heard=1 + back % 5)
    reports = {now - timedelta(days=day): {"documents": 50 - day} for day in [*range(40, 30, -1), *range(4, -1, -1)]}
    return fleet.instance(ledger, reports, app_version="1.0")


def taken(page: Page, name: str) -> dict:  # noqa: F811
    """The picture as a file, looked at by the browser."""
    button = page.locator(f'[data-png="{name}"]').first
    button.scroll_into_view_if_needed()
    with page.expect_download() as saved:
        button.click()
    assert saved.value.suggested_filename == f"{name}.png"
    picture = saved.value.path().read_bytes()
    assert picture.startswith(b"\x89PNG")
    return page.evaluate(LOOKED_AT, f"data:image/png;base64,{base64.b64encode(picture).decode()}")


def is_whole(page: Page, picture: dict, name: str) -> None:  # noqa: F811
    """It has the figure's own size, but is never narrower than can be read, and has a title and something below it."""
    on_the_page = page.locator(f'[data-figure="{name}"]').first.bounding_box()
    assert on_the_page
    assert picture["width"] == round((max(on_the_page["width"], LEAST) + 2 * PADDING) * SCALE)
    assert picture["height"] > 2 * PADDING * SCALE + 100
    assert picture["head"] > 500
    assert picture["figure"] > 2000
    assert picture["colours"] > 10


LIFE, PULSE, CHARTS = "/instances/{living.pk}/", "/", "/applications/ledger/metric/?key=documents"


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize(
    ("name", "path"), [("life", LIFE), ("reports-ledger", PULSE), ("history", CHARTS), ("distribution", CHARTS)]
)
def test_each_is_a_picture_of_its_own(live_server, page, ledger, living, name, path, width):  # noqa: F811
    fleet.instance(ledger, {datetime.now(UTC): {"documents": 5}})
    watch(page)  # Nothing of it is against the Content-Security-Policy.
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(live_server.url + path.format(living=living))

    picture = taken(page, name)

    is_whole(page, picture, name)
    assert picture["ground"] == [255, 255, 255, 255]
    assert page.locator("[data-pictured]").count() == 0


@pytest.mark.parametrize(("name", "path"), [("life", LIFE), ("reports-ledger", PULSE), ("history", CHARTS)])
def test_in_the_dark_it_is_dark(live_server, page, ledger, living, name, path):  # noqa: F811
    page.evaluate("localStorage.adminTheme = '\"dark\"'")
    page.goto(live_server.url + path.format(living=living))

    picture = taken(page, name)

    is_whole(page, picture, name)
    red, green, blue, alpha = picture["ground"]
    assert (max(red, green, blue) < 60, alpha) == (True, 255)


def test_it_names_whose_it_is(live_server, page, ledger, living):  # noqa: F811
    """The words are drawn with the page's font, so what is drawn is asked of the canvas itself."""
    page.add_init_script(
        "window.written = []; const write = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {"
        "  window.written.push(text); write.call(this, text, ...rest); }"
    )
    page.goto(live_server.url + LIFE.format(living=living))
    taken(page, "life")

    written = page.evaluate("window.written")
    note = written[written.index("Its life") + 1]
    assert note.startswith(f"Instance {living.short_id} · Ledger · ")
    assert {"Version", "Reports", "Events", "1.0"} <= set(written)
    assert "Registered, activated, first report" in written
    assert not {"CSV", "JSON", "PNG", "The same as a table"} & set(written)


def test_without_scripts_none_is_offered(live_server, without_scripts, filled):  # noqa: F811
    for path in ("/instances/{instance}/", "/applications/{slug}/"):
        without_scripts.goto(live_server.url + path.format(**filled))
        buttons = without_scripts.locator("[data-png]")
        assert buttons.count()
        assert not any(button.is_visible() for button in buttons.all())
