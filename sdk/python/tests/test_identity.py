"""The file that says who an installation is: made once, shared with the client for Go, never replaced."""

from __future__ import annotations

import json
import os
import stat

import pytest
from nacl.signing import SigningKey

from shm_sdk import identity
from shm_sdk.config import slug
from shm_sdk.folder import Folder, Unusable
from shm_sdk.identity import Identity

# As the client for Go writes it: json.MarshalIndent of instance_id, private_key (seed and public key), public_key.
SEED = bytes(range(32))
GO_KEY = SigningKey(SEED).verify_key.encode().hex()
GO_FILE = f"""{{
  "instance_id": "3b7f2f0e-6c0f-4f55-9a58-0c64d7b8a9a1",
  "private_key": "{SEED.hex()}{GO_KEY}",
  "public_key": "{GO_KEY}"
}}"""


@pytest.fixture
def files(config) -> Folder:
    return Folder(config)


@pytest.fixture
def path(files, folder):
    folder.mkdir()
    return folder / "ledger_shm_identity.json"


def write(path, content, mode=0o600):
    path.write_text(content)
    path.chmod(mode)


def test_a_new_one_is_filed_for_its_owner_alone(files, folder):
    made = identity.load_or_create(files)

    path = folder / "ledger_shm_identity.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert identity.load_or_create(files) == made
    assert os.listdir(folder) == [path.name]


def test_it_has_the_shape_of_the_client_for_go(files, path):
    made = identity.load_or_create(files)
    fields = json.loads(path.read_text())

    assert list(fields) == ["instance_id", "private_key", "public_key"]
    assert fields["instance_id"] == made.instance_id
    assert fields["private_key"] == made.key.encode().hex() + fields["public_key"]
    assert path.read_text().startswith('{\n  "instance_id": "')


def test_the_file_of_the_client_for_go_is_taken_over(files, path):
    write(path, GO_FILE)

    taken = identity.load_or_create(files)

    assert taken.instance_id == "3b7f2f0e-6c0f-4f55-9a58-0c64d7b8a9a1"
    assert taken.public_key == GO_KEY
    assert taken.as_json().decode() == GO_FILE


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o606, 0o666])
def test_a_file_that_everybody_can_read_is_refused_and_says_what_to_do(files, path, mode):
    write(path, GO_FILE, mode)

    with pytest.raises(Unusable, match=f"chmod 600 {path}"):
        identity.load_or_create(files)


def test_the_group_may_read_it_because_kubernetes_lets_it(files, path):
    write(path, GO_FILE, 0o660)

    assert identity.load_or_create(files).public_key == GO_KEY


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        GO_FILE.replace("instance_id", "instanceId"),
        GO_FILE.replace("3b7f2f0e-6c0f", "not a uuid"),
        GO_FILE.replace(SEED.hex(), SEED[:30].hex()),
        GO_FILE.replace(SEED.hex(), "zz" * 32),
        GO_FILE.replace(SEED.hex(), bytes(32).hex()),
        GO_FILE.replace(f'"public_key": "{GO_KEY}"', f'"public_key": "{bytes(32).hex()}"'),
        GO_FILE.replace(f'"public_key": "{GO_KEY}"', '"public_key": 7'),
        "9" * 5000,
        "[" * 100_000,
    ],
)
def test_a_broken_file_is_told_about_and_left_as_it_is(files, path, content):
    write(path, content)

    with pytest.raises(Unusable, match=r"holds no identity.*backup"):
        identity.load_or_create(files)
    assert path.read_text() == content


def test_a_broken_file_keeps_a_client_silent_but_not_its_application(make_reporter, server, path, caplog):
    write(path, "{}")
    reporter = make_reporter()
    waits = [reporter.tick() for _ in range(5)]

    assert waits == [3600.0] * 5
    assert server.requests == []
    assert caplog.text.count("holds no identity") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_somebody_else_is_told_about(files, path):
    write(path, GO_FILE, 0o000)

    with pytest.raises(Unusable, match="cannot be read"):
        identity.load_or_create(files)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ledger", "ledger"),
        ("My  App_2", "my-app-2"),
        ("Café Crème", "cafe-creme"),
        ("Ærøskøbing", "rskbing"),
        ("日本", "app"),
        ("--", "app"),
        ("Łódź", "od"),
        ("../../etc/passwd", "etcpasswd"),
    ],
)
def test_the_file_is_named_as_by_the_client_for_go(name, expected):
    assert slug(name) == expected


def test_signatures_are_those_of_ed25519():
    """RFC 8032, 7.1, test 2."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    signature = Identity("x", SigningKey(secret)).sign(b"\x72")

    assert signature == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
