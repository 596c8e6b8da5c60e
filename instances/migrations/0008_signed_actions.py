import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('instances', '0007_history_in_order'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpentBody',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='TurnedAway',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('application', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='turned_away', to='instances.application')),
            ],
        ),
        migrations.AddConstraint(
            model_name='publickey',
            constraint=models.UniqueConstraint(fields=('instance', 'hex'), name='each_key_once_per_instance'),
        ),
    ]
