"""GET and POST /applications/<slug>/metric-settings/: what maintainers say of their keys."""

import json
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client
from django.utils import timezone

from dashboard.metric_settings import PAGE_SIZE, MetricSettingsPage
from instances.models import Application
from metrics.models import MetricSetting
from metrics.units import Unit
from tests import fleet
from tests.conftest import HOSTILE
from tests.queries import queries

URL = "/applications/ledger/metric-settings/"
REPORT = {"documents": 5, "index_hit_ratio": 0.5, "app_users": 3, "edition": "pro", "storage_bytes": 6_500_000_000}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def reporting(ledger):
    return fleet.instance(ledger, {timezone.now(): REPORT})


@pytest.fixture
def get(client, maintainer, ledger):
    client.force_login(maintainer)
    return lambda **query: client.get(URL, query)


def rows(response):
    assert response.status_code == 200
    return {row.metric.key: row for row in response.context["page"].rows}


def fields(response):
    """Everything that a browser would send of the page's form if nothing was touched."""
    sent = {}
    for row in rows(response).values():
        for bound in row.form:
            value = bound.value()
            if bound.name == "hidden":
                if value:
                    sent[bound.html_name] = "on"
                sent[bound.html_initial_name] = str(value)
                continue
            sent[bound.html_name] = "" if value is None else str(value)
            if bound.field.show_hidden_initial:
                sent[bound.html_initial_name] = sent[bound.html_name]
    return sent


@pytest.fixture
def change(client, get):
    """Changes what is given by key on the page as it is now, and sends it."""

    def change(query=None, page=None, **changes):
        page = page or get(**(query or {}))
        sent, forms = fields(page), {key: row.form for key, row in rows(page).items()}
        for key, said in changes.items():
            for name, value in said.items():
                sent[forms[key].add_prefix(name)] = value
        address = URL if not query else f"{URL}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
        return client.post(address, sent)

    return change


def settings_of(key):
    setting = MetricSetting.objects.get(key=key)
    said = {name: getattr(setting, name) for name in MetricSetting.SAID}
    return {name: value for name, value in said.items() if value is not None and value is not False and value != ""}


# What it shows


def test_each_key_that_the_fleet_reports_has_a_row(get, reporting):
    found = rows(get())

    assert list(found) == ["documents", "edition", "index_hit_ratio", "storage_bytes", "app_users"]
    assert (found["documents"].value, found["edition"].value) == (5, None)
    assert "unit" in found["documents"].form.fields
    assert not {"unit", "aggregation"} & set(found["edition"].form.fields)


def test_what_the_name_says_stands_in_the_empty_fields(get, reporting):
    form = rows(get())["index_hit_ratio"].form

    assert 'placeholder="Index hit ratio"' in str(form["label"])
    assert '<option value="" selected>Ratio, 0 to 1</option>' in str(form["unit"])
    assert '<option value="" selected>Median</option>' in str(form["aggregation"])
    assert '<option value="" selected>Business</option>' in str(form["kind"])
    assert str(form["unit"]).count("Ratio, 0 to 1</option>") == 1


def test_what_has_been_chosen_stays_chosen_even_if_the_name_says_the_same(get, ledger, reporting):
    MetricSetting.objects.create(application=ledger, key="storage_bytes", unit="bytes")

    assert '<option value="bytes" selected>Bytes</option>' in str(rows(get())["storage_bytes"].form["unit"])


def test_each_unit_can_be_chosen(get, reporting):
    offered = re.findall(r'<option value="([^"]*)"', str(rows(get())["documents"].form["unit"]))

    assert sorted(offered) == sorted({*Unit} - {"number"} | {""})


def test_values_are_written_as_everywhere(get, reporting):
    text = get().content.decode()

    assert "6.5\u00a0GB" in text
    assert "50\u00a0%" in text


def test_what_is_hidden_or_not_reported_any_more_is_here_alone(get, ledger, reporting):
    MetricSetting.objects.create(application=ledger, key="documents", hidden=True)
    MetricSetting.objects.create(application=ledger, key="gone", label="Gone")

    assert {"documents", "gone"} <= set(rows(get()))
    assert list(rows(get(show="hidden"))) == ["documents"]
    assert list(rows(get(show="gone"))) == ["gone"]
    assert set(rows(get(show="set"))) == {"documents", "gone"}


@pytest.mark.parametrize(
    ("asked", "found"), [("RATIO", ["index_hit_ratio"]), ("pages", ["documents"]), ("nothing", []), ("%", [])]
)
def test_it_is_searched_by_key_and_label(get, ledger, reporting, asked, found):
    MetricSetting.objects.create(application=ledger, key="documents", label="Pages")

    assert list(rows(get(q=asked))) == found


def test_an_application_without_reports_says_what_will_be_here(get):
    assert "No active instance reports a key yet" in get().content.decode()


