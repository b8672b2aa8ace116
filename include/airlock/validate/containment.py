"""What a child may do at most, by means of the kernel where it has them (Linux, x86-64 and ARM64).

Landlock: writes below its own directory only, no signal to and no look into a process outside. Seccomp: no socket other
than a Unix one, no other way into other processes, and no process group of its own, so that all that it starts can be
killed at once. A kernel or container that lacks one of them leaves it out; audit hooks (``airlock.validate.refused``)
refuse the same to Python code everywhere.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION, _PATH_BENEATH = 1, 1
# Every right of Landlock that changes something on disk; later versions of the interface know more of them.
_WRITES = {1: 0x1FF2, 2: 0x3FF2, 3: 0x7FF2}
_WRITE_FILE, _TRUNCATE = 0x2, 0x4000
_SCOPES = {6: 0x3}  # abstract Unix sockets and signals
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - semaphores of multiprocessing

_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32 = 0x40000000
_AF_UNIX = 1
# The audit architecture, and the numbers of the system calls that the filter names.
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "kill": 62, "tkill": 200, "tgkill": 234, "setpgid": 109, "setsid": 112, "ptrace": 101}
        | {"process_vm_readv": 310, "process_vm_writev": 311, "io_uring_setup": 425, "pidfd_open": 434}
        | {"rt_sigqueueinfo": 129, "bpf": 321, "userfaultfd": 323, "keyctl": 250},
    ),
    "aarch64": (
        0xC00000B7,
        {"socket": 198, "kill": 129, "tkill": 130, "tgkill": 131, "setpgid": 154, "setsid": 157, "ptrace": 117}
        | {"process_vm_readv": 270, "process_vm_writev": 271, "io_uring_setup": 425, "pidfd_open": 434}
        | {"rt_sigqueueinfo": 138, "bpf": 280, "userfaultfd": 282, "keyctl": 219},
    ),
}
_PRETENDED = ("setsid", "setpgid")
_REFUSED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "io_uring_setup", "bpf", "userfaultfd", "keyctl"),
    "rt_sigqueueinfo",
)
_SIGNALLING = ("kill", "tkill", "tgkill", "pidfd_open")

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def own_group() -> None:
    """Give this child a process group, and a grave with its parent."""
    with suppress(OSError):
        os.setpgid(0, 0)
    with suppress(AttributeError):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(limits: Mapping[str, int]) -> None:
    """Set resource limits by their names in the ``resource`` module."""
    for name, value in limits.items():
        with suppress(OSError, ValueError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


def restrict(scratch: str, *, has_network: bool) -> None:
    """Take from this process what it may not do, for good and for all its descendants."""
    with suppress(AttributeError, OSError):
        if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            _landlock(scratch)
            _seccomp(has_network=has_network)


def _landlock(scratch: str) -> None:
    version = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return
    writes, scopes = _WRITES[min(version, max(_WRITES))], _SCOPES[6] if version >= 6 else 0
    rules = struct.pack("QQQ", writes, 0, scopes) if version >= 6 else struct.pack("Q", writes)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return
    try:
        for path, rights in (
            (scratch, writes),
            (_SHARED_MEMORY, writes),
            *((device, writes & (_WRITE_FILE | _TRUNCATE)) for device in _DEVICES),
        ):
            with suppress(OSError):
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                rule = struct.pack("=Qi", rights, place)
                _libc.syscall(_LANDLOCK_ADD, ruleset, _PATH_BENEATH, rule, 0)
                os.close(place)
        _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _seccomp(*, has_network: bool) -> None:
    known = _MACHINES.get(platform.machine())
    if known is None or struct.calcsize("P") != 8:
        return
    program = _filter(*known, spared=os.getppid(), has_network=has_network)
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    described = _Program(len(program), code)
    _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(described), 0, 0)


def _filter(
    architecture: int, numbers: Mapping[str, int], *, spared: int, has_network: bool
) -> Sequence[tuple[int, int, int, int]]:
    """Return the filter's instructions: code, jump if true, jump if false, operand."""
    refuse, pretend = _ERRNO | errno.EPERM, _ERRNO
    program = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_FROM, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
    ]
    for names, answer in ((_PRETENDED, pretend), (_REFUSED, refuse)):
        for name in names:
            program += [(_JUMP_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, answer)]
    if not has_network:
        program += [
            (_JUMP_EQUAL, 0, 4, numbers["socket"]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
            (_JUMP_EQUAL, 0, 1, _AF_UNIX),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERRNO | errno.EACCES),
        ]
    # The warm process, its group, and everybody at once; Landlock spares all others where it can.
    targets = [spared, -spared & 0xFFFFFFFF, 0xFFFFFFFF]
    for name in _SIGNALLING:
        checks = [step for target in targets for step in ((_JUMP_EQUAL, 0, 1, target), (_RETURN, 0, 0, refuse))]
        body = [(_LOAD, 0, 0, _FIRST_ARGUMENT_AT), *checks, (_RETURN, 0, 0, _ALLOW)]
        program += [(_JUMP_EQUAL, 0, len(body), numbers[name]), *body]
    return [*program, (_RETURN, 0, 0, _ALLOW)]
