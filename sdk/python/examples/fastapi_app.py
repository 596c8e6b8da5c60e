"""A notes application with FastAPI. It reports for as long as it serves."""

import os
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path

from fastapi import FastAPI

from shm_sdk import Config, SHMClient

DATA = Path(os.environ.get("NOTES_DATA", "data")).absolute()
DATA.mkdir(parents=True, exist_ok=True)

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


# A plain function, not a coroutine: it runs in a thread of its own, and the event loop goes on meanwhile.
@telemetry.set_provider
def numbers():
    with database() as connection:
        return {"notes": connection.execute("SELECT count(*) FROM note").fetchone()[0]}


@asynccontextmanager
async def lifespan(app):
    telemetry.start()
    yield
    telemetry.stop()


app = FastAPI(lifespan=lifespan)


@app.get("/")
def notes() -> list[str]:
    with database() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note")]


@app.post("/", status_code=201)
def add(text: str) -> None:
    with database() as connection, connection as transaction:
        transaction.execute("INSERT INTO note VALUES (?)", [text])
