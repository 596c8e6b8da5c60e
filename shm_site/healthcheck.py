"""Asks a server on this machine whether it answers: `python -m shm_site.healthcheck` ends with 0 if so, else with 1.

It loads neither settings nor models, so that a container can afford to run it every few seconds.
"""

import http.client
import sys

from shm_site import env

PATH = "/api/v1/healthcheck"


def reachable(host: str) -> str:
    """An address at which a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104


def allowed_name(address: str) -> str:
    """A Host header that the server accepts, whatever SHM_ALLOWED_HOSTS is."""
    allowed = env.words("SHM_ALLOWED_HOSTS", ["*"])
    return address if "*" in allowed or not allowed else allowed[0].lstrip(".")


def answers(host: str, port: int, timeout: float = 5) -> bool:
    """Whether the server answers its health check with 200."""
    address = reachable(host)
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", PATH, headers={"Host": allowed_name(f"[{address}]" if ":" in address else address)})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if answers(env.text("SHM_HOST", "127.0.0.1"), env.integer("PORT", 8080, 1, 65535)) else 1)
