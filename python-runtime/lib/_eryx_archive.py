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
