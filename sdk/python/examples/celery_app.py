"""A Celery worker that makes thumbnails. Its main process reports; those that work on the tasks do not.

celery --app celery_app worker
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from celery import Celery
from celery.signals import worker_ready

from shm_sdk import Config, SHMClient

DATA = Path(os.environ.get("THUMBNAILS_DATA", "data")).absolute()
DATA.mkdir(parents=True, exist_ok=True)

app = Celery("thumbnails", broker=os.environ.get("THUMBNAILS_BROKER", "redis://localhost"))
telemetry = SHMClient(
    Config(
        os.environ.get("THUMBNAILS_TELEMETRY_URL", "https://telemetry.example.org"),
        "Thumbnails",
        "1.4.0",
        data_dir=DATA,
        enabled=os.environ.get("THUMBNAILS_TELEMETRY") != "off",
    )
)


def database():
    connection = sqlite3.connect(DATA / "thumbnails.sqlite3")
    connection.execute("CREATE TABLE IF NOT EXISTS thumbnail (picture)")
    return closing(connection)


@app.task
def make_thumbnail(picture):
    with database() as connection, connection as transaction:
        transaction.execute("INSERT INTO thumbnail VALUES (?)", [picture])


# The tasks are worked on in other processes, so what they count has to be where this one finds it: in a database.
@telemetry.set_provider
def numbers():
    with database() as connection:
        return {"thumbnails": connection.execute("SELECT count(*) FROM thumbnail").fetchone()[0]}


@worker_ready.connect
def report(**kwargs):
    telemetry.start()
