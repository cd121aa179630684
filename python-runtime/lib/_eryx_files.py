"""Files among the variables that are saved by value: opened again where they were."""

import io
import os
import pickle
import sys

import _eryx

TEXT = io.TextIOWrapper
BUFFERED = io.BufferedReader, io.BufferedWriter, io.BufferedRandom


def reduce(file, with_files):
    """What pickle is to make of a file; NotImplemented for those of the program
    itself."""
    own = sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__
    if any(file is one for one in own):
        return NotImplemented
    kind = type(file)
    if file.closed:
        known = {name: getattr(file, name, None) for name in ("name", "mode", "encoding")}
        return _closed, (kind, known)
    if not with_files:
        raise pickle.PicklingError("it is open: a snapshot with files would have it")
    if kind is io.FileIO:
        return _raw, (_path(file), file.name, file.mode, file.tell())
    if file.writable():
        file.flush()
    if kind is not TEXT:
        return _buffered, (kind, file.raw, file.tell())
    settings = {
        "encoding": file.encoding,
        "errors": file.errors,
        "newline": _eryx.newline_of(file),
        "line_buffering": file.line_buffering,
        "write_through": file.write_through,
    }
    return _text, (file.buffer, settings, getattr(file, "mode", None), file.tell())


REDUCERS = dict.fromkeys((io.FileIO, TEXT, *BUFFERED), reduce)


def _path(raw):
    """Where it is opened again."""
    if isinstance(raw.name, int):
        raise pickle.PicklingError("it was not opened by a path")
    path = os.path.abspath(os.fsdecode(raw.name))
    try:
        is_there = os.path.samestat(os.fstat(raw.fileno()), os.stat(path))
    except FileNotFoundError:
        is_there = False
    if not is_there:
        raise pickle.PicklingError(f"it is no longer at {path}")
    return path


def _raw(path, name, mode, position):
    # As far as it goes on: what opening did to the file is done.
    beginning = os.O_CREAT | os.O_EXCL | os.O_TRUNC
    raw = io.FileIO(path, mode, opener=lambda path, flags: os.open(path, flags & ~beginning))
    raw.name = name
    raw.seek(position)
    return raw


def _buffered(kind, raw, position):
    buffered = kind(raw)
    buffered.seek(position)
    return buffered


def _text(buffer, settings, mode, position):
    text = TEXT(buffer, **settings)
    if mode is not None:
        text.mode = mode
    text.seek(position)
    return text


class _Gone(io.RawIOBase):
    """What a file that was closed had been opened on."""

    def __init__(self, name, mode):
        self.name, self.mode = name, mode

    def readable(self):
        return True

    writable = seekable = readable


def _closed(kind, known):
    name, mode = known["name"], known["mode"]
    if kind is io.FileIO:
        file = kind.__new__(kind)
        file.name = name
        return file
    gone = _Gone(name, mode)
    file = kind(gone) if kind is not TEXT else TEXT(io.BufferedReader(gone), known["encoding"])
    if kind is TEXT:
        file.mode = mode
    file.close()
    return file
