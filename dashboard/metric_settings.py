"""What maintainers say of their application's keys: a form with a row for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import QueryDict
from django.utils.choices import flatten_choices
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard import audit
from instances.models import Application
from metrics import taking
from metrics.census import DESCRIPTION
from metrics.figures import Number
from metrics.keys import Metric, Metrics
from metrics.models import MetricSetting

# A row takes up to 15 fields, what it was like before included, and Django takes 1,000 of one form.
PAGE_SIZE = 50
# What only a number has.
OF_NUMBERS = ("unit", "aggregation")
LONGEST_KEY: int = MetricSetting._meta.get_field("key").max_length or 0


class RowForm(forms.ModelForm):  # type: ignore[type-arg]
    """One key's settings. What is left empty is as its name has it, and shown as such."""

    # As JSON, because browsers change line breaks in what they send.
    key = forms.CharField(widget=forms.HiddenInput)

    class Meta:
        model = MetricSetting
        fields = MetricSetting.SAID
        labels = {
            "label": _("Label"),
            "unit": _("Unit"),
            "aggregation": _("Shown as"),
            "kind": _("Group"),
            "order": _("Order"),
            "hidden": _("Hidden"),
            "description": _("Description"),
        }

    def __init__(self, setting: MetricSetting, has_numbers: bool, sent: QueryDict | None, prefix: str) -> None:
        values = {name: getattr(setting, name) for name in MetricSetting.SAID}
        super().__init__(sent, initial={**values, "key": json.dumps(setting.key)}, prefix=prefix)
        named = Metric.named(setting.key)
        self._offer("unit", MetricSetting.UNITS, named.unit)
        self._offer("aggregation", MetricSetting.AGGREGATIONS, named.aggregation)
        self._offer("kind", MetricSetting.Kind.choices, "system" if named.is_system else "business")
        self.fields["label"].widget.attrs["placeholder"] = named.label
        for name, field in self.fields.items():
            # Whatever another maintainer changes while this page is open stays, but for what is changed here as well.
            field.show_hidden_initial = name != "key"
            field.widget.attrs["class"] = "" if name == "hidden" else "shm-input"
        if not has_numbers:
            for name in OF_NUMBERS:
                del self.fields[name]

    def _offer(self, name: str, choices: list[Any], default: str) -> None:
        """Shows in a select's empty choice what the key's name makes of it, and the others below it."""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        title = dict(flatten_choices(choices))[default]
        # There twice only where it has been chosen as well, perhaps when the rule for names was another.
        others = choices if self.initial[name] == default else _without(choices, default)
        field.choices = [("", title), *others]
        field.widget.attrs["title"] = gettext("By its name: %(choice)s") % {"choice": title}

    def clean_key(self) -> str:
        return key_of(self.cleaned_data["key"])

    def apply(self, application: Application) -> str:
        """Keeps what was changed; what is said of a key that says nothing is forgotten. Returns a line for the log."""
        key = self.cleaned_data["key"]
        known = MetricSetting.objects.select_for_update()
        setting, _created = known.get_or_create(application=application, key=key)
        for name in self.said:
            setattr(setting, name, self.cleaned_data[name])
        if setting.is_empty:
            setting.delete()
            return f"{key} ({audit.BY_ITS_NAME})"
        setting.save(update_fields=self.said)
        return f"{key} ({', '.join(self.said)})"

    @property
    def said(self) -> list[str]:
        return [name for name in self.changed_data if name != "key"]


def _without(choices: list[Any], left_out: str) -> list[Any]:
    """The choices, which may be in groups, less one."""
    return [
        (value, _without(title, left_out)) if isinstance(title, list) else (value, title)
        for value, title in choices
        if value != left_out
    ]


def key_of(text: str) -> str:
    """The key that a row is about. Raises ValidationError for what is none."""
    problem = ValidationError(_("This row is damaged. Load the page again."))
    try:
        key = json.loads(text)
        key.encode()
    except (ValueError, RecursionError, AttributeError):
        raise problem from None
    if not isinstance(key, str) or "\0" in key or len(key) > LONGEST_KEY:
        raise problem
    return key


