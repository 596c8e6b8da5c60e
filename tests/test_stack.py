"""What the interpreter's stack costs at the end of one of its pieces, and that it costs nothing with room ahead."""

import subprocess
import sys

import pytest

from tests.gunicorn_server import ROOT

# At each depth a thousand calls: at some of them the next frame is the first of a new piece.
PROGRAM = """
import resource, sys, time
from shm_site.stack import roomy

def nothing(one, two, three):
    return one

def deep(depth):
    for _ in range(1000):
        nothing(1, 2, 3)
    if depth:
        deep(depth - 1)

def taken(function):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    function(300)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

taken(roomy(deep))
print(taken(roomy(deep)), taken(deep))
"""


def test_with_room_ahead_no_call_asks_the_system_for_memory():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    with_room, without = map(int, done.stdout.split())

    assert with_room < 200
    if sys.version_info < (3, 13):
        assert without > 1000


def test_what_is_called_is_the_same():
    from shm_site.stack import roomy

    def fail(*, reason):
        raise LookupError(reason)

    assert roomy(divmod)(7, 2) == (3, 1)
    with pytest.raises(LookupError, match="gone"):
        roomy(fail)(reason="gone")
