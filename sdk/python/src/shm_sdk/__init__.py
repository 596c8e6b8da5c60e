"""Tells the maintainers of self-hosted software how it is used: signed, aggregate numbers, and nobody's data.

    from shm_sdk import Config, SHMClient

    telemetry = SHMClient(Config("https://telemetry.example.org", "Ledger", "2.4.0", data_dir="/var/lib/ledger"))
    telemetry.set_provider(lambda: {"documents_created": Document.count()})
    telemetry.start()

Importing this costs little: PyNaCl, TLS and HTTP are imported when reporting begins, so that an application in which
telemetry is switched off never pays for them.
"""

from __future__ import annotations

from shm_sdk.client import SHMClient
from shm_sdk.config import Config

__all__ = ["Config", "SHMClient", "__version__"]

__version__ = "0.1.0"