@dataclass(frozen=True)
class Row:
    """One key as it is now, and the form about it. `value` is None if no active instance reports a number."""

    metric: Metric
    value: Number | None
    is_reported: bool
    is_said: bool
    form: RowForm


@dataclass(frozen=True)
class Choice:
    """The chips above the table: which keys are listed."""

    name: str
    title: str | Promise


CHOICES = [
    Choice("", _("All")),
    Choice("set", _("Changed here")),
    Choice("hidden", _("Hidden")),
    Choice("gone", _("Not reported now")),
]


class MetricSettingsPage:
    """What the address asks for: `q` (a part of a key or label), `show` and `page`; and what was sent, if anything."""

    def __init__(self, application: Application, query: QueryDict, sent: QueryDict | None, now: datetime) -> None:
        self.application = application
        self.sent = sent
        self.census = taking.present(application, now)
        self.settings = {setting.key: setting for setting in application.metric_settings.all()}
        self.catalogue = Metrics(setting.metric for setting in self.settings.values())
        self.search = query.get("q", "").strip()[:100]
        self.show = next((choice for choice in CHOICES if choice.name == query.get("show")), CHOICES[0])
        self.reported = set(self.census.keys) - DESCRIPTION.keys()
        self.page: Page[str] = Paginator(self._keys(), PAGE_SIZE).get_page(query.get("page"))

    @property
    def choices(self) -> list[Choice]:
        return CHOICES

    def _keys(self) -> list[str]:
        """Those that are asked for, in the order in which pages show them; hidden ones too."""
        wanted = [self.catalogue[key] for key in self.reported | self.settings.keys() if self._is_wanted(key)]
        return [metric.key for metric in sorted(wanted, key=lambda metric: (metric.is_system, metric.place))]

    def _is_wanted(self, key: str) -> bool:
        metric, search = self.catalogue[key], self.search.lower()
        if search and search not in key.lower() and search not in metric.label.lower():
            return False
        match self.show.name:
            case "set":
                return key in self.settings
            case "hidden":
                return metric.hidden
            case "gone":
                return key not in self.reported
        return True

    @cached_property
    def rows(self) -> list[Row]:
        """What was sent, or else the keys of this page. Raises ValidationError if what was sent names no keys."""
        keys = self._sent_keys() if self.sent is not None else self.page.object_list
        return [self._row(place, key) for place, key in enumerate(keys)]

    def _sent_keys(self) -> Iterator[str]:
        assert self.sent is not None
        for place in range(PAGE_SIZE):
            if f"{place}-key" in self.sent:
                yield key_of(str(self.sent[f"{place}-key"]))

    def _row(self, place: int, key: str) -> Row:
        metric, figures = self.catalogue[key], self.census.figures.get(key)
        setting = self.settings.get(key) or MetricSetting(key=key)
        # Whether it is a number is not known of what nobody reports.
        has_numbers = figures is not None or key not in self.reported
        return Row(
            metric=metric,
            value=metric.value(figures) if figures else None,
            is_reported=key in self.reported,
            is_said=key in self.settings,
            form=RowForm(setting, has_numbers, self.sent, str(place)),
        )

    @property
    def is_valid(self) -> bool:
        # A row that is looked at only when the page is rendered says what is wrong with it as well.
        return all(row.form.is_valid() for row in self.rows)

    def save(self, user: Any) -> str:
        """Keeps what was changed, with a line in the audit log. Returns what to tell."""
        changed = [row.form for row in self.rows if row.form.said]
        if not changed:
            return gettext("Nothing was changed.")
        with transaction.atomic():
            lines = [form.apply(self.application) for form in changed]
            audit.note(user, [self.application], audit.Line.METRIC_SETTINGS, {"changes": ", ".join(lines)})
        done = ngettext("Saved: %(number)d metric.", "Saved: %(number)d metrics.", len(changed))
        return done % {"number": len(changed)}
