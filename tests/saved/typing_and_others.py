import __main__ as itself
import decimal
import random
import re
import typing
import weakref

type Json = dict[str, Json] | list[Json] | int
type Two[A] = tuple[A, A]
UserId = typing.NewType("UserId", int)
T = typing.TypeVar("T", int, str)
U = typing.TypeVar("U", bound="Later", default=int, covariant=True)
P = typing.ParamSpec("P")
Ts = typing.TypeVarTuple("Ts")
arguments, from_typing = P.args, typing.AnyStr


class Node[X: int]:
    def same(self, x: X) -> X:
        return x


class Generic(typing.Generic[T]):
    pass


class HasX(typing.Protocol):
    x: int


class Options(typing.TypedDict, total=False):
    q: int


of_ints, optional = Generic[int], int | None
pattern = re.compile("a+", re.I)
context = decimal.Context(prec=5, rounding=decimal.ROUND_UP)
buffer = bytearray(b"xyz")
view = memoryview(buffer)


class Key:
    pass


key = Key()
weak_keys = weakref.WeakKeyDictionary({key: 1})
weak_values = weakref.WeakValueDictionary({1: key})
random.seed(4)
state = random.getstate()
random.random()
expected = random.random()
random.setstate(state)
random.random()

# After

values = typing.get_args(Json.__value__)
assert typing.get_args(values[0]) == (str, Json) and values[2] is int
assert (Json.__name__, Json.__module__, Two.__module__) == ("Json", "__main__", "__main__")
assert typing.get_args(Two.__value__) == Two.__type_params__ * 2 and Two[int].__args__ == (int,)
assert UserId(3) == 3 and (UserId.__name__, UserId.__module__) == ("UserId", "__main__")
assert T.__constraints__ == (int, str) and U.__default__ is int and U.__covariant__
assert (U.__bound__.__forward_arg__, T.__module__) == ("Later", "__main__")
assert arguments == P.args and arguments.__origin__ is P and Ts.__name__ == "Ts"
assert from_typing is typing.AnyStr
assert Node[int]().same(2) == 2 and Node.__type_params__[0].__bound__ is int
assert of_ints.__origin__ is Generic and Generic.__parameters__ == (T,) and optional == int | None
assert HasX.__protocol_attrs__ == {"x"} and Options(q=1) == {"q": 1} and not Options.__total__
assert pattern.match("AA") and (context.prec, context.rounding) == (5, decimal.ROUND_UP)
view[0] = 65
assert buffer == b"Ayz"
view[0] = 120
assert weak_keys[key] == 1 and weak_values[1] is key
now = random.getstate()
assert random.random() == expected
random.setstate(now)
assert itself.__dict__ is globals() and __name__ == "__main__"
del values, now
