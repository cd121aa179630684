"""Values that pickle and cloudpickle cannot save, or not as they are: functions,
cells, what knows itself by a name in a module only, and what is refused."""

import builtins
import contextvars
import copyreg
import dataclasses
import functools
import gc
import keyword
import pickle
import sys
import types
import typing
import weakref

from cloudpickle import cloudpickle

import _eryx_run

# --- Functions and cells --------------------------------------------------


class Namespace:
    """Stands for a module's variables: functions must find them again, not a copy."""

    def __init__(self, module):
        self.module = module

    def __reduce__(self):
        return _variables_of, (self.module,)


def _variables_of(module):
    if module == "__main__":
        return _eryx_run.main_module().__dict__
    return cloudpickle.subimport(module).__dict__


def namespace_of(variables):
    """A `Namespace` if they are a module's."""
    if variables is _eryx_run.main_module().__dict__:
        return Namespace("__main__")
    name = variables.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    is_its_own = type(module) is types.ModuleType and module.__dict__ is variables
    return Namespace(name) if is_its_own else None


def reduce_function(function, variables, used):
    """For pickle. `variables` stands for the function's globals, and `used` are those
    that have to go with it."""
    attributes, slots = cloudpickle._function_getstate(function)
    del slots["__closure__"], slots["__globals__"]
    if function.__type_params__:
        slots["__type_params__"] = function.__type_params__
    arguments = function.__code__, variables, function.__closure__
    return _make_function, arguments, (attributes, slots, used), None, None, _fill_function


def globals_used(function):
    names = dict.fromkeys(("__name__", "__package__", "__path__", "__file__"))
    names |= cloudpickle._extract_code_globals(function.__code__)
    variables = function.__globals__
    return {name: variables[name] for name in names if name in variables}


def _make_function(code, variables, closure):
    variables.setdefault("__builtins__", builtins)
    return types.FunctionType(code, variables, None, None, closure)


def _fill_function(function, state):
    attributes, slots, used = state
    function.__dict__.update(attributes)
    function.__globals__.update(used)
    # They are imported now: that is what it was for.
    del slots["_cloudpickle_submodules"]
    for name, value in slots.items():
        setattr(function, name, value)


def _cell(cell):
    """What is in it comes after it: that may be a function which has it."""
    try:
        content = (cell.cell_contents,)
    except ValueError:
        content = None
    return types.CellType, (), content, None, None, _fill_cell


def _fill_cell(cell, content):
    (cell.cell_contents,) = content


# --- What knows itself by name --------------------------------------------


def _by_name(value, name):
    """Whether a module other than the program's has it under this name."""
    return cloudpickle._lookup_module_and_qualname(value, name=name) is not None


def _cached(wrapper):
    if _by_name(wrapper, wrapper.__qualname__):
        return wrapper.__qualname__
    parameters = wrapper.cache_parameters()
    own = dict(wrapper.__dict__)
    own.pop("cache_parameters", None)
    arguments = own["__wrapped__"], parameters["maxsize"], parameters["typed"]
    return _make_cached, arguments, own


def _make_cached(function, maxsize, typed):
    return functools.lru_cache(maxsize, typed)(function)


def _type_parameter(parameter):
    """A TypeVar, ParamSpec or TypeVarTuple."""
    name = parameter.__name__
    if _by_name(parameter, name):
        return name
    kind = type(parameter)
    options = {"default": parameter.__default__} if parameter.has_default() else {}
    constraints = ()
    if kind is typing.TypeVar:
        constraints = parameter.__constraints__
    if kind is not typing.TypeVarTuple:
        options["bound"] = parameter.__bound__
        for option in ("covariant", "contravariant", "infer_variance"):
            options[option] = getattr(parameter, f"__{option}__")
    return _make_type_parameter, (kind, name, constraints, options, parameter.__module__)


def _make_type_parameter(kind, name, constraints, options, module):
    parameter = kind(name, *constraints, **options)
    parameter.__module__ = module
    return parameter


def _part_of_parameters(part):
    name = "args" if type(part) is typing.ParamSpecArgs else "kwargs"
    return getattr, (part.__origin__, name)


def _alias(alias):
    name, parameters = alias.__name__, alias.__type_params__
    if _by_name(alias, name):
        return name
    if parameters or not name.isidentifier() or keyword.iskeyword(name):
        return _make_alias, (name, alias.__value__, parameters, alias.__module__)
    # Its value may refer to it.
    return _promise_alias, (name, alias.__module__), _Value(alias), None, None, _keep_alias


class _Value:
    """Is read only when the alias itself is known already."""

    def __init__(self, alias):
        self.alias = alias

    def __reduce__(self):
        return _same, (self.alias.__value__,)


def _same(value):
    return value


def _make_alias(name, value, parameters, module):
    # It asks the function that it is called from for the module.
    code = _call_type_alias.__code__
    call = types.FunctionType(code, {"__name__": module, "make": typing.TypeAliasType})
    return call(name, value, parameters)


