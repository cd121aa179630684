"""The host's callbacks as async functions."""

import builtins
import collections
import json
import json.encoder
import json.scanner
import keyword
import types
from asyncio import Future, get_running_loop

import _eryx
import _eryx_wait


class CallbackError(Exception):
    """A call of the host did not succeed. `kind` says why in a word, `callback`
    which it was."""

    kind = "failed"

    def __init__(self, message="", callback=None, kind=None):
        super().__init__(message)
        self.message = message
        self.callback = callback
        if kind is not None:
            self.kind = kind

    __module__ = "eryx"


class CallbackArgumentError(CallbackError, TypeError):
    """The arguments are not what the callback takes."""

    kind = "invalid-arguments"
    __module__ = "eryx"


class CallbackTimeoutError(CallbackError, TimeoutError):
    """The callback took longer than the host lets it."""

    kind = "timed-out"
    __module__ = "eryx"


class CallbackCancelledError(CallbackError):
    """The host has withdrawn the call."""

    kind = "cancelled"
    __module__ = "eryx"


class CallbackLimitError(CallbackError):
    """The program has used up what it may call."""

    kind = "limit"
    __module__ = "eryx"


# The codes of shim/calls.c, failures in the order of the interface's enum.
_VALUE, _PENDING, _FIRST_FAILURE = range(3)
_FAILURES = (
    (CallbackError, "failed"),
    (CallbackArgumentError, "invalid-arguments"),
    (CallbackError, "invalid-reply"),
    (CallbackTimeoutError, "timed-out"),
    (CallbackCancelledError, "cancelled"),
    (CallbackError, "panicked"),
    (CallbackLimitError, "limit"),
)


# --- Values ---------------------------------------------------------------


def _refuse(value):
    raise TypeError(f"a {type(value).__qualname__} cannot be passed to a callback")


# The encoder looks for no circles: they end in a RecursionError.
_eryx.use_json(
    json.encoder.c_make_encoder(
        None, _refuse, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False
    ),
    json.scanner.make_scanner(json.JSONDecoder()),
)


# --- Calls ----------------------------------------------------------------

_in_flight = 1
_running = 0
_queue = collections.deque()


async def _turn():
    """Wait until fewer calls are under way."""
    while _running >= _in_flight:
        future = get_running_loop().create_future()
        _queue.append(future)
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():
                # It was this one's turn: pass it on.
                _next()
            raise


def _next():
    while _queue:
        future = _queue.popleft()
        if not future.done():
            future.set_result(None)
            return


# --- Functions ------------------------------------------------------------

_TYPES = {
    "integer": int,
    "number": float,
    "string": str,
    "boolean": bool,
    "array": list,
    "object": dict,
    "bytes": bytes,
    "null": None,
}


