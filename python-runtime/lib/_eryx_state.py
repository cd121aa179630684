"""What lasts from one program to the next: saved by value, restored, cleared."""

import builtins
import enum
import gc
import io
import pickle
import random
import types
import weakref

from cloudpickle import cloudpickle

import _eryx
import _eryx_classes
import _eryx_files
import _eryx_reduce
import _eryx_result
import _eryx_run
from _eryx_stop import is_stop

# Of the pickles. Others are refused.
FORMAT = 3

# What a module has of itself. What a run needs of it is given to each.
PRISTINE = {
    "__name__": "__main__",
    "__doc__": None,
    "__package__": None,
    "__loader__": None,
    "__spec__": None,
    "__builtins__": builtins,
}
OWN = {*PRISTINE, "__file__"}

LONGEST_REASON = 1000

# Bytes of what is told of variables that cannot be saved: the host takes no more.
MOST_TOLD = 2 << 20


# --- Saving ---------------------------------------------------------------


class TooLarge(Exception):
    """A snapshot would have more bytes than it may."""

    def __init__(self, size):
        super().__init__(size)
        self.size = size


class NoMemory(TooLarge):
    """There is no memory for a snapshot of so many bytes."""


class _Limited(io.BytesIO):
    """Refuses to grow beyond a limit."""

    def __init__(self, limit):
        super().__init__()
        self._limit = limit

    def write(self, data):
        size = self.tell() + len(data)
        if size > self._limit:
            raise TooLarge(size)
        try:
            return super().write(data)
        except MemoryError:
            raise NoMemory(size) from None


class _Name:
    """A variable's name and its value's class. Whoever reads it notes where they are."""

    def __init__(self, name, kind):
        self.arguments = name, kind

    def reduce(self):
        return _arrive, self.arguments


class _Pickler(cloudpickle.Pickler):
    """cloudpickle's, with what it would lose."""

    def __init__(self, file, with_files, followed):
        super().__init__(file, protocol=5)
        self._with_files = with_files
        # The variables that functions take with them if they use them: reading a value
        # may call a function before all variables are there.
        self._followed = followed
        # By class, of the objects so far.
        self._reducers = {}
        # What stands for functions' globals, by `id`.
        self._namespaces = {}

    def forget(self):
        """Let go of everything at once, not when garbage is collected."""
        self._reducers.clear()
        self.clear_memo()

    def reducer_override(self, obj):
        kind = type(obj)
        try:
            reduce = self._reducers[kind]
        except KeyError:
            reduce = self._reducers[kind] = self._reducer_of(kind)
        return NotImplemented if reduce is None else reduce(obj)

    def _reducer_of(self, kind):
        """What is asked about the instances of a class; None if pickle knows."""
        if kind in REDUCERS:
            return REDUCERS[kind]
        if kind is types.FunctionType:
            return self._function
        if kind in _eryx_files.REDUCERS:
            return self._file
        if issubclass(kind, type):
            return self._class
        if isinstance(kind, enum.EnumType):
            is_known = cloudpickle._should_pickle_by_reference(kind)
            return None if is_known else _eryx_classes.reduce_member
        if issubclass(kind, BaseException):
            return _eryx_reduce.reducer_of_exceptions(kind)
        is_plain = kind.__reduce__ is object.__reduce__
        if is_plain and kind.__reduce_ex__ is object.__reduce_ex__:
            return None
        is_known = kind.__flags__ & _eryx_reduce.HEAP_TYPE == 0
        is_known = is_known or cloudpickle._should_pickle_by_reference(kind)
        return None if is_known else _eryx_reduce.by_content

    def _class(self, cls):
        if cls in cloudpickle._BUILTIN_TYPE_NAMES or cls in _SINGLETONS:
            return cloudpickle._class_reduce(cls)
        if cloudpickle._should_pickle_by_reference(cls):
            return NotImplemented
        return _eryx_classes.reduce(cls)

    def _function(self, function):
        if function in _OURS or cloudpickle._should_pickle_by_reference(function):
            return NotImplemented
        variables = function.__globals__
        known = self._namespaces.get(id(variables))
        if known is None:
            namespace = _eryx_reduce.namespace_of(variables)
            # Without a module, functions that share their globals still do.
            known = {} if namespace is None else namespace
            self._namespaces[id(variables)] = known
        if type(known) is not _eryx_reduce.Namespace:
            used = _eryx_reduce.globals_used(function)
        elif known.module == "__main__" and self._followed:
            used = _eryx_reduce.globals_used(function)
            used = {name: used[name] for name in used if name in self._followed}
        else:
            used = {}
        return _eryx_reduce.reduce_function(function, known, used)

    def _file(self, file):
        return _eryx_files.reduce(file, self._with_files)


