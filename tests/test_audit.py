"""Every change that a maintainer makes is in the audit log, by name: in the admin, in bulk, and on the pages."""

import ast
import re
from pathlib import Path

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Group, User
from django.utils import timezone, translation

from dashboard import audit
from dashboard.audit import Line
from dashboard.decisions import DECISIONS
from instances.models import Instance
from metrics.models import KeyFlag, MetricSetting
from tests import fleet
from tests.test_teams import settings_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


@pytest.fixture
def two(ledger):
    return [fleet.instance(ledger, {timezone.now(): {"users": 1}}) for _ in range(2)]


@pytest.fixture
def post(client, superuser):
    """Sends a form as the superuser. Returns what that has added to the audit log: flag, object and message."""
    client.force_login(superuser)

    def post(path, data):
        known = set(LogEntry.objects.values_list("pk", flat=True))
        assert client.post(path, data).status_code == 302
        entries = LogEntry.objects.exclude(pk__in=known).order_by("pk")
        assert {entry.user for entry in entries} <= {superuser}
        return [(entry.action_flag, entry.object_repr, entry.get_change_message()) for entry in entries]

    return post


BULK = {
    "revoke_selected": "Revoked",
    "restore_selected": "Restored",
    "exclude_selected": "Excluded",
    "include_selected": "Included",
}


@pytest.mark.parametrize("action", BULK)
def test_bulk_actions_are_logged_for_each_instance(post, two, action):
    if action == "restore_selected":
        two[0].revoke(), two[1].revoke()
    if action == "include_selected":
        two[0].exclude("manual"), two[1].exclude("manual")
    data = {"action": action, "_selected_action": [instance.pk for instance in two]}

    found = post("/admin/instances/instance/", data)

    assert sorted(found) == sorted((CHANGE, str(instance.pk), BULK[action]) for instance in two)


def test_a_bulk_action_that_cannot_be_logged_is_not_done(client, superuser, two, monkeypatch):
    client.force_login(superuser)

    def refuse(*args, **kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr("dashboard.audit.note", refuse)
    data = {"action": "revoke_selected", "_selected_action": [instance.pk for instance in two]}
    with pytest.raises(RuntimeError):
        client.post("/admin/instances/instance/", data)

    assert not Instance.objects.filter(state=Instance.State.REVOKED).exists()


def test_deletions_together_are_logged_for_each(post, two, ledger):
    data = {"action": "delete_selected", "_selected_action": [instance.pk for instance in two], "post": "yes"}
    found = post("/admin/instances/instance/", data)
    assert sorted(found) == sorted((DELETION, str(instance.pk), "") for instance in two)

    data = {"action": "delete_selected", "_selected_action": [ledger.pk], "post": "yes"}
    assert post("/admin/instances/application/", data) == [(DELETION, "Ledger", "")]


def test_an_applications_settings_are_logged_by_field(post, ledger):
    path = f"/admin/instances/application/{ledger.pk}/change/"

    [(flag, name, message)] = post(path, settings_of(ledger, active_days=14, latest_version="2.0", notice="Hello"))

    assert (flag, name) == (CHANGE, "Ledger")
    for field in ("Active window", "Latest version", "Notice", "Team"):
        assert field.lower() in message.lower()


def test_metric_settings_are_logged_by_key(post, ledger):
    def said(**fields):
        known = {f"initial-0-{name}": value for name, value in fields.pop("known", {}).items()}
        return {"0-key": '"users"', **{f"0-{name}": value for name, value in fields.items()}, **known}

    path = "/applications/ledger/metric-settings/"

    [added] = post(path, said(label="People", hidden="on"))
    [changed] = post(
        path, said(label="People", kind="system", hidden="on", known={"label": "People", "hidden": "True"})
    )
    [emptied] = post(path, said(known={"label": "People", "kind": "system", "hidden": "True"}))

    assert added == (CHANGE, "Ledger", "Metric settings: users (label, hidden).")
    assert changed == (CHANGE, "Ledger", "Metric settings: users (kind).")
    assert emptied == (CHANGE, "Ledger", "Metric settings: users (as by its name).")


def test_teams_are_logged(post, team):
    assert post("/admin/auth/group/add/", {"name": "Zookeepers"}) == [(ADDITION, "Zookeepers", "Added.")]
    [(_, _, message)] = post(f"/admin/auth/group/{team.pk}/change/", {"name": "Renamed", "permissions": [1]})
    assert "Name" in message
    assert "Permissions" in message
    assert post(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"}) == [(DELETION, "Renamed", "")]
    assert not Group.objects.filter(pk=team.pk).exists()


def test_users_and_their_rights_are_logged(post, viewer, other_team):
    passwords = {"password1": "s7aple-pass", "password2": "s7aple-pass", "usable_password": "true"}
    [(flag, name, _)] = post("/admin/auth/user/add/", {"username": "new", **passwords})
    assert (flag, name) == (ADDITION, "new")

    moments = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "last_login_0": "", "last_login_1": ""}
    data = {"username": "viewer", "is_active": "on", "is_superuser": "on", "groups": [other_team.pk], **moments}
    [(_, _, message)] = post(f"/admin/auth/user/{viewer.pk}/change/", data)
    for words in ("Superuser status", "Teams", "Staff status"):
        assert words in message

    [(_, name, message)] = post(f"/admin/auth/user/{viewer.pk}/password/", passwords)
    assert (name, message) == ("viewer", "Changed password.")
    assert post(f"/admin/auth/user/{viewer.pk}/delete/", {"post": "yes"}) == [(DELETION, "viewer", "")]
    assert not User.objects.filter(pk=viewer.pk).exists()


@pytest.mark.parametrize("name", ["revoke", "restore", "exclude", "include", "erase"])
def test_the_pages_actions_are_logged(post, two, name):
    [(flag, of, message)] = post(f"/instances/{two[0].pk}/{name}", {"confirmation": two[0].short_id})

    assert (flag, of) == (DELETION if name == "erase" else CHANGE, str(two[0].pk))
    assert message


# In the reader's language

# What a line may have in its placeholders, and what it must not be taken for.
NAMES = {
    "key": "db.size_mb",
    "version": "1.3",
    "date": "2026-11-20 10:30",
    "name": "Pro",
    "before": "Old ” is called “ one",
    "changes": "documents (label, unit), “users (x)” (as by its name)",
}


@pytest.mark.parametrize("line", Line)
def test_every_line_is_told_in_french(line, superuser, team):
    names = {name: NAMES[name] for name in re.findall(r"%\((\w+)\)s", line)}
    audit.note(superuser, [team], line, names)
    filed = LogEntry.objects.get().change_message

    assert filed == line % names
    assert audit.in_words(filed) == filed
    with translation.override("fr"):
        told = audit.in_words(filed)
        assert told != filed
        if line is not Line.METRIC_SETTINGS:
            assert told == line.told(**names) == translation.gettext(str(line)) % names
    assert all(name in told for name in names.values() if name != names.get("changes"))


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=lambda decision: decision.name)
def test_a_reason_is_told_in_the_words_of_who_gave_it(decision, superuser, team):
    audit.note(superuser, [team], decision.done, reason="Its operator asked. Reason: moved, Revoked")

    with translation.override("fr"):
        told = audit.in_words(LogEntry.objects.get().change_message)
        assert told.startswith(decision.done.told())
    assert told.endswith("Raison\u00a0: Its operator asked. Reason: moved, Revoked")


