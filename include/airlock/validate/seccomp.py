"""The filter of system calls for a child: what is refused, what is pretended, and what the kernel asks about first.

Refused: a look or a signal into other processes, sockets other than Unix ones, and what System V and POSIX have that
outlives a process. Pretended: a process group of its own, so that all that a file starts can be killed at once. Asked
about (Linux 5.5): network sockets, and every call that changes something on disk, with an answer by
``airlock.validate.oversight``. Machines other than x86-64 and ARM64 have no filter.

Sources: ``seccomp(2)``, ``seccomp_unotify(2)``, the tables of system calls in Linux.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence

_PR_SET_SECCOMP, _MODE_FILTER, _SET_MODE_FILTER, _NEW_LISTENER = 22, 2, 1, 8
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _ASK = 0x7FFF0000, 0x00050000, 0x7FC00000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
_AF_UNIX, _NETWORKS = 1, (2, 10, 17)  # IPv4, IPv6, raw packets
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# The audit architecture, and the numbers of the system calls that are named here.
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "kill": 62, "tkill": 200, "tgkill": 234, "setpgid": 109, "setsid": 112, "ptrace": 101}
        | {"process_vm_readv": 310, "process_vm_writev": 311, "io_uring_setup": 425, "pidfd_open": 434}
        | {"rt_sigqueueinfo": 129, "bpf": 321, "userfaultfd": 323, "keyctl": 250, "seccomp": 317, "openat2": 437}
        | {"open": 2, "openat": 257, "creat": 85, "mkdir": 83, "mkdirat": 258, "rmdir": 84, "unlink": 87}
        | {"unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316, "link": 86, "linkat": 265}
        | {"symlink": 88, "symlinkat": 266, "truncate": 76, "chmod": 90, "fchmodat": 268, "fchmodat2": 452}
        | {"chown": 92, "lchown": 94, "fchownat": 260, "mknod": 133, "mknodat": 259}
        | {"shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240},
    ),
    "aarch64": (
        0xC00000B7,
        {"socket": 198, "kill": 129, "tkill": 130, "tgkill": 131, "setpgid": 154, "setsid": 157, "ptrace": 117}
        | {"process_vm_readv": 270, "process_vm_writev": 271, "io_uring_setup": 425, "pidfd_open": 434}
        | {"rt_sigqueueinfo": 138, "bpf": 280, "userfaultfd": 282, "keyctl": 219, "seccomp": 277, "openat2": 437}
        | {"openat": 56, "mkdirat": 34, "unlinkat": 35, "renameat": 38, "renameat2": 276, "linkat": 37}
        | {"symlinkat": 36, "truncate": 45, "fchmodat": 53, "fchmodat2": 452, "fchownat": 54, "mknodat": 33}
        | {"shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180},
    ),
}
_PRETENDED = ("setsid", "setpgid")
_REFUSED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "io_uring_setup", "bpf", "userfaultfd", "keyctl"),
    "rt_sigqueueinfo",
    *("shmget", "semget", "msgget", "mq_open"),  # what they make outlives every process
)
_SIGNALLING = ("kill", "tkill", "tgkill", "pidfd_open")
FLAGS_OF = {"open": 1, "openat": 2}  # which argument of an opening call has the flags
# Calls that change something on disk, with the pairs of arguments that say where: directory (or none) and path.
CHANGES: Mapping[str, Sequence[tuple[int | None, int]]] = {
    **dict.fromkeys(("open", "creat", "mkdir", "rmdir", "unlink", "truncate", "chmod", "chown"), ((None, 0),)),
    **dict.fromkeys(("lchown", "mknod"), ((None, 0),)),
    **dict.fromkeys(("openat", "mkdirat", "unlinkat", "fchmodat", "fchmodat2", "fchownat", "mknodat"), ((0, 1),)),
    "rename": ((None, 0), (None, 1)),
    **dict.fromkeys(("renameat", "renameat2"), ((0, 1), (2, 3))),
    **dict.fromkeys(("link", "symlink"), ((None, 1),)),
    "linkat": ((2, 3),),
    "symlinkat": ((1, 2),),
}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def names() -> Mapping[int, str]:
    """Return the names of the system calls of this machine that the filter knows, by their numbers."""
    _, numbers = _MACHINES.get(platform.machine(), (0, {}))
    return {number: name for name, number in numbers.items()}


def restrict(*, has_network: bool, is_overseen: bool) -> int | None:
    """Put the filter in force, which needs that this process may gain no privileges any more.

    Returns the descriptor on which the kernel asks; ``None`` without ``is_overseen``, and where the kernel cannot ask:
    then network sockets are refused unless ``has_network``, and calls that write are nobody's concern here.
    """
    known = _MACHINES.get(platform.machine())
    if known is None or struct.calcsize("P") != 8:
        return None
    spared = os.getppid()
    if is_overseen:
        program = _program(filter_of(*known, spared=spared, network=_ASK, change=_ASK))
        listener = _libc.syscall(known[1]["seccomp"], _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
        if listener >= 0:
            return int(listener)
    network = _ALLOW if has_network else _ERRNO | errno.EACCES
    program = _program(filter_of(*known, spared=spared, network=network, change=_ALLOW))
    _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    return None


def filter_of(
    architecture: int, numbers: Mapping[str, int], *, spared: int, network: int, change: int
) -> Sequence[tuple[int, int, int, int]]:
    """Return the filter's instructions: code, jump if true, jump if false, operand.

    ``spared`` is the process that gets no signal; ``network`` and ``change`` are what such calls return.
    """
    refuse, pretend = _ERRNO | errno.EPERM, _ERRNO
    program = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_FROM, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
    ]

    def upon(name: str, *body: tuple[int, int, int, int]) -> None:
        program.extend([(_JUMP_EQUAL, 0, len(body), numbers[name]), *body])

    for name in _PRETENDED:
        upon(name, (_RETURN, 0, 0, pretend))
    for name in _REFUSED:
        upon(name, (_RETURN, 0, 0, refuse))
    others = _ALLOW if network == _ALLOW else _ERRNO | errno.EACCES
    upon(
        "socket",
        (_LOAD, 0, 0, _ARGUMENTS_AT),
        (_JUMP_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        *(step for family in _NETWORKS for step in ((_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, network))),
        (_RETURN, 0, 0, others),
    )
    if change == _ASK:
        upon("openat2", (_RETURN, 0, 0, _ERRNO | errno.ENOSYS))  # its flags cannot be seen; callers have another way
        for name in CHANGES:
            if name in FLAGS_OF:
                flags = (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * FLAGS_OF[name])
                if name in numbers:
                    upon(name, flags, (_JUMP_SET, 0, 1, _FOR_WRITING), (_RETURN, 0, 0, change), (_RETURN, 0, 0, _ALLOW))
            elif name in numbers:
                upon(name, (_RETURN, 0, 0, change))
    # The warm process, its group, and everybody at once; Landlock spares all others where it can.
    targets = [spared, -spared & 0xFFFFFFFF, 0xFFFFFFFF]
    for name in _SIGNALLING:
        checks = [step for target in targets for step in ((_JUMP_EQUAL, 0, 1, target), (_RETURN, 0, 0, refuse))]
        upon(name, (_LOAD, 0, 0, _ARGUMENTS_AT), *checks, (_RETURN, 0, 0, _ALLOW))
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _program(instructions: Sequence[tuple[int, int, int, int]]) -> _Program:
    return _Program(len(instructions), b"".join(struct.pack("HBBI", *instruction) for instruction in instructions))
