"""Every kind of page, for the tests that look at all of them in a browser: a new page is one line in PAGES."""

from __future__ import annotations

import base64
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_otp.oath import totp
from playwright.sync_api import Page

from instances.enrolment import EnrolmentToken
from instances.models import Application, Instance
from metrics.models import KeyFlag
from tests import fleet

# Of "reader", the superuser who looks at them.
PASSWORD = "correct horse"

# Names as long as people make them, and some that are not words at all.
PRODUCT = "A product whose name is about as long as names of products get to be"

# {application}, {slug}, {instance}, {key} and so on are what `filled` returns.
PAGES = {
    "overview": "/",
    "application": "/applications/{slug}/",
    "application, a metric and a period": "/applications/{slug}/?metric=storage.size_gb&period=7d",
    "application, nothing found": "/applications/{slug}/?q=nothing-like-this",
    "application, its table narrowed": "/applications/{slug}/?f.feature_enabled=true&min.documents=1&c=all",
    "application without instances": "/applications/empty/",
    "metric": "/applications/{slug}/metric/?key=storage.size_gb",
    "metric beside another": "/applications/{slug}/metric/?key=storage.size_gb&key=documents",
    "versions": "/applications/{slug}/versions/",
    "versions of nothing": "/applications/empty/versions/",
    "lifecycle": "/applications/{slug}/lifecycle/",
    "lifecycle of nothing": "/applications/empty/lifecycle/",
    "metric settings": "/applications/{slug}/metric-settings/",
    "views of the table": "/applications/{slug}/views/",
    "history": "/applications/{slug}/history/",
    "instance": "/instances/{instance}/",
    "instance that is silent": "/instances/{silent}/",
    "revoke an instance?": "/instances/{instance}/revoke",
    "erase an instance?": "/instances/{instance}/erase",
    "two-factor sign-in": "/admin/two-factor/",
    "password": "/admin/password_change/",
    "admin": "/admin/",
    "admin: applications": "/admin/instances/application/",
    "admin: application": "/admin/instances/application/{application}/change/",
    "admin: new application": "/admin/instances/application/add/",
    "admin: history of an application": "/admin/instances/application/{application}/history/",
    "admin: instances": "/admin/instances/instance/",
    "admin: instances, filtered": "/admin/instances/instance/?state__exact=active&q=a&o=-2",
    "admin: instance": "/admin/instances/instance/{instance}/change/",
    "admin: delete an instance": "/admin/instances/instance/{instance}/delete/",
    "admin: flagged keys": "/admin/metrics/keyflag/",
    "admin: flagged key": "/admin/metrics/keyflag/{flag}/change/",
    "admin: tokens": "/admin/instances/enrolmenttoken/",
    "admin: new token": "/admin/instances/enrolmenttoken/add/",
    "admin: token": "/admin/instances/enrolmenttoken/{token}/change/",
    "admin: public keys": "/admin/instances/publickey/",
    "admin: public key": "/admin/instances/publickey/{key}/change/",
    "admin: jobs": "/admin/instances/job/",
    "admin: users": "/admin/auth/user/",
    "admin: user": "/admin/auth/user/{user}/change/",
    "admin: new user": "/admin/auth/user/add/",
    "admin: teams": "/admin/auth/group/",
    "admin: team": "/admin/auth/group/{team}/change/",
    "admin: audit log": "/admin/admin/logentry/",
    "admin: pop-up": "/admin/auth/group/add/?_popup=1",
    "not found": "/applications/no-such-application/",
}
# What somebody sees who is not signed in.
STRANGERS = {"sign-in": "/admin/login/", "not found, outside": "/no-such-page"}


# What only a form leads to: each is where `answer` leaves a page that a superuser is signed in on.
ANSWERS = ["a token, shown once", "recovery codes", "logged out", "the code of the second factor"]


def answer(page: Page, url: str, name: str, application: str) -> None:
    """Goes to one of ANSWERS, in their order. `application` is the primary key of one."""
    match name:
        case "a token, shown once":
            page.goto(f"{url}/admin/instances/enrolmenttoken/add/?application={application}")
            page.get_by_label("Name").fill("Partners")
            submit = page.get_by_role("button", name="Save", exact=True)
        case "recovery codes":
            page.goto(f"{url}/admin/two-factor/")
            key = base64.b32decode(page.locator(".shm-key").inner_text().replace(" ", ""))
            page.get_by_label("Code that the app shows").fill(f"{totp(key):06}")
            page.get_by_label("Your password").fill(PASSWORD)
            submit = page.get_by_role("button", name="Turn it on")
        case "logged out":
            page.goto(url)
            page.locator("summary", has_text="reader").click()
            submit = page.get_by_role("button", name="Log out")
        case _:
            page.goto(url)
            page.get_by_label("Username").fill("reader")
            page.get_by_label("Password").fill(PASSWORD)
            submit = page.get_by_role("button", name="Log in")
    with page.expect_navigation():
        submit.click()


def fill() -> dict[str, str]:
    """A fleet with a month behind it, and one of everything else; what the addresses above are filled with."""
    now = timezone.now()
    team = Group.objects.create(name="Bookkeepers")
    application = Application.named(PRODUCT)
    Application.objects.filter(pk=application.pk).update(team=team)
    application.refresh_from_db()
    Application.named("Empty")
    for number in range(12):
        metrics = {f"a_rather_long_metric_name_{key}": number * key for key in range(12)} | {
            "documents": 40 * number,
            "storage": {"engine": "postgresql", "size_gb": 1.5 * number},
            "feature_enabled": number % 2 == 0,
            "unbroken": "x" * 200,
            "\u202eright\u202c <b>🦄</b>": number,
        }
        times = [now - timedelta(days=day, minutes=number) for day in range(30 if number < 2 else 0, 60, 3)]
        fleet.instance(
            application,
            dict.fromkeys(reversed(times), metrics),
            app_version=f"1.{number % 3}.0-{'rc' * 20}",
            environment=("production", "staging", "")[number % 3],
            deployment_mode="docker",
            os_arch="linux/amd64",
        )
    instances = list(application.instances.order_by("last_report_at"))
    newest: Instance = instances[-1]
    token = EnrolmentToken.objects.create(application=application, name="Partners", digest="ab" * 32)
    flag = KeyFlag.objects.create(application=application, key="owner", kind="email")
    key = newest.keys.first()
    return {
        "slug": application.slug,
        "application": str(application.pk),
        "instance": str(newest.pk),
        "silent": str(instances[0].pk),
        "key": str(key.pk if key else ""),
        "team": str(team.pk),
        "token": str(token.pk),
        "flag": str(flag.pk),
        "user": str(User.objects.create_user("colleague", password="correct horse", is_staff=True).pk),
    }