def test_many_keys_come_in_pages_that_can_be_sent(client, get, ledger):
    fleet.instance(ledger, {timezone.now(): {f"key_{number}": number for number in range(120)}})

    response = get(page=2)

    assert list(rows(response)) == [f"key_{number}" for number in range(PAGE_SIZE, 2 * PAGE_SIZE)]
    sent = fields(response)
    assert client.post(f"{URL}?page=2", sent).status_code == 302
    assert len(sent) < 1000  # Django refuses more.


def test_it_costs_no_more_for_more_keys(get, ledger):
    def cost(keys):
        fleet.instance(ledger, {timezone.now(): {f"key_{number}": number for number in range(keys)}})
        return queries(get)

    cost(1)
    assert cost(2) == cost(40)


# What it changes


def test_several_are_changed_at_once(change, reporting):
    response = change(
        documents={
            "label": "Pages",
            "unit": "kilobytes",
            "aggregation": "mean",
            "description": "All of them",
            "order": 3,
        },
        app_users={"kind": "business", "hidden": "on"},
    )

    assert (response.status_code, response["Location"]) == (302, URL)
    assert settings_of("documents") == {
        "label": "Pages",
        "unit": "kilobytes",
        "aggregation": "mean",
        "description": "All of them",
        "order": 3,
    }
    assert settings_of("app_users") == {"kind": "business", "hidden": True}
    assert MetricSetting.objects.count() == 2


def test_order_zero_is_said_as_well(change, reporting):
    change(documents={"order": 0})

    assert settings_of("documents") == {"order": 0}


def test_emptied_fields_are_as_the_name_has_them_again(change, reporting):
    change(documents={"label": "Pages", "order": 3, "hidden": "on"})

    change(documents={"label": " "})
    assert settings_of("documents") == {"order": 3, "hidden": True}
    change(documents={"order": "", "hidden": ""})

    assert not MetricSetting.objects.exists()


def test_nothing_is_written_for_what_was_not_touched(change, ledger, reporting):
    MetricSetting.objects.create(application=ledger, key="documents", label="Pages", hidden=True)

    response = change()

    assert response.status_code == 302
    assert settings_of("documents") == {"label": "Pages", "hidden": True}
    assert not LogEntry.objects.exists()


def test_what_another_changed_meanwhile_stays(change, get, reporting):
    page = get()
    change(documents={"label": "Pages"}, app_users={"label": "People"})

    change(page=page, documents={"unit": "bytes"})

    assert settings_of("documents") == {"label": "Pages", "unit": "bytes"}
    assert settings_of("app_users") == {"label": "People"}


def test_what_is_wrong_is_said_in_its_row_and_nothing_is_kept(change, reporting):
    response = change(
        documents={"order": -1, "label": "Pages"}, app_users={"unit": "furlongs"}, storage_bytes={"label": "x" * 101}
    )

    found = rows(response)
    assert not MetricSetting.objects.exists()
    assert found["documents"].form.errors["order"]
    assert found["app_users"].form.errors["unit"]
    assert found["storage_bytes"].form.errors["label"]
    assert 'value="Pages"' in response.content.decode()


def test_a_text_has_neither_unit_nor_aggregation(change, client, get, reporting):
    page = get()
    sent = fields(page)
    prefix = rows(page)["edition"].form.prefix

    client.post(URL, {**sent, f"{prefix}-unit": "bytes", f"{prefix}-aggregation": "sum", f"{prefix}-label": "Plan"})

    assert settings_of("edition") == {"label": "Plan"}


@pytest.mark.parametrize("key", [*HOSTILE, "a\r\nb", "\u2028", "😀" * 50])
def test_a_key_may_be_anything(change, ledger, key):
    fleet.instance(ledger, {timezone.now(): {key: 1}})

    response = change(**{key: {"label": "<script>alert(1)</script>\u202e", "description": "{{ 7|add:7 }}"}})

    assert response.status_code == 302
    assert settings_of(key)["description"] == "{{ 7|add:7 }}"


def test_hostile_keys_and_labels_are_text(get, ledger):
    fleet.instance(ledger, {timezone.now(): {key: index for index, key in enumerate(HOSTILE)}})
    for key in HOSTILE:
        MetricSetting.objects.create(application=ledger, key=key, label=key[:100], description=key)

    text = get().content.decode()

    assert "<script>alert" not in text
    assert "<img src=x" not in text


@pytest.mark.parametrize(
    "key", ["", "nonsense", "1", "null", "[]", '{"a": 1}', '"\\ud800"', '"\\u0000"', json.dumps("x" * 501), "[" * 9999]
)
def test_a_damaged_row_is_refused(client, get, reporting, key):
    get()

    response = client.post(URL, {"0-key": key, "0-label": "Pages"})

    assert response.status_code == 400
    assert b"Load the page again" in response.content
    assert not MetricSetting.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"99-key": '"documents"', "99-label": "Pages"}, {"-key": "1"}])
