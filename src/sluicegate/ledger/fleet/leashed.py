"""Becomes another program that ends with whoever started it: `python leashed.py PARENT PROGRAM [ARGUMENT...]`.

A file of its own that imports nothing of this package, so that it costs a hundredth of a second. What asks the kernel
must be the process itself: between fork and exec of a process with threads no Python may run.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); it outlives the exec

if __name__ == "__main__":
    with contextlib.suppress(OSError, AttributeError):  # where there is no such call, the parent ends it if it can
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(sys.argv[1]):  # else it is gone already
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the program is ours
