"""Classes saved by value: what they are, not how they came to be.

A class is made by `type` alone and then given its attributes. What ran when it was
defined (its metaclass's `__new__`, `__init_subclass__`, `__set_name__`) does not run
again: what that did to the class is among the attributes, and what it did elsewhere,
in a registry, say, is saved where it is."""

import abc
import copyreg
import enum
import types

from _abc import _abc_init

# Of the namespace that a class is made with: they cannot be set later without a loss.
_HEAD = ("__module__", "__doc__", "__firstlineno__", "__static_attributes__")

# What a metaclass may have under these names, too: set later, it would be taken for
# something else.
_TYPES_OWN = {
    name for name, value in type.__dict__.items()
    if type(value) in (types.GetSetDescriptorType, types.MemberDescriptorType)
} - {"__module__", "__doc__", "__annotations__", "__type_params__", "__abstractmethods__"}


def _of_type(name):
    """What `type` itself knows of a class, whatever its metaclass says."""
    return type.__dict__[name].__get__


_name, _qualname, _bases, _dict = map(
    _of_type, ("__name__", "__qualname__", "__bases__", "__dict__")
)


def reduce(cls):
    """For pickle."""
    if isinstance(cls, enum.EnumType):
        return _reduce_enum(cls)
    metaclass, head, attributes = _parts(cls)
    registered = _registered(cls) if issubclass(metaclass, abc.ABCMeta) else []
    arguments = metaclass, _name(cls), _bases(cls), head
    return _make, arguments, (attributes, registered), None, None, _fill


def _parts(cls):
    """The metaclass, the namespace to begin with, and the other attributes."""
    own = dict(_dict(cls))
    has = {
        name for name in ("__dict__", "__weakref__")
        if type(own.get(name)) is types.GetSetDescriptorType
    }
    slots = [
        name for name, value in own.items()
        if type(value) is types.MemberDescriptorType and value.__objclass__ is cls
    ]
    head = {name: own.pop(name) for name in _HEAD if type(own.get(name)) in (str, int, tuple)}
    head |= {name: own.pop(name) for name in _TYPES_OWN & own.keys() - has}
    head["__qualname__"] = _qualname(cls)
    if "__slots__" in own and (slots or len(has) < 2):
        head["__slots__"] = [*slots, *sorted(has)]
    for name in (*slots, *has, "_abc_impl"):
        own.pop(name, None)
    return type(cls), head, own


def _registered(cls):
    """What `cls.register` was called with."""
    references, *_ = abc._get_dump(cls)
    found = (reference() for reference in references)
    return [one for one in found if one is not None]


def _make(metaclass, name, bases, head):
    hooks = _hooks(bases)
    try:
        for base in hooks:
            type.__setattr__(base, "__init_subclass__", classmethod(_ignore))
        cls = type.__new__(metaclass, name, bases, dict(head))
    finally:
        for base, hook in hooks.items():
            type.__setattr__(base, "__init_subclass__", hook)
    if issubclass(metaclass, abc.ABCMeta):
        _abc_init(cls)
    return cls


def _hooks(bases):
    """Each `__init_subclass__` that a class with these bases could call."""
    classes = {cls: None for base in bases for cls in base.__mro__ if cls is not object}
    return {
        cls: _dict(cls)["__init_subclass__"]
        for cls in classes if "__init_subclass__" in _dict(cls)
    }


def _ignore(cls, **arguments):
    pass


def _fill(cls, state):
    attributes, registered = state
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for other in registered:
        abc.ABCMeta.register(cls, other)


# --- Enumerations ---------------------------------------------------------


def _reduce_enum(cls):
    """Members are there, without what they consist of, as soon as the class is: what
    the class has may refer to them."""
    metaclass, head, attributes = _parts(cls)
    members = cls._member_map_
    names = {id(member): name for name, member in reversed(members.items())}
    bare = {
        name: _basis(cls, member) for name, member in members.items()
        if names[id(member)] == name
    }
    aliases = {name: names[id(member)] for name, member in members.items()}
    # Of flags, those that somebody has asked for.
    combined = {
        value: member for value, member in cls._value2member_map_.items()
        if id(member) not in names
    }
    unnamed = {value: _basis(cls, member) for value, member in combined.items()}
    arguments = (
        metaclass, _name(cls), _bases(cls), head, cls._member_type_, bare, aliases, unnamed
    )
    states = [
        (member, dict(member.__dict__))
        for member in (*(members[name] for name in bare), *combined.values())
    ]
    return _make_enum, arguments, (attributes, states), None, None, _fill_enum


def _basis(cls, member):
    """The arguments of `__new__` of what the members are besides."""
    kind = cls._member_type_
    if kind is object:
        return ()
    make, arguments, *_ = kind.__reduce_ex__(member, 4)
    if make is copyreg.__newobj__:
        return arguments[1:]
    if make is type(member):
        return arguments
    raise TypeError(f"members that are a {_name(kind)} too cannot be saved")


def _make_enum(metaclass, name, bases, head, kind, bare, aliases, unnamed):
    cls = _make(metaclass, name, bases, head)
    members = {name: kind.__new__(cls, *arguments) for name, arguments in bare.items()}
    for name, member in members.items():
        # Their hash is that of the name.
        member._name_ = name
    by_name = {name: members[first] for name, first in aliases.items()}
    type.__setattr__(cls, "_member_map_", by_name)
    combined = {value: kind.__new__(cls, *arguments) for value, arguments in unnamed.items()}
    type.__setattr__(cls, "_value2member_map_", combined)
    return cls


def _fill_enum(cls, state):
    attributes, states = state
    for member, own in states:
        member.__dict__.update(own)
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)


def reduce_member(member):
    """For pickle."""
    cls = type(member)
    name = member._name_
    if cls._member_map_.get(name) is member:
        return _member, (cls, name)
    return _combined, (cls, member._value_)


def _member(cls, name):
    return cls._member_map_[name]


def _combined(cls, value):
    member = cls._value2member_map_.get(value)
    return cls(value) if member is None else member
