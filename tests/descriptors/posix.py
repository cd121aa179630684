"""Random operations on descriptors of one file, beside a model of what POSIX says.

Arguments: the file's path, a seed, how many operations."""

import errno
import os
import random
import sys

path, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
content = None
opened = {}


class Opened:
    def __init__(self, flags):
        self.access = flags & os.O_ACCMODE
        self.appends = bool(flags & os.O_APPEND)
        self.position = 0

    reads = property(lambda self: self.access != os.O_WRONLY)
    writes = property(lambda self: self.access != os.O_RDONLY)


def put(position, data):
    content.extend(bytes(max(0, position - len(content))))
    content[position : position + len(data)] = data


def data():
    return chance.randbytes(chance.choice([0, 1, 7, 300, 5000, 70000]))


def position():
    return chance.randrange(0, len(content) + 2000)


def size():
    return chance.choice([0, 1, 100, 4096, 100000])


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def check(what, got, expected):
    assert got == expected, f"{what}: {str(got)[:60]} instead of {str(expected)[:60]}"


def open_():
    global content
    flags = chance.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
    if flags != os.O_RDONLY:
        for flag, part in [(os.O_CREAT, 0.7), (os.O_EXCL, 0.1), (os.O_TRUNC, 0.1), (os.O_APPEND, 0.3)]:
            flags |= flag if chance.random() < part else 0
    flags &= ~os.O_EXCL if not flags & os.O_CREAT else ~0
    got = attempt(os.open, path, flags)
    if content is None and not flags & os.O_CREAT:
        return check("open", got, "ENOENT")
    if content is not None and flags & os.O_EXCL:
        return check("open", got, "EEXIST")
    assert isinstance(got, int) and got not in opened, got
    if content is None or flags & os.O_TRUNC:
        if content is None:
            content = bytearray()
        content.clear()
    opened[got] = Opened(flags)


def close(fd, _):
    os.close(fd)
    del opened[fd]
    check("read of a closed one", attempt(os.read, fd, 1), "EBADF")


def read(fd, one):
    length = size()
    got = attempt(os.read, fd, length)
    if not one.reads:
        return check("read", got, "EBADF")
    check("read", got, bytes(content[one.position : one.position + length]))
    one.position += len(got)


def write(fd, one):
    bytes_ = data()
    got = attempt(os.write, fd, bytes_)
    if not one.writes:
        return check("write", got, "EBADF")
    check("write", got, len(bytes_))
    if one.appends and bytes_:
        one.position = len(content)
    if bytes_:
        put(one.position, bytes_)
    one.position += len(bytes_)


def pread(fd, one):
    length, place = size(), position()
    expected = bytes(content[place : place + length]) if one.reads else "EBADF"
    check("pread", attempt(os.pread, fd, length, place), expected)


def pwrite(fd, one):
    if one.appends:
        return
    bytes_, place = data(), position()
    got = attempt(os.pwrite, fd, bytes_, place)
    if not one.writes:
        return check("pwrite", got, "EBADF")
    check("pwrite", got, len(bytes_))
    if bytes_:
        put(place, bytes_)


def lseek(fd, one):
    how = chance.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
    start = {os.SEEK_SET: 0, os.SEEK_CUR: one.position, os.SEEK_END: len(content)}[how]
    by = chance.randrange(-3000, 6000)
    got = attempt(os.lseek, fd, by, how)
    if start + by < 0:
        return check("lseek", got, "EINVAL")
    check("lseek", got, start + by)
    one.position = got


def ftruncate(fd, one):
    length = position()
    got = attempt(os.ftruncate, fd, length)
    if not one.writes:
        return check("ftruncate", got, "EINVAL")
    check("ftruncate", got, None)
    del content[length:]
    content.extend(bytes(length - len(content)))


def tell(fd, one):
    check("tell", os.lseek(fd, 0, os.SEEK_CUR), one.position)


def fstat(fd, _):
    check("fstat", os.fstat(fd).st_size, len(content))


def stat(fd, _):
    check("stat", os.stat(path).st_ino, os.fstat(fd).st_ino)


CALLS = [read, write, pread, pwrite, lseek, ftruncate, tell, fstat, stat]

for number in range(count):
    if not opened or (len(opened) < 6 and chance.random() < 0.15):
        open_()
        continue
    fd = chance.choice(list(opened))
    call = close if chance.random() < 0.05 else chance.choice(CALLS)
    try:
        call(fd, opened[fd])
    except AssertionError as error:
        raise AssertionError(f"operation {number} of seed {seed}") from error

for fd in opened:
    os.close(fd)
with open(path, "rb") as file:
    check("content", file.read(), bytes(content))
os.unlink(path)
print("agreed")
