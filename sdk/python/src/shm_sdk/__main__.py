from __future__ import annotations

import sys

from shm_sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())
