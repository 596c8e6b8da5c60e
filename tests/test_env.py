"""The typed readers of the environment: what they take, and what they say when they do not."""

import ipaddress
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from shm_site import env

POSTGRESQL = "django.db.backends.postgresql"


@pytest.fixture
def set_to(monkeypatch, tmp_path):
    """Sets SHM_X, or SHM_X_FILE to a file that holds the text."""

    def set_to(value, as_file=False):
        if as_file:
            path = tmp_path / "value"
            path.write_bytes(value.encode() if isinstance(value, str) else value)
            monkeypatch.setenv("SHM_X_FILE", str(path))
        else:
            monkeypatch.setenv("SHM_X", value)

    monkeypatch.delenv("SHM_X", raising=False)
    monkeypatch.delenv("SHM_X_FILE", raising=False)
    return set_to


def complaint(read, *arguments, **options):
    with pytest.raises(ImproperlyConfigured) as caught:
        read(*arguments, **options)
    return str(caught.value)


# Where a value comes from


def test_a_variable_that_is_unset_or_empty_means_the_default(set_to):
    assert env.text("SHM_X", "default") == "default"
    set_to("  ")
    assert env.text("SHM_X", "default") == "default"
    assert env.integer("SHM_X", 7) == 7


def test_a_value_may_come_from_a_file(set_to):
    set_to("from the file\n", as_file=True)

    assert env.text("SHM_X") == "from the file"


def test_both_a_value_and_a_file_are_one_too_many(set_to):
    set_to("one")
    set_to("two", as_file=True)

    assert complaint(env.text, "SHM_X") == "Set SHM_X or SHM_X_FILE, not both."


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_nothing_readable_stops_the_start(set_to, content):
    set_to(content, as_file=True)

    assert complaint(env.text, "SHM_X").startswith("SHM_X_FILE names ")


def test_a_file_that_is_not_there_stops_the_start(monkeypatch, set_to):
    monkeypatch.setenv("SHM_X_FILE", "/nonexistent/secret")

    assert complaint(env.text, "SHM_X").startswith("SHM_X_FILE names '/nonexistent/secret', which cannot be read")


def test_a_bad_value_in_a_file_names_the_variable(set_to):
    set_to("many", as_file=True)

    assert complaint(env.integer, "SHM_X", 1).startswith("SHM_X is 'many'; it must be ")


# Readers


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("true", True), ("TRUE", True), ("1", True), ("yes", True), ("on", True)]
    + [("false", False), ("False", False), ("0", False), ("no", False), ("off", False)],
)
def test_boolean(set_to, value, meaning):
    set_to(value)

    assert env.boolean("SHM_X", not meaning) is meaning


@pytest.mark.parametrize("value", ["maybe", "2", "t", "none"])
def test_boolean_refuses(set_to, value):
    set_to(value)

    assert complaint(env.boolean, "SHM_X", True) == f"SHM_X is {value!r}; it must be true or false."


@pytest.mark.parametrize(("value", "meaning"), [("1", 1), ("10", 10), (" 7 ", 7)])
def test_integer(set_to, value, meaning):
    set_to(value)

    assert env.integer("SHM_X", 5, minimum=1, maximum=10) == meaning


@pytest.mark.parametrize("value", ["0", "11", "-1", "1.5", "ten", "1e1", "9" * 5000])
def test_integer_refuses(set_to, value):
    set_to(value)

    assert complaint(env.integer, "SHM_X", 5, minimum=1, maximum=10).startswith("SHM_X is ")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("7d", timedelta(days=7)),
        ("1m0s", timedelta(minutes=1)),
        ("999999d", timedelta(days=36500)),
    ],
)
def test_duration(set_to, value, meaning):
    set_to(value)

    assert env.duration("SHM_X", timedelta(1)) == meaning


@pytest.mark.parametrize("value", ["60", "0s", "-5m", "5 m", "1h 30m", "1w", "h", "soon", "1.s", "99999999999999d"])
def test_duration_refuses(set_to, value):
    set_to(value)

    assert complaint(env.duration, "SHM_X", timedelta(1)).startswith(f"SHM_X is {value!r}; it must be ")