class _Parameters:
    """The parameters of a callback, from its JSON Schema."""

    def __init__(self, schema):
        schema = json.loads(schema)
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        names = [name for name in properties if name.isidentifier() and not keyword.iskeyword(name)]
        self.required = tuple(name for name in names if name in required)
        self.names = self.required + tuple(name for name in names if name not in required)
        self.properties = properties
        # Other names are passed by `**`: those that Python cannot have, too.
        self.open = bool(schema.get("additionalProperties")) or len(names) < len(properties)
        self._needed, self._known = set(self.required), set(properties)
        # Some of the sets of names that can be given alone, as they were given.
        self.fitting = set()
        self._signature = None
        self._rest = "kwargs"
        while self._rest in names:
            self._rest = f"_{self._rest}"

    def bind(self, args, kwargs):
        """Arguments by name, as Python itself would bind them."""
        if not args and self._fits(kwargs):
            if not self.open and len(self.fitting) < 64:
                self.fitting.add(tuple(kwargs))
            return kwargs
        bound = self.signature().bind(*args, **kwargs).arguments
        bound.update(bound.pop(self._rest, {}) if self.open else {})
        return dict(bound)

    def _fits(self, kwargs):
        names = kwargs.keys()
        return names >= self._needed and (self.open or names <= self._known)

    def signature(self):
        if self._signature is None:
            self._signature = self._make_signature()
        return self._signature

    def _make_signature(self):
        import inspect

        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=self._default(name),
                annotation=_annotation(self.properties[name], inspect.Parameter.empty),
            )
            for name in self.names
        ]
        if self.open:
            parameters.append(inspect.Parameter(self._rest, inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature(parameters)

    def _default(self, name):
        import inspect

        if name in self.required:
            return inspect.Parameter.empty
        schema = self.properties[name]
        return schema.get("default") if isinstance(schema, dict) else None


def _is_byte(schema):
    return isinstance(schema, dict) and schema.get("format") == "uint8"


def _annotation(schema, unknown):
    if not isinstance(schema, dict):
        return unknown
    if "anyOf" in schema:
        kinds = [_annotation(one, unknown) for one in schema["anyOf"]]
    else:
        kind = schema.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "array" in kinds and _is_byte(schema.get("items")):
            # What takes a list of bytes takes `bytes`, and that is what is meant.
            kinds = ["bytes", *(one for one in kinds if one == "null")]
        kinds = [_TYPES.get(one, unknown) for one in kinds]
    if not kinds or unknown in kinds:
        return unknown
    result = kinds[0]
    for kind in kinds[1:]:
        result = result | kind if result is not None else kind | None
    return result


# The number of each callback that there is now. Functions outlive their program.
_numbers = {}


def _function(name, description, schema):
    parameters = names = fitting = least = most = None

    def understand():
        """Most programs call few of the callbacks that they have."""
        nonlocal parameters, names, fitting, least, most
        parameters = _Parameters(schema)
        names, fitting = parameters.names, parameters.fitting
        least, most = len(parameters.required), len(names)

    def signature():
        if parameters is None:
            understand()
        return parameters.signature()

    start, take = _eryx.start_call, _eryx.take_call

    async def call(*args, **kwargs):
        global _running
        if parameters is None:
            understand()
        if kwargs or not least <= len(args) <= most:
            known = not args and tuple(kwargs) in fitting
            args = kwargs if known else parameters.bind(args, kwargs)
        if _running >= _in_flight:
            await _turn()
        try:
            number = _numbers.get(name)
            if number is None:
                raise CallbackError(f"the host has no callback {name} any more", name, "gone")
            code, payload = start(number, names, args)
            if code == _PENDING:
                operation, future = payload, Future()
                _eryx_wait.settle(operation, future)
                _running += 1
                try:
                    await future
                except BaseException:
                    _eryx_wait.forget(operation)
                    raise
                finally:
                    _running -= 1
                code, payload = take(operation)
        finally:
            # One that was answered at once had its turn, too, and passes it on.
            if _queue and _running < _in_flight:
                _next()
        if code == _VALUE:
            return payload
        kind, word = _FAILURES[code - _FIRST_FAILURE]
        raise kind(payload, name, word)

    call.__name__ = name.rpartition(".")[2]
    call.__qualname__ = name
    call.__module__ = "eryx"
    call.__doc__ = description or None
    call.__signature__ = signature
    return call


# --- What there is --------------------------------------------------------

_described = []
# What belongs to each of them: where it is found, and the function.
_functions = []
_installed = []


def list_callbacks():
    """What the host lets this program call: dicts with `name`, `description` and
    `parameters`, a JSON Schema."""
    return [
        {"name": name, "description": description, "parameters": json.loads(schema)}
        for name, description, schema in _described
    ]


def install(callbacks, in_flight):
    """Make the callbacks known to all code, in place of those of an earlier
    program."""
    global _described, _functions, _in_flight
    for name in _installed:
        builtins.__dict__.pop(name, None)
    _installed.clear()
    _in_flight = max(in_flight, 1)
    if callbacks != _described:
        _described = callbacks
        _functions = [
            (name.split("."), _function(name, description, schema))
            for name, description, schema in callbacks
        ]
        _numbers.clear()
        _numbers.update((name, number) for number, (name, _, _) in enumerate(callbacks))
    for path, function in _functions:
        _place(path, function)


def _place(path, function):
    *spaces, name = path
    if not spaces:
        setattr(builtins, name, function)
        _installed.append(name)
        return
    space = None
    if spaces[0] in _installed:
        space = getattr(builtins, spaces[0])
    else:
        space = types.SimpleNamespace()
        setattr(builtins, spaces[0], space)
        _installed.append(spaces[0])
    for part in spaces[1:]:
        if not hasattr(space, part):
            setattr(space, part, types.SimpleNamespace())
        space = getattr(space, part)
    setattr(space, name, function)


def announce():
    """Let all code know what every program can use."""
    builtins.list_callbacks = list_callbacks
    builtins.CallbackError = CallbackError
