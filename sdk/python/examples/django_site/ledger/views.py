import json

from django.db.models import Sum
from django.forms import modelform_factory
from django.shortcuts import redirect, render

from ledger import telemetry
from ledger.models import Entry
from shm_sdk.django import client

EntryForm = modelform_factory(Entry, fields=["text", "amount"])


def entries(request):
    form = EntryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("entries")
    total = Entry.objects.aggregate(total=Sum("amount"))["total"] or 0
    return render(request, "ledger/entries.html", {"form": form, "entries": Entry.objects.all()[:100], "total": total})


def telemetry_page(request):
    """For those who run or use a ledger: what is sent, where, and how to stop it."""
    shm = client()
    context = {"shm": shm, "numbers": json.dumps(telemetry.numbers(), indent=2)}
    return render(request, "ledger/telemetry.html", context)
