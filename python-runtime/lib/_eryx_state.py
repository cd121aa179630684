"""What lasts from one program to the next: saved by value, restored, cleared."""

import gc
import io
import pickle
import random
import sys
import types

import cloudpickle

import _eryx_files
import _eryx_result
import _eryx_run

# Of the pickles. Others are refused.
FORMAT = 1

# What a module has of itself.
OWN = {
    "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtins__", "__file__",
}

LONGEST_REASON = 1000


class _Globals:
    """Stands for `__main__`'s namespace: functions must find it again, not a copy."""

    def __reduce__(self):
        return _main_globals, ()


def _main_globals():
    return _eryx_run.main_module().__dict__


class TooLarge(Exception):
    """A snapshot would have more bytes than it may."""

    def __init__(self, size):
        super().__init__(size)
        self.size = size


class _Limited(io.BytesIO):
    """Refuses to grow beyond a limit."""

    def __init__(self, limit):
        super().__init__()
        self._limit = limit

    def write(self, data):
        size = self.tell() + len(data)
        if size > self._limit:
            raise TooLarge(size)
        return super().write(data)


class _Pickler(cloudpickle.Pickler):
    """cloudpickle's, with cells that functions share still shared afterwards, and
    files as files."""

    def __init__(self, file, with_files):
        super().__init__(file, protocol=5)
        self._with_files = with_files

    def reducer_override(self, obj):
        if type(obj) is types.CellType:
            return types.CellType, ()
        if (reduce := _eryx_files.REDUCERS.get(type(obj))) is not None:
            reduced = reduce(obj, self._with_files)
            if reduced is not NotImplemented:
                return reduced
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented or not isinstance(obj, types.FunctionType):
            return reduced
        if obj.__closure__ is None or not isinstance(reduced, tuple) or len(reduced) != 6:
            return reduced
        make, (code, namespace, name, defaults, _), state, *_ = reduced
        attributes, slots = state
        # What is in the cells comes after the function: it may be the function.
        contents = [_content(cell) for cell in obj.__closure__]
        state = (attributes, {**slots, "__closure__": None}), contents
        arguments = code, namespace, name, defaults, obj.__closure__
        return make, arguments, state, None, None, _set_function


def _content(cell):
    try:
        return (cell.cell_contents,)
    except ValueError:
        return None


def _set_function(function, state):
    own, contents = state
    cloudpickle.cloudpickle._function_setstate(function, own)
    for cell, content in zip(function.__closure__, contents):
        if content is not None:
            (cell.cell_contents,) = content


def _dump(value, limit, with_files):
    file = _Limited(limit)
    pickler = _Pickler(file, with_files)
    pickler.globals_ref[id(_main_globals())] = _Globals()
    pickler.dump(value)
    return file.getvalue()


def _variables():
    return {name: value for name, value in _main_globals().items() if name not in OWN}


def save(limit, partly, with_files):
    """`("saved", bytes, omitted)`, or why not: `("large", size)` or
    `("cannot", omissions)`. Files that are open only `with_files`."""
    variables = _variables()
    omitted = []
    try:
        try:
            return "saved", _pack(variables, limit, with_files), omitted
        except TooLarge:
            raise
        except Exception:
            omitted = _unsaveable(variables, limit, with_files)
        if not partly or not omitted:
            return "cannot", omitted or [("__main__", "module", "its variables cannot be saved")]
        for name, _, _ in omitted:
            del variables[name]
        return "saved", _pack(variables, limit, with_files), omitted
    except TooLarge as error:
        return "large", error.size


def _pack(variables, limit, with_files):
    return _dump((FORMAT, variables, random.getstate()), limit, with_files)


def _unsaveable(variables, limit, with_files):
    """`(name, type, reason)` of each variable that cannot be saved by itself."""
    found = []
    for name, value in variables.items():
        try:
            _dump(value, limit, with_files)
        except TooLarge:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            kind = type(value).__qualname__
            texts = (name, kind, reason)
            found.append(tuple(_eryx_result.safe_text(str(text)) for text in texts))
    return found


def restore(data):
    """Put what was saved in the place of what is there; None, or why not."""
    namespace = _main_globals()
    before = dict(namespace)
    try:
        # Functions write to the namespace while they are read: it is made anew.
        _empty(namespace)
        version, variables, chance = pickle.loads(data)
        if version != FORMAT:
            raise ValueError(f"it has the format {version}, not {FORMAT}")
        _empty(namespace)
        namespace.update(variables)
        random.setstate(chance)
    except BaseException as error:
        namespace.clear()
        namespace.update(before)
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        return "unusable", _eryx_result.safe_text(reason)
    return None


def _empty(namespace):
    for name in [name for name in namespace if name not in OWN]:
        del namespace[name]


def clear():
    """A namespace as at the start, and no tasks."""
    _eryx_run.stop_tasks()
    _empty(_main_globals())
    gc.collect()
