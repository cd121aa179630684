"""`select.select` and `select.poll` over the host's connections. All other
descriptors are files, which are always ready."""

import os
import select
import time

import _eryx_wait
from _eryx_descriptors import READ, WRITE, descriptors

# As in the C module.
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32


def number(file):
    """The descriptor of what was passed to `select`."""
    fd = file
    if not isinstance(file, int):
        if not hasattr(file, "fileno"):
            raise TypeError("argument must be an int, or have a fileno() method.")
        fd = file.fileno()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def is_open(fd):
    """Whether there is such a descriptor."""
    if fd in descriptors:
        return True
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def ready(wanted):
    """What of a dictionary of descriptors and masks is possible now. The rest
    is being watched: `_eryx_wait.poll` returns when there is more."""
    found = []
    for fd, mask in wanted.items():
        descriptor = descriptors.get(fd)
        possible = mask if descriptor is None else descriptor.ready(mask)
        if possible:
            found.append((fd, possible))
    return found


def wait(wanted, timeout):
    """What is possible after at most `timeout` seconds."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        found = ready(wanted)
        left = None if end is None else end - time.monotonic()
        if found or (left is not None and left <= 0):
            return found
        _eryx_wait.poll(left)


def host_select(rlist, wlist, xlist, timeout=None, /):
    """Wait until one or more file descriptors are ready for some kind of I/O."""
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    wanted, files = {}, []
    for mask, sequence in ((READ, rlist), (WRITE, wlist), (0, xlist)):
        if not hasattr(sequence, "__iter__"):
            raise TypeError("arguments 1-3 must be sequences")
        for file in sequence:
            fd = number(file)
            if fd not in descriptors:
                os.fstat(fd)
            if mask:
                wanted[fd] = wanted.get(fd, 0) | mask
                files.append((file, fd, mask))
    found = dict(wait(wanted, timeout))
    readable = [file for file, fd, mask in files if mask == READ and found.get(fd, 0) & READ]
    writable = [file for file, fd, mask in files if mask == WRITE and found.get(fd, 0) & WRITE]
    return readable, writable, []


class poll:
    """A polling object."""

    def __init__(self):
        self._wanted = {}

    def register(self, fd, eventmask=POLLIN | POLLPRI | POLLOUT, /):
        self._wanted[number(fd)] = eventmask

    def modify(self, fd, eventmask, /):
        if number(fd) not in self._wanted:
            raise FileNotFoundError(2, "No such file or directory")
        self._wanted[number(fd)] = eventmask

    def unregister(self, fd, /):
        del self._wanted[number(fd)]

    def poll(self, timeout=None, /):
        wanted, closed = {}, []
        for fd, events in self._wanted.items():
            if not is_open(fd):
                closed.append((fd, POLLNVAL))
                continue
            mask = (READ if events & POLLIN else 0) | (WRITE if events & POLLOUT else 0)
            wanted[fd] = mask
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        found = wait(wanted, 0 if closed else seconds)
        return closed + [
            (fd, (POLLIN if mask & READ else 0) | (POLLOUT if mask & WRITE else 0))
            for fd, mask in found
        ]


def install():
    """Have everybody use these. Before `selectors` is imported, which looks for
    what there is."""
    # `selectors` makes it an attribute of a class: it must not become a method.
    select.select = staticmethod(host_select)
    select.poll = poll
    for name in ("POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL"):
        setattr(select, name, globals()[name])
