from django.test import TestCase

from ledger.models import Entry
from ledger.telemetry import numbers


class LedgerTests(TestCase):
    def test_an_entry_is_added_and_counted(self):
        response = self.client.post("/", {"text": "Milk", "amount": "1.20"}, follow=True)

        self.assertContains(response, "Milk")
        assert numbers() == {"entries": 1, "entries_last_30_days": 1, "db": {"engine": "sqlite"}}

    def test_what_is_no_amount_is_told_and_not_entered(self):
        response = self.client.post("/", {"text": "Milk", "amount": "a lot"})

        self.assertContains(response, "Enter a number.")
        assert not Entry.objects.exists()

    def test_users_are_told_what_is_sent_and_how_to_stop_it(self):
        response = self.client.get("/telemetry/")

        self.assertContains(response, "entries_last_30_days")
        self.assertContains(response, "DO_NOT_TRACK=1")