@pytest.mark.parametrize("field", MetricSetting.SAID)
def test_metric_settings_are_told_by_the_names_of_their_columns(field):
    with translation.override("fr"):
        told = audit.in_words(f"Metric settings: documents ({field}), app_users (as by its name), a (b).")
        name = str(MetricSetting._meta.get_field(field).verbose_name)
    assert told == f"Réglages des métriques\u00a0: documents ({name}), app_users (selon son nom), a (b)."


@pytest.mark.parametrize(
    "filed", ["", "%s %(name)s %d", "Release 1.3: burn.", "Revoked. Reason: none", "Users", "The view “A” is"]
)
def test_what_the_site_has_not_filed_is_told_as_it_is(filed):
    with translation.override("fr"):
        assert audit.in_words(filed) == filed


def test_the_log_and_an_object_s_history_are_in_french(client, superuser, ledger, two):
    client.force_login(superuser)
    client.cookies["shm_language"] = "fr"
    flag = KeyFlag.objects.create(application=ledger, key="owner", kind="email")
    client.post(f"/applications/ledger/flags/{flag.pk}/allow")
    client.post("/applications/ledger/views/", {"name": "Mine", "for_all": "on", "query": "state=active"})
    client.post("/applications/ledger/releases/", {"version": "1.3", "released_at": "2026-01-02T10:30"})
    client.post(f"/instances/{two[0].pk}/revoke", {"reason": "Cloned"})
    told = [
        "Ce qui est envoyé sous owner est désormais conservé.",
        "La vue «\u00a0Mine\u00a0» est enregistrée.",
        "1.3 a été publiée le 2026-01-02 10:30 UTC.",
        "Révoquée\u00a0: plus rien de ce qu’elle signe n’est accepté. Raison\u00a0: Cloned",
    ]

    log = client.get("/admin/admin/logentry/").content.decode()
    assert [text for text in told if text not in log] == []
    histories = [
        client.get(f"/admin/instances/{of}/history/").content.decode()
        for of in (f"application/{ledger.pk}", f"instance/{two[0].pk}")
    ]
    assert [text for text in told if text not in "".join(histories)] == []
    assert LogEntry.objects.filter(change_message__startswith="Revoked").count() == 1


ROOT = Path(__file__).resolve().parent.parent
# What files an entry whose words are its caller's.
FILES = {"log_action", "log_actions", "log_addition", "log_change", "log_deletion", "log_deletions"}


def test_no_line_is_filed_past_the_list_of_those_that_can_be_told():
    """Where this fails: file it with audit.note, as one of audit.Line."""
    found = set()
    for package in ("shm_site", "instances", "metrics", "dashboard"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                is_filing = isinstance(node, ast.Attribute) and node.attr in FILES
                is_row = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("LogEntry")
                if is_filing or is_row:
                    found.add(str(path.relative_to(ROOT)))
    assert found == {"dashboard/audit.py"}


def test_every_line_is_filed_somewhere():
    code = "".join(path.read_text() for path in (ROOT / "dashboard").rglob("*.py"))
    assert [line.name for line in Line if f"Line.{line.name}" not in code] == []
