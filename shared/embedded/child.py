"""Become a server process: ``child.py UID GID PARENT SIGNAL COMMAND…`` runs as a script and executes COMMAND.

Two things must happen between fork and exec. The kernel is asked to send SIGNAL to the server when
the keeper dies, for whatever reason. Where the keeper is root, the server becomes an unprivileged
user, since Postgres refuses to run as root; a UID of -1 means no change.

That user keeps one capability: to traverse directories whatever their mode. The data and the
installed programs may lie below a directory such as /root (0700), and the alternatives are worse:
data elsewhere than ``ATELIER_HOME`` says, /root opened to all users, or user namespaces, which most
containers forbid. The capabilities used here are in Docker's default set.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
# Keep capabilities across setuid, and let access(2) honour them for a user other than root:
# Postgres looks for its own programs with access(2).
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522


def main(arguments: list[str]) -> None:
    """Drop privileges, ask for a signal when the keeper dies, and execute the server."""
    uid, gid, parent, death_signal = (int(argument) for argument in arguments[:4])
    command = arguments[4:]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the keeper blocks signals; servers need them
    if uid >= 0:
        become(uid, gid)
    # Only after the change of user, which clears it.
    call("prctl", PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit("the keeper died before its server started")
    os.execv(command[0], command)


def become(uid: int, gid: int) -> None:
    """Become an unprivileged user who may traverse all directories."""
    capability = passing_capability()
    call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    bits = 1 << capability
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; then the same for capabilities above 31.
    call("capset", header, (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0))
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def passing_capability() -> int:
    """Return the weakest available capability that allows traversing directories."""
    status = Path("/proc/self/status").read_text()
    permitted = int(status.split("CapPrm:")[1].split()[0], 16)
    return CAP_DAC_READ_SEARCH if permitted >> CAP_DAC_READ_SEARCH & 1 else CAP_DAC_OVERRIDE


def call(name: str, *arguments: object) -> None:
    """Call a C function that returns -1 on error."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot become the unprivileged user that servers run as: {error}")