REDUCERS = _eryx_reduce.REDUCERS | {_Name: _Name.reduce}

# What pickle saves by itself, and reads without calling anything.
_SIMPLE = {type(None), bool, int, float, str, bytes}

_SINGLETONS = {type(None), type(Ellipsis), type(NotImplemented)}


def _main_globals():
    return _eryx_run.main_module().__dict__


def _chance():
    """The state of the generator behind the functions of `random`."""
    return _eryx.random_state(), random._inst.gauss_next


def _set_chance(state, next_gauss):
    _eryx.set_random_state(state)
    random._inst.gauss_next = next_gauss


def _dump(value, limit, with_files, followed):
    file = _Limited(limit)
    pickler = _Pickler(file, with_files, followed)
    try:
        pickler.dump(value)
    finally:
        # It refers to itself there, and to all that it has seen.
        pickler.forget()
    return file.getvalue()


def save(limit, partly, with_files):
    """`("saved", bytes, omitted)`, or why not: `("cannot", omissions)`, or as
    `_refusal`. Files that are open only `with_files`."""
    try:
        return _save(limit, partly, with_files)
    except BaseException as error:
        return _refusal(error) or ("cannot", [("__main__", "module", reason_of(error))])


def _save(limit, partly, with_files):
    variables = {name: value for name, value in _main_globals().items() if name not in OWN}
    packed = _try_to_pack(variables, limit, with_files)
    if packed is not None:
        return "saved", packed, []
    omitted = _unsaveable(variables, limit, with_files)
    told = _fitting(list(omitted.values()))
    if len(told) < len(omitted):
        # Nothing is left out untold.
        more = f"there are {len(omitted) - len(told)} more that cannot be saved"
        return "cannot", [*told, ("__main__", "module", more)]
    if omitted and not partly:
        return "cannot", told
    for name in omitted:
        del variables[name]
    packed = _try_to_pack(variables, limit, with_files) if omitted else None
    if packed is None:
        # Functions that use each other in a long row are too deep otherwise.
        packed = _pack(variables, limit, with_files, {})
    return "saved", packed, told


def _fitting(omissions):
    """As many of them as can be told."""
    left = MOST_TOLD
    for number, texts in enumerate(omissions):
        # Each text is a record of its own.
        left -= sum(len(text.encode()) + 32 for text in texts)
        if left < 0:
            return omissions[:number]
    return omissions


def _try_to_pack(variables, limit, with_files):
    """None if something of them cannot be saved."""
    try:
        return _pack(variables, limit, with_files, variables)
    except BaseException as error:
        if _is_final(error):
            raise
        return None


def _is_final(error):
    """Whether it has nothing to do with what the variables are."""
    return type(error) is not MemoryError and _refusal(error) is not None


def _pack(variables, limit, with_files, followed):
    entries = []
    for name, value in variables.items():
        is_plain = type(value) in _SIMPLE and type(name) is str
        entries += name if is_plain else _Name(name, _kind(value)), value
    return _dump((FORMAT, entries, _chance()), limit, with_files, followed)


def _unsaveable(variables, limit, with_files):
    """`(name, type, reason)` of each variable that cannot be saved by itself."""
    found = {}
    for name, value in variables.items():
        try:
            _dump(value, limit, with_files, {})
        except BaseException as error:
            if _is_final(error):
                raise
            found[name] = _text(name), _kind(value), reason_of(error)
    return found


