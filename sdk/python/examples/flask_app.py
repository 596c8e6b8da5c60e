"""A notes application with Flask. It reports from the moment at which it is imported."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from flask import Flask, redirect, request

from shm_sdk import Config, SHMClient

DATA = Path(os.environ.get("NOTES_DATA", "data")).absolute()
DATA.mkdir(parents=True, exist_ok=True)

app = Flask(__name__)
telemetry = SHMClient(
    Config(
        os.environ.get("NOTES_TELEMETRY_URL", "https://telemetry.example.org"),
        "Notes",
        "1.4.0",
        data_dir=DATA,
        enabled=os.environ.get("NOTES_TELEMETRY") != "off",
    )
)


def database():
    connection = sqlite3.connect(DATA / "notes.sqlite3")
    connection.execute("CREATE TABLE IF NOT EXISTS note (text)")
    return closing(connection)


# It runs in a thread of its own, outside of any request: what it needs it opens and closes itself.
@telemetry.set_provider
def numbers():
    with database() as connection:
        return {"notes": connection.execute("SELECT count(*) FROM note").fetchone()[0]}


@app.get("/")
def notes():
    with database() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note")]


@app.post("/")
def add():
    with database() as connection, connection as transaction:
        transaction.execute("INSERT INTO note VALUES (?)", [request.form["text"]])
    return redirect("/")


telemetry.start()
