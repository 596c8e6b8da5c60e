"""Where the forms of the admin are, what is typed into them, and what they complain of."""

APPLICATIONS, INSTANCES = "/admin/instances/application/", "/admin/instances/instance/"


def problems(response):
    """What the form says is wrong, for a message that helps where the form was refused."""
    form = response.context.get("adminform") if response.context else None
    return form.errors if form else None


def settings_of(application, **changes):
    form = {"name": application.name, "active_days": 30, "report_minutes": 60, "publishes_badges": "on"}
    return {**form, **changes}