# --- What is said ---------------------------------------------------------


def _refusal(error):
    """The answer, if it is the same whatever was being done: `("large", size)`,
    `("memory", size)` or `("stopped", None)`."""
    if is_stop(error):
        return "stopped", None
    kind = type(error)
    if kind is TooLarge:
        return "large", error.size
    if kind is NoMemory:
        return "memory", error.size
    return ("memory", 0) if kind is MemoryError else None


def _kind(value):
    return _text(type.__dict__["__qualname__"].__get__(type(value)))


def _text(value):
    """As `str`, short, whatever the value's class makes of it."""
    try:
        return _eryx_result.safe_text(_eryx_result.head(str(value), LONGEST_REASON))
    except BaseException as error:
        if is_stop(error):
            raise
        return "<str() failed>"


def reason_of(error):
    """The exception's class and message; one in which something else is wrong must not
    hide that."""
    kind, message = _kind(error), _text(error)
    return f"{kind}: {message}"[:LONGEST_REASON] if message else kind


# --- Restoring ------------------------------------------------------------

# The variable that is being read.
_reading = None


def _arrive(name, kind):
    global _reading
    _reading = name, kind
    return name


def restore(data):
    """Put what was saved in the place of what is there; None, or why not:
    `("unusable", reason)`, or as `_refusal`. Nothing is changed then."""
    global _reading
    _reading = None
    namespace, trackers = _main_globals(), _trackers()
    before = dict(namespace)
    try:
        variables, chance = _read(data, namespace)
        # This is refused before anything of it is done.
        _set_chance(*chance)
    except BaseException as error:
        _put(namespace, before)
        _set_trackers(*trackers)
        return _refusal(error) or ("unusable", _where() + reason_of(error))
    if _eryx_run.has_tasks():
        # What they still do belongs to what was there.
        _put(namespace, before)
        _stop_tasks()
        _set_chance(*chance)
    _put(namespace, variables | _own(before))
    _eryx_run.has_chance()
    return None


def _read(data, namespace):
    # Functions find their globals while they are read: those are made anew.
    _put(namespace, _own(namespace))
    # Classes are made anew as well: those that are there may go on with other things.
    _set_trackers(weakref.WeakKeyDictionary(), weakref.WeakValueDictionary())
    try:
        version, entries, chance = pickle.loads(data)
    finally:
        _eryx_reduce.forget_promises()
    if version != FORMAT:
        raise ValueError(f"it has the format {version}, not {FORMAT}")
    _set_trackers(weakref.WeakKeyDictionary(), weakref.WeakValueDictionary())
    return dict(zip(entries[::2], entries[1::2], strict=True)), chance


def _where():
    if _reading is None:
        return ""
    name, kind = map(_text, _reading)
    return f"{name}, a {kind}: "


def _put(namespace, contents):
    namespace.clear()
    namespace.update(contents)


def _own(namespace):
    """What the program's module has of itself, also if the program has deleted it."""
    own = {name: namespace[name] for name in ("__loader__", "__file__") if name in namespace}
    return PRISTINE | own


def _trackers():
    """By these cloudpickle finds classes that it has saved or made."""
    return cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS, cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID


def _set_trackers(by_class, by_id):
    cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS = by_class
    cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID = by_id


# What snapshots call to restore values: it need not be looked for.
_OURS = {
    value
    for module in (globals(), vars(_eryx_classes), vars(_eryx_reduce))
    for value in module.values() if type(value) is types.FunctionType
}


# --- Clearing -------------------------------------------------------------


def _stop_tasks():
    """However they take it."""
    try:
        _eryx_run.stop_tasks()
    except BaseException:
        # What was asked for goes on: it takes no time from here.
        pass


def clear():
    """A namespace as at the start, and no tasks."""
    _stop_tasks()
    namespace = _main_globals()
    _put(namespace, _own(namespace))
    gc.collect()
