"""Imports the standard library from the zip file in the guest's own memory.

`zipimport` does the work. All that is added is a file object over the memory
and a path hook that does not look for the archive on disk.
"""

import _eryx
import _io
import sys
import zipimport

ARCHIVE = "/usr/lib/python313.zip"


class ArchiveFile(_io._RawIOBase):
    """The archive, opened for reading. Reads copy only what was asked for."""

    def __init__(self):
        self._memory = _eryx.archive()
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        start = (0, self._position, len(self._memory))[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self):
        return self._position

    def readinto(self, buffer):
        piece = self._memory[self._position : self._position + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


def open_code(path):
    """What `io.open_code` does in the guest."""
    if path == ARCHIVE:
        return ArchiveFile()
    return _io.open(path, "rb")


def path_hook(path):
    """An importer for the archive or a folder in it."""
    if path != ARCHIVE and not path.startswith(ARCHIVE + "/"):
        raise ImportError("not in the standard library's archive", path=path)
    importer = zipimport.zipimporter.__new__(zipimport.zipimporter)
    importer.archive = ARCHIVE
    folder = path[len(ARCHIVE) + 1 :]
    importer.prefix = folder + "/" if folder else ""
    return importer


def install():
    """Make the archive importable."""
    sys.path_hooks.insert(0, path_hook)
    sys.path_importer_cache.clear()


def leave_out(names):
    """Take entries out of the archive, where it is: what follows them moves up."""
    from struct import pack_into, unpack_from

    memory = _eryx.change_archive()
    # Not of all of it: what a copy leaves in memory would be in the runtime.
    tail = bytes(memory[-_MOST_TAIL:])
    end = len(memory) - len(tail) + tail.rindex(b"PK\x05\x06")
    count, _, directory = unpack_from("<HLL", memory, end + 10)
    entries = list(_entries(bytes(memory[directory:end]), count))
    starts = [start for _, start, _ in entries[1:]] + [directory]
    kept = []
    to = 0
    for (name, start, header), next_start in zip(entries, starts):
        if name in names:
            continue
        size = next_start - start
        memory[to : to + size] = memory[start:next_start]
        pack_into("<L", header, _START_FIELD, to)
        kept.append(header)
        to += size
    headers = b"".join(kept)
    tail = bytearray(memory[end:])
    pack_into("<HHLL", tail, 8, len(kept), len(kept), len(headers), to)
    for part in (headers, tail):
        memory[to : to + len(part)] = part
        to += len(part)
    del memory
    _eryx.shorten_archive(to)
    zipimport._zip_directory_cache[ARCHIVE] = zipimport._read_directory(ARCHIVE)


# The end of the directory, with a comment, takes at most so many bytes.
_MOST_TAIL = 100
# The size of a header in a zip file's directory, and where that says where the
# entry's content starts.
_HEADER_SIZE = 46
_START_FIELD = 42


def _entries(directory, count):
    """Name, start and header of each, in the order of their starts."""
    from struct import unpack_from

    at = 0
    for _ in range(count):
        lengths = unpack_from("<HHH", directory, at + 28)
        header = bytearray(directory[at : at + _HEADER_SIZE + sum(lengths)])
        (start,) = unpack_from("<L", header, _START_FIELD)
        yield header[_HEADER_SIZE : _HEADER_SIZE + lengths[0]].decode(), start, header
        at += len(header)
