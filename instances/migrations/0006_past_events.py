from django.db import migrations, models


def applications(apps, schema_editor):
    """Each event belongs to the application of its instance."""
    of_instance = apps.get_model("instances", "Instance").objects.filter(pk=models.OuterRef("instance"))
    apps.get_model("instances", "Event").objects.update(application=models.Subquery(of_instance.values("application")))


def beginnings(name, kind):
    # In the database, as there is one for each instance of a fleet of any size.
    return migrations.RunSQL(
        "INSERT INTO instances_event (application_id, instance_id, at, kind, detail) "
        f"SELECT application_id, id, {name}, '{kind}', '' FROM instances_instance WHERE {name} IS NOT NULL",
        f"DELETE FROM instances_event WHERE kind = '{kind}'",
    )


def forget_new_kinds(apps, schema_editor):
    """On the way back: the lines that nobody knows there."""
    apps.get_model("instances", "Event").objects.exclude(
        kind__in=["revoked", "restored", "excluded", "included"]
    ).delete()


class Migration(migrations.Migration):
    # Apart from its neighbours: PostgreSQL alters no table in a transaction that has written to it.

    dependencies = [
        ('instances', '0005_history'),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, forget_new_kinds),
        migrations.RunPython(applications, migrations.RunPython.noop),
        beginnings("registered_at", "registered"),
        beginnings("activated_at", "activated"),
    ]
