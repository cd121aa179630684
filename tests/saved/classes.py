import abc
import collections
import dataclasses
import errno
import functools
import typing

log = []


class Meta(type):
    def __new__(mcs, name, bases, space, **options):
        log.append(name)
        cls = super().__new__(mcs, name, bases, space)
        cls.options = options
        return cls

    def __init__(cls, name, bases, space, *, tag):
        super().__init__(name, bases, space)


class Tagged(metaclass=Meta, tag="t"):
    def who(self):
        return "tagged"


class Child(Tagged, tag="c"):
    def who(self):
        return super().who() + "+" + __class__.__name__


class Plugin:
    registry = []

    def __init_subclass__(cls, *, key):
        cls.registry.append(cls)
        cls.key = key


class One(Plugin, key=1):
    pass


class Named:
    def __set_name__(self, owner, name):
        log.append(name)


class Owner:
    attribute = Named()


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    def area(self):
        return 4


@Shape.register
class Other:
    pass


class Slots:
    __slots__ = ("a", "__private", "__weakref__")

    def __init__(self):
        self.a, self.__private = 1, 2

    def private(self):
        return self.__private


class More(Slots):
    __slots__ = {"c": "documented"}


more = More()
more.c = 9


@dataclasses.dataclass(slots=True, frozen=True)
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list)
    _: dataclasses.KW_ONLY = None
    z: int = 3


@dataclasses.dataclass
class Plain:
    needed: int
    known: int = 1


point = Point(1, [2])
missing, keyword_only = dataclasses.MISSING, dataclasses.KW_ONLY


class Properties:
    def get(self):
        return 5

    value = property(get, doc="documented")

    @functools.cached_property
    def once(self):
        return object()

    @classmethod
    def kind(cls):
        return cls

    @staticmethod
    def still():
        return 1

    class Inner:
        pass


properties = Properties()
properties.once


class Equal:
    def __eq__(self, other):
        return True


Pair = collections.namedtuple("Pair", "x y", defaults=[5])


class Row(typing.NamedTuple):
    a: int
    b: str = "q"

    def both(self):
        return self.a, self.b


pair, row = Pair(1), Row(2)


class Failure(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


try:
    try:
        1 / 0
    except ZeroDivisionError as cause:
        raise Failure(1, 2) from cause
except Failure as error:
    failure = error
not_found = OSError(errno.ENOENT, "no such", "file")


class Nothing:
    def __reduce__(self):
        return "NOTHING"


NOTHING = Nothing()
nothings = [NOTHING, NOTHING]


class Circular:
    pass


Circular.itself = [Circular]

# After

assert log == ["Tagged", "Child", "attribute"], log
assert type(Tagged) is Meta and Tagged.options == {"tag": "t"}
assert Child().who() == "tagged+Child" and Child.options == {"tag": "c"}


class Again(metaclass=Meta, tag="u"):
    pass


assert log.pop() == "Again"
assert Plugin.registry == [One] and One.key == 1


class Two(Plugin, key=2):
    pass


assert Plugin.registry.pop() is Two and Plugin.registry == [One]
del Again, Two

for make in (Shape, lambda: point.__class__(1).__setattr__("x", 2)):
    try:
        make()
    except (TypeError, dataclasses.FrozenInstanceError):
        pass
    else:
        raise AssertionError(make)
assert Square().area() == 4 and issubclass(Other, Shape) and not issubclass(int, Shape)

assert (more.a, more.c, more.private(), hasattr(more, "__dict__")) == (1, 9, 2, False)
assert More.__slots__ == {"c": "documented"} and Slots.__slots__[1] == "__private"
assert point == Point(1, [2]) and not hasattr(point, "__dict__")
assert dataclasses.replace(point, z=4).z == 4
assert missing is dataclasses.MISSING and keyword_only is dataclasses.KW_ONLY
assert [field.default is missing for field in dataclasses.fields(Plain)] == [True, False]


@dataclasses.dataclass
class Longer(Plain):
    extra: int = 2


assert Longer(1) == Longer(1, 1, 2)
del Longer

assert properties.value == 5 and Properties.value.__doc__ == "documented"
assert Properties.value.__name__ == "value"
assert properties.once is properties.once and Properties.kind() is Properties
assert Properties.still() == 1 and Properties.Inner.__qualname__ == "Properties.Inner"
assert Equal.__hash__ is None and Properties.__firstlineno__ > 1
assert pair == (1, 5) and pair._replace(x=3) == (3, 5) and type(pair) is Pair
assert row.both() == (2, "q") and Row._fields == ("a", "b")
assert failure.args == (1,) and failure.b == 2 and failure.__suppress_context__
assert type(failure.__cause__) is ZeroDivisionError
assert type(not_found) is FileNotFoundError and not_found.filename == "file"
assert nothings[0] is nothings[1] is NOTHING and type(NOTHING) is Nothing
assert Circular.itself[0] is Circular
