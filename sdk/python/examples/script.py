"""A backup that cron runs every night. It reports once the work is done, and no thread outlives it.

Run by hand in between it does not report again: that is due once in an interval.
"""

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from shm_sdk import Config, SHMClient

DATA = Path(os.environ.get("BACKUP_DATA", "data")).absolute()


def back_up(source):
    """Returns how many files have been copied."""
    shutil.copytree(source, DATA / "copy", dirs_exist_ok=True)
    return sum(path.is_file() for path in (DATA / "copy").rglob("*"))


def main():
    files = back_up(sys.argv[1])
    print(f"{files} files are safe.")
    config = Config(
        os.environ.get("BACKUP_TELEMETRY_URL", "https://telemetry.example.org"),
        "Backup",
        "1.4.0",
        data_dir=DATA,
        enabled=os.environ.get("BACKUP_TELEMETRY") != "off",
        report_interval=timedelta(days=1),
    )
    SHMClient(config, lambda: {"files": files}).send()


if __name__ == "__main__":
    main()
