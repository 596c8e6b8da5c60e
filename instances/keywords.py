"""The words that tell what a key's value is, and names that are everybody's. Pure; for instances.detectors."""

from __future__ import annotations

import re
from enum import Flag, auto
from functools import lru_cache

# So much of the end of a key is looked at.
TAIL = 60


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Context(Flag):
    """What a key's name says of its value."""

    VERSION = auto()
    DIGEST = auto()
    SECRET = auto()
    PHONE = auto()
    MAC = auto()
    ADDRESS = auto()
    HOST = auto()
    USER = auto()
    ROUTE = auto()
    TIME = auto()


# One of these anywhere in the key.
_ANYWHERE = {
    Context.VERSION: "version ver release build kernel driver firmware runtime engine oid schema revision windows "
    "chrome "
    "browser section edition",
    Context.DIGEST: "hash digest checksum sha sha1 sha256 sha512 md5 commit revision rev build etag integrity "
    "fingerprint "
    "image version git",
    Context.ADDRESS: "ip ipaddr ipv4 ipv6 addr address peer remote",
    Context.ROUTE: "route page endpoint view screen",
    Context.TIME: "time date timestamp at cron schedule isbn",
}
# One of these at its end.
_LAST = {
    Context.SECRET: "password passwd pwd passphrase secret token apikey cookie bearer credential credentials api_key "
    "access_key secret_key private_key license_key session_id auth_key signing_key encryption_key",
    Context.PHONE: "phone tel telephone mobile fax cell msisdn whatsapp phone_number mobile_number",
    Context.MAC: "mac mac_address macaddress",
    Context.ADDRESS: "host",
    Context.HOST: "host hosts hostname hostnames fqdn machine computer servername host_name node_name machine_name "
    "server_name computer_name",
    Context.USER: "username user_name login_name full_name fullname first_name firstname last_name lastname os_user",
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _by_word(table: dict[Context, str]) -> dict[str, Context]:
    found: dict[str, Context] = {}
    for context, words in table.items():
        for word in words.split():
            found[word] = found.get(word, Context(0)) | context
    return found


_OF_ANY, _OF_LAST = _by_word(_ANYWHERE), _by_word(_LAST)


@lru_cache(maxsize=4096)
def context(key: str) -> Context:
    """What the key says: `dbHost`, `db_host` and `db.host` say the same."""
    words = [word.lower() for word in _WORDS.findall(key)]
    says = Context(0)
    for word in words:
        says |= _OF_ANY.get(word, Context(0))
    for size in (1, 2):
        says |= _OF_LAST.get("_".join(words[-size:]), Context(0))
    return says


# Of folders and accounts: no person has these names.
_NOBODY = _words(
    "admin administrator all app apps application appuser backup bin build builder cache ci circleci coder common "
    "container containeradministrator containeruser core data debian default deploy developer docker ec2-user "
    "git gitlab-runner guest http jenkins jovyan linuxbrew local mysql n/a nginx nobody node none null opc opensuse "
    "postgres public redis root runner runneradmin sa server service shared site steam system test ubuntu unknown "
    "user username users vagrant vscode web work worker www www-data about dashboard feed index index.html news "
    "settings profile overview home main start true false yes no enabled disabled anonymous email required optional"
)


def is_nobody(name: str) -> bool:
    return name.lower() in _NOBODY or name.startswith(("$", "%", "<", "{", "*"))


_ALGORITHM = re.compile(
    r"(?:hmac|sha|md|aes|rsa|pbkdf|argon|bcrypt|scrypt|ed25519|ecdsa|oauth|saml|jwt|openid|x509|blake|chacha)[\w.:+-]*",
    re.IGNORECASE,
)


def is_algorithm(text: str) -> bool:
    """Whether it names how secrets are made or checked, and is none."""
    return len(text) < 32 and _ALGORITHM.fullmatch(text) is not None


# Host names. A name ending so is one of a private network.
_PRIVATE = _words("local lan internal corp intranet home localdomain priv arpa")
_INNER = _words("corp int internal intranet prod lan private office")
_INNER_SITE = re.compile(r"dc\d+|rack\d+|site\d+")
# The same on every machine that has them.
_SAME_EVERYWHERE = ("svc.cluster.local", "docker.internal", "localhost.localdomain", "containers.internal")
# Packages of many languages are named like hosts, the other way round.
_PACKAGES = _words("com org net io de fr java javax sun microsoft system app dev edu gov")
_PROVIDERS = _words(
    "gmail.com googlemail.com outlook.com office365.com amazonaws.com sendgrid.net mailgun.org mailgun.net github.com "
    "gitlab.com bitbucket.org docker.io docker.com ghcr.io quay.io googleapis.com google.com cloudflare.com "
    "azure.com windows.net openai.com anthropic.com heroku.com fly.io render.com vercel.app netlify.app "
    "mailjet.com postmarkapp.com sparkpostmail.com sendinblue.com brevo.com mailchimp.com zoho.com icloud.com "
    "digitaloceanspaces.com backblazeb2.com wasabisys.com sentry.io elastic.co k8s.io"
)
_KINDS_OF_HOST = _words("bare-metal docker-compose docker-swarm on-premise on-prem self-hosted k8s k3s ec2 s3")


def is_inner(labels: list[str]) -> bool:
    """Whether a name of these parts is one of somebody's own network, by its own look."""
    name = ".".join(labels)
    if name.endswith(_SAME_EVERYWHERE) or labels[0] in _PACKAGES:
        return False
    if name.endswith((".fritz.box", ".home.arpa")):
        return True
    is_own = len(labels) > 2 or any(char.isdigit() or char == "-" for char in labels[0])
    if labels[-1] in _PRIVATE:
        return is_own
    inner = labels[1:-2]
    return any(label in _INNER or _INNER_SITE.fullmatch(label) for label in inner)


def is_everybodys(labels: list[str]) -> bool:
    """Whether a host of that name is a known provider's, or no host but a kind of one."""
    name = ".".join(labels)
    return (
        ".".join(labels[-2:]) in _PROVIDERS
        or name in _KINDS_OF_HOST
        or name.endswith(_SAME_EVERYWHERE)
        or labels[0] == "localhost"
    )


# Keys

TOP_LEVELS = _words(
    "com org net io dev app info biz edu gov co me eu de fr uk ch at be nl es it pl cz se no fi dk ie pt ru ua us ca "
    "br mx ar au nz jp cn in kr test example invalid local"
)
_USUAL = _words(
    "user users account accounts login logins email emails mail mails customer customers client clients member "
    "members host hosts server servers session sessions request requests count counts total owner owners author "
    "authors contact contacts admin admins by per data stats usage errors"
)


def is_usual(segment: str) -> bool:
    """Whether a part of a key before an address is a word of the key and no part of the address."""
    return segment.lower().rpartition("_")[2] in _USUAL
