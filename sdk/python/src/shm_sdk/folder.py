"""The application's data folder: files that are there whole or not at all, and a lock between processes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shm_sdk.config import Config

MAX_BYTES = 4 * 1024 * 1024  # More than any file of ours ever has.


class Unusable(Exception):
    """The data folder or a file in it is of no use; the text says what to do about it."""


def as_object(content: bytes) -> dict[str, Any]:
    """The JSON object that the bytes are; an empty one if they are anything else."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Folder:
    """The files of one application in its data folder. `config` must be one without a problem."""

    def __init__(self, config: Config) -> None:
        self.path = Path(os.path.expanduser(config.data_dir)).absolute()
        self.slug = config.slug

    def file(self, name: str) -> Path:
        return self.path / f"{self.slug}_shm_{name}"

    def read(self, path: Path) -> bytes | None:
        """None if there is no such file. Raises Unusable."""
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(
                f"{path} cannot be read ({error.strerror}). Give the application's user access to it."
            ) from error

    def write(self, path: Path, content: bytes) -> None:
        """Puts a file in place at once, so that whoever reads meanwhile, or after a crash, has the old or the new one.

        Only this user may read it. Raises Unusable.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # mkstemp makes files with mode 0600.
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=self.path)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise Unusable(
                f"{path} cannot be written ({error.strerror}). Give the application's user a data folder that it may "
                "write to and that has room."
            ) from error

    def remove(self, path: Path) -> None:
        """Raises Unusable, but not for a file that is gone already."""
        try:
            path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Unusable(f"{path} cannot be removed ({error.strerror}). Remove it by hand.") from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Whether this process has the folder for itself, for the length of the block. Never waits. Raises Unusable.

        The system gives the lock back when a process ends, however it ends.
        """
        path = self.file("lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unusable(
                f"{path} cannot be opened ({error.strerror}). Give the application's user a data folder that it may "
                "write to."
            ) from error
        is_ours = _try_to_lock(handle)
        try:
            yield is_ours
        finally:
            if is_ours:
                _unlock(handle)
            os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_to_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network file systems have no locks at all. Two reports in an hour do less harm than none for ever.
            return True
        return True

    def _unlock(handle: int) -> None:
        """Closing it would not do: a fork made meanwhile has the handle, and the lock with it, as long as it lives."""
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