def test_rows_that_there_are_not_change_nothing(client, get, reporting, sent):
    get()

    assert client.post(URL, sent).status_code == 302
    assert not MetricSetting.objects.exists()


def test_one_may_speak_of_a_key_that_nobody_reports_any_more(change, get, ledger, reporting):
    page = get()
    ledger.instances.all().delete()

    change(page=page, documents={"label": "Pages"})

    assert settings_of("documents") == {"label": "Pages"}


def test_the_view_that_was_asked_for_is_kept(change, reporting):
    response = change({"q": "doc", "show": ""}, documents={"label": "Doc pages"})

    assert response["Location"] == f"{URL}?q=doc&show="


# Who may


def test_it_is_in_the_audit_log_by_key_and_field(change, ledger, maintainer, reporting):
    change(documents={"label": "Pages", "unit": "bytes"}, app_users={"hidden": "on"})
    change(documents={"label": "", "unit": ""})

    last, first = LogEntry.objects.all()
    assert (first.user, first.action_flag, first.object_id, first.object_repr) == (
        maintainer,
        CHANGE,
        str(ledger.pk),
        "Ledger",
    )
    assert first.get_change_message() == "Metric settings: documents (label, unit), app_users (hidden)."
    assert last.get_change_message() == "Metric settings: documents (as by its name)."


def test_a_viewer_neither_sees_nor_changes_them(client, viewer, ledger, reporting):
    client.force_login(viewer)

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"0-key": '"documents"', "0-label": "Pages"}).status_code == 403
    assert not MetricSetting.objects.exists()
    assert URL not in client.get("/applications/ledger/").content.decode()


def test_another_teams_application_is_not_found(client, other_maintainer, ledger, reporting):
    client.force_login(other_maintainer)

    assert client.get(URL).status_code == 404
    assert client.post(URL, {"0-key": '"documents"', "0-label": "Pages"}).status_code == 404
    assert not MetricSetting.objects.exists()


def test_another_applications_settings_are_its_own(change, get, team, reporting):
    other = Application.objects.create(name="Other", slug="other", team=team)
    MetricSetting.objects.create(application=other, key="documents", label="Theirs")

    assert rows(get())["documents"].metric.label == "Documents"
    change(documents={"label": "Ours"})

    assert sorted(MetricSetting.objects.values_list("application__slug", "label")) == [
        ("ledger", "Ours"),
        ("other", "Theirs"),
    ]


def test_what_another_site_sends_is_refused(maintainer, ledger, reporting):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(maintainer)

    assert strict.post(URL, {"0-key": '"documents"', "0-label": "Pages"}).status_code == 403


def test_links_lead_there(client, maintainer, ledger, reporting):
    client.force_login(maintainer)

    for page in ("/applications/ledger/", f"/admin/instances/application/{ledger.pk}/change/"):
        assert f'href="{URL}"' in client.get(page).content.decode()
    assert f'href="{URL}?q=documents"' in client.get("/applications/ledger/metric/?key=documents").content.decode()


# What it does


def test_what_was_said_is_everywhere(client, change, get, ledger, reporting):
    fleet.instance(ledger, {timezone.now() - timedelta(hours=1): {"documents": 9}})
    change(documents={"label": "Archive", "unit": "gigabytes", "aggregation": "maximum", "description": "On disk"})

    page = client.get("/applications/ledger/", {"metric": "documents"})

    [card] = [card for card in page.context["page"].cards[0] if card.key == "documents"]
    text = page.content.decode()
    assert (card.label, card.value, card.summary) == ("Archive", 9, "Maximum")
    assert card.series.values[-1] == 9
    assert page.context["page"].chart.data()["lines"][0]["points"][-1][1] == 9
    assert page.context["page"].chart.sheet.columns == ["Time", "Archive (GB)"]
    assert 'title="documents: On disk"' in text
    assert "9\u00a0GB" in text
    metric = client.get("/applications/ledger/metric/", {"key": "documents"})
    assert "On disk" in metric.content.decode()
    assert metric.context["page"].chart.data()["lines"][0]["points"][-1][1] == 9
    assert b">9<" in client.get("/badge/ledger/metric/documents").content
    assert b">9 / 2<" in client.get("/badge/ledger/combined?metric=documents").content


def test_the_order_is_everywhere(client, change, ledger, reporting):
    change(storage_bytes={"order": 1}, index_hit_ratio={"order": 0})

    page = client.get("/applications/ledger/").context["page"]

    assert [card.key for card in page.cards[0]] == ["index_hit_ratio", "storage_bytes", "documents"]
    instance = client.get(reporting.get_absolute_url()).context["page"]
    assert instance.numbers[0] == "index_hit_ratio"


def test_the_page_without_a_request_is_what_is_asked_for(rf, ledger, reporting):
    page = MetricSettingsPage(ledger, rf.get("/", {"show": "nonsense", "page": "x"}).GET, None, timezone.now())

    assert page.show.name == ""
    assert len(page.rows) == 5