def test_words(set_to):
    set_to("a.example, b.example,,")

    assert env.words("SHM_X", []) == ["a.example", "b.example"]


def test_networks(set_to):
    set_to("127.0.0.1, 10.0.0.0/8,10.1.2.3/16,::1")

    assert env.networks("SHM_X") == [
        ipaddress.ip_network(text) for text in ("127.0.0.1/32", "10.0.0.0/8", "10.1.0.0/16", "::1/128")
    ]


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.0/33", "10.0.0.256", "127.0.0.1 10.0.0.0/8"])
def test_networks_refuses(set_to, value):
    set_to(value)

    assert complaint(env.networks, "SHM_X").startswith(f"SHM_X is {value!r}; it must be ")


# Databases


@pytest.fixture(autouse=True)
def no_database(monkeypatch):
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "SHM_DB_DSN", "SHM_DB_DSN_FILE"):
        monkeypatch.delenv(name, raising=False)


def database():
    return env.database(["DATABASE_URL", "SHM_DB_DSN"], "sqlite:////srv/shm.sqlite3")


def test_without_a_variable_it_is_the_default():
    assert database()["ENGINE"] == "django.db.backends.sqlite3"
    assert database()["NAME"] == "/srv/shm.sqlite3"


NAMES = pytest.mark.parametrize("name", ["DATABASE_URL", "SHM_DB_DSN"])


@NAMES
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_database_reads_a_url(monkeypatch, name, scheme):
    monkeypatch.setenv(name, f"{scheme}://shm:s%40cret@db.example:5433/fleet?sslmode=require")

    config = database()

    assert config["ENGINE"] == POSTGRESQL
    assert (config["USER"], config["PASSWORD"], config["NAME"]) == ("shm", "s@cret", "fleet")
    assert (config["HOST"], str(config["PORT"])) == ("db.example", "5433")
    assert config["OPTIONS"] == {"sslmode": "require"}


@NAMES
def test_database_reads_keys_and_values(monkeypatch, name):
    monkeypatch.setenv(name, "host=db.example port=5433 user=shm password='s@cret' dbname=fleet sslmode=disable")

    config = database()

    assert config["ENGINE"] == POSTGRESQL
    assert (config["USER"], config["PASSWORD"], config["NAME"]) == ("shm", "s@cret", "fleet")
    assert (config["HOST"], str(config["PORT"])) == ("db.example", "5433")
    assert config["OPTIONS"] == {"sslmode": "disable"}


def test_database_reads_a_path_of_sqlite(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "sqlite:////srv/other.sqlite3")

    assert database()["ENGINE"] == "django.db.backends.sqlite3"
    assert database()["NAME"] == "/srv/other.sqlite3"


def test_database_prefers_the_first_variable_and_reads_files(monkeypatch, tmp_path):
    path = tmp_path / "url"
    path.write_text("postgres://shm@first.example/fleet\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(path))
    monkeypatch.setenv("SHM_DB_DSN", "host=second.example dbname=fleet")

    assert database()["HOST"] == "first.example"


@NAMES
@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "hunter2 and more",
        "host=h password=hunter2 dbname",
        "host=h password='hunter2 dbname=x",
        "password=hunter2 nonsense=1 dbname=x",
        "host=h user=u password=hunter2",
        "postgres://u:hunter2@h:port/name",
        "postgres://u:hunter2@h:5432/",
        "mysql://u:hunter2@h/name",
        "nonsense://u:hunter2@h/name",
        "://hunter2",
    ],
)
def test_database_refuses_and_never_repeats_the_password(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    said = complaint(database)

    assert said.startswith(f"{name} must be a database URL, such as ")
    assert said.endswith(".")
    assert "hunter2" not in said


# Choices


def test_a_choice_is_one_of_its_words_in_any_case(set_to):
    assert env.choice("SHM_X", "open", ["open", "closed"]) == "open"
    set_to("Closed")
    assert env.choice("SHM_X", "open", ["open", "closed"]) == "closed"


def test_a_word_that_is_no_choice_is_told_which_there_are(set_to):
    set_to("shut")

    assert complaint(env.choice, "SHM_X", "open", ["open", "closed"]) == (
        "SHM_X is 'shut'; it must be one of open, closed."
    )
