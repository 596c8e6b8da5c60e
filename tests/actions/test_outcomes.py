"""What each action leads to: what is counted, accepted and left."""

import pytest
from django.utils import timezone

from instances.models import Application, Instance, PublicKey
from metrics import taking
from metrics.models import Snapshot
from tests import fleet
from tests.actions.forms import ACTIONS
from tests.installation import refusal, row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_limits")]


def counted():
    return taking.present(Application.objects.get(), timezone.now())


def test_revoked_it_counts_nowhere_and_nothing_it_signs_is_accepted(act, reporting):
    response = act("revoke")

    assert response.redirect_chain == [(f"/instances/{reporting.id}/", 302)]
    assert f"{reporting.id[:8]}: Revoked" in response.content.decode()
    assert row(reporting).state == Instance.State.REVOKED
    assert row(reporting).revoked_at is not None
    assert (counted().active, counted().active_raw, counted().revoked) == (0, 0, 1)
    assert refusal(reporting.snapshot({"documents": 6})) == (403, "revoked")
    assert refusal(reporting.activate()) == (403, "revoked")
    assert refusal(reporting.register()) == (403, "revoked")
    assert Snapshot.objects.count() == 1


def test_restored_it_counts_and_is_accepted_again(act, reporting):
    act("revoke")

    response = act("restore")

    assert "Restored" in response.content.decode()
    assert (row(reporting).state, row(reporting).revoked_at) == (Instance.State.ACTIVE, None)
    assert counted().active == 1
    assert reporting.snapshot({"documents": 6}).status_code == 202


def test_restored_one_that_had_only_registered_is_pending_again(act, reporting):
    Instance.objects.update(state=Instance.State.PENDING, activated_at=None)
    act("revoke")

    act("restore")

    assert row(reporting).state == Instance.State.PENDING


def test_excluded_it_is_accepted_but_not_counted(act, reporting):
    response = act("exclude")

    assert "Excluded" in response.content.decode()
    assert (row(reporting).exclusion, row(reporting).state) == ("manual", "active")
    assert reporting.snapshot({"documents": 6}).status_code == 202
    assert (counted().active, counted().active_raw) == (0, 1)
    assert counted().excluded == {"manual": 1}
    assert counted().figures == {}
    assert row(reporting).metrics == {"documents": 6}


def test_included_it_counts_again(act, reporting):
    act("exclude")

    act("include")

    assert (row(reporting).exclusion, row(reporting).excluded_at) == ("", None)
    assert counted().figures["documents"]["sum"] == 5


def test_erased_nothing_of_it_is_left_and_what_it_signs_is_not_known(act, reporting):
    response = act("erase")

    assert response.redirect_chain == [("/applications/ledger/", 302)]
    assert "Erased" in response.content.decode()
    assert not Instance.objects.exists()
    assert not PublicKey.objects.exists()
    assert not Snapshot.objects.exists()
    assert counted().active == 0
    assert refusal(reporting.snapshot({"documents": 6})) == (403, "invalid_signature")
    # Its software still runs: at its next start it registers anew.
    assert reporting.register().status_code == 201


def test_erasing_one_leaves_the_others(act, reporting):
    other = fleet.instance(Application.objects.get(), {timezone.now(): {"documents": 1}})

    act("erase")

    assert [instance.pk for instance in Instance.objects.all()] == [other.pk]
    assert Snapshot.objects.count() == 1


@pytest.mark.parametrize("name", ACTIONS)
def test_doing_it_twice_is_no_error(act, name):
    act(name)

    assert act(name).status_code == (404 if name == "erase" else 200)
