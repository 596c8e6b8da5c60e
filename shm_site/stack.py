"""Room on the interpreter's stack, so that a whole page is made within one piece of it.

CPython keeps the frames of calls in pieces of 16 KiB. A call for which there is no room left in one gets a new piece
from the operating system, and gives it back when it returns. A loop that happens to stand right at the end of a piece
does so with each call that it makes (https://github.com/python/cpython/issues/142183; later releases keep one piece
back). Templates nest deeply, and loop there: of the 96 ms of an application's page this took 36.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# A piece is made as large as its first frame needs, in powers of two: of 256 KiB the other half is left for what is
# called. A page takes some 40 KiB. What nobody touches costs addresses and no memory.
WORDS = 128 * 1024 // 8 + 1


def roomy(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, called from a frame that is so large that what it calls has its room behind it."""

    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return function(*args, **kwargs)

    call.__code__ = call.__code__.replace(co_stacksize=WORDS)
    return call