def _call_type_alias(name, value, parameters):
    return make(name, value, type_params=parameters)  # noqa: F821


# Aliases that have no value yet, with the list that it goes to, by `id`: while a
# snapshot is read.
_promised = {}


def _promise_alias(name, module):
    value = []
    variables = {"__name__": module, "value": value}
    exec(f"def make():\n    type {name} = value[0]\n    return {name}", variables)
    alias = variables["make"]()
    _promised[id(alias)] = alias, value
    return alias


def _keep_alias(alias, value):
    _promised.pop(id(alias))[1].append(value)


def _new_type(new):
    if _by_name(new, new.__qualname__):
        return new.__qualname__
    return copyreg.__newobj__, (typing.NewType,), dict(new.__dict__)


def _sentinel(name):
    return lambda value: name


def forget_promises():
    """Nothing is being read any more."""
    _promised.clear()


# --- Exceptions -----------------------------------------------------------

HEAP_TYPE = 1 << 9


def _exception(error):
    """As pickle does, without the `__init__` of a class of the program, which may take
    other arguments than those that the exception keeps; and with what it follows from."""
    made = error.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    kind = type(error)
    if type(made) is not tuple or made[0] is not kind:
        return made
    _, arguments, *own = made
    behind = error.__cause__, error.__context__, error.__suppress_context__
    state = own[0] if own else None, behind
    return _make_exception, (kind, arguments), state, None, None, _fill_exception


def _make_exception(kind, arguments):
    built_in = next(one for one in kind.__mro__ if not one.__flags__ & HEAP_TYPE)
    error = built_in.__new__(kind, *arguments)
    built_in.__init__(error, *arguments)
    return error


def _fill_exception(error, state):
    own, (cause, context, suppressed) = state
    if own is not None:
        BaseException.__setstate__(error, own)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppressed


def reducer_of_exceptions(kind):
    """None if the class has a way of its own."""
    has_own = type(kind.__reduce__) is not types.MethodDescriptorType
    return None if has_own or kind.__reduce_ex__ is not object.__reduce_ex__ else _exception


# --- Others ---------------------------------------------------------------


def by_content(value):
    """An instance whose class says that it is known by a name: in the program's module
    there is nothing under that name while a snapshot is read."""
    made = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if not isinstance(made, str) or _by_name(value, made):
        return made
    return copyreg.__newobj__, (type(value),), object.__getstate__(value)


def _proxy_of_dict(proxy):
    (mapping,) = gc.get_referents(proxy)
    return types.MappingProxyType, (mapping,)


def _view(view):
    whole = view.obj
    is_known = type(whole) in (bytes, bytearray)
    if not is_known or view != memoryview(whole) or view.readonly != (type(whole) is bytes):
        raise pickle.PicklingError("a memoryview is saved only of all of its bytes or bytearray")
    return memoryview, (whole,)


def _property(one):
    make, arguments = cloudpickle._property_reduce(one)
    name = getattr(one, "__name__", None)
    if name is None or name == getattr(one.fget, "__name__", None):
        return make, arguments
    return make, arguments, name, None, None, _name_property


def _name_property(one, name):
    one.__set_name__(None, name)


def _weak_dict(weak):
    return type(weak), (dict(weak),)


def _refuse(reason):
    def refuse(value):
        raise pickle.PicklingError(reason)

    return refuse


_WEAK = _refuse("a weak reference is not saved: keep what it refers to")
_CONTEXT = _refuse("what belongs to a context is not saved: keep its values")

# By type; each takes the value and answers as `__reduce__` does.
REDUCERS = {
    types.CellType: _cell,
    functools._lru_cache_wrapper: _cached,
    typing.TypeVar: _type_parameter,
    typing.ParamSpec: _type_parameter,
    typing.TypeVarTuple: _type_parameter,
    typing.ParamSpecArgs: _part_of_parameters,
    typing.ParamSpecKwargs: _part_of_parameters,
    typing.TypeAliasType: _alias,
    typing.NewType: _new_type,
    type(dataclasses.MISSING): _sentinel("MISSING"),
    type(dataclasses.KW_ONLY): _sentinel("KW_ONLY"),
    type(dataclasses._HAS_DEFAULT_FACTORY): _sentinel("_HAS_DEFAULT_FACTORY"),
    types.MappingProxyType: _proxy_of_dict,
    memoryview: _view,
    property: _property,
    weakref.WeakKeyDictionary: _weak_dict,
    weakref.WeakValueDictionary: _weak_dict,
    weakref.ReferenceType: _WEAK,
    weakref.ProxyType: _WEAK,
    weakref.CallableProxyType: _WEAK,
    weakref.WeakMethod: _WEAK,
    weakref.finalize: _WEAK,
    contextvars.ContextVar: _CONTEXT,
    contextvars.Context: _CONTEXT,
    contextvars.Token: _CONTEXT,
}
