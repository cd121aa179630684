import functools
import json as other_name
import re
import types

factor = 3


def scale(x, *, by: int = 2) -> int:
    "doc"
    return x * by * factor


def twice(function):
    @functools.wraps(function)
    def inner(*arguments):
        return 2 * function(*arguments)

    return inner


@twice
def plus(a, b):
    return a + b


def counter():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    def look():
        return count

    return step, look


step, look = counter()
step()
cell = step.__closure__[0]


def mutual():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    return even, odd


even, odd = mutual()


def unbound():
    if False:
        nothing = 1

    def use():
        return nothing

    return use


use = unbound()
empty = use.__closure__[0]

circle = types.CellType()
circle.cell_contents = circle


@functools.lru_cache(maxsize=7, typed=True)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


fibonacci.mark = "mine"
fibonacci(5)


def outer():
    @functools.cache
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    return factorial


factorial = outer()


@functools.singledispatch
def show(value):
    return "something"


@show.register
def _(value: int):
    return "int"


show.register(list, lambda value: "list")
show("")


def generic[T](value: T) -> T:
    return value


def uses_what_cannot_be_saved_alone():
    return total


total = 3
namespace = {"__name__": "elsewhere", "inner": 2}
exec("def first(): return inner\ndef second(): return first() + 1", namespace)
first, second = namespace["first"], namespace["second"]
upper = functools.partial(re.sub, "a", "A")
bound = [1].append
method = "x".join

# After

assert scale(2) == 12 and scale(1, by=5) == 15 and scale.__doc__ == "doc"
assert scale.__annotations__ == {"by": int, "return": int}
factor = 10
assert scale(1) == 20, "functions see the session's variables"
factor = 3
assert plus(1, 2) == 6 and plus.__name__ == "plus"
assert (step.__closure__[0], look.__closure__[0]) == (cell, cell)
cell.cell_contents = 1
assert (look(), step(), look(), cell.cell_contents) == (1, 2, 2, 2)
assert even(10) and odd(7) and even.__closure__[0].cell_contents is odd
assert circle.cell_contents is circle
try:
    use()
except NameError:
    pass
else:
    raise AssertionError
assert use.__closure__[0] is empty
empty.cell_contents = 5
assert use() == 5
del empty.cell_contents

assert fibonacci.cache_parameters() == {"maxsize": 7, "typed": True}
assert fibonacci.mark == "mine" and fibonacci.__wrapped__.__name__ == "fibonacci"
assert fibonacci(10) == 55 and fibonacci.cache_info().currsize == 7
assert factorial(5) == 120 and factorial.cache_info().currsize == 6
assert [show(one) for one in (1, [], "")] == ["int", "list", "something"]
assert show.registry[int].__name__ == "_" and "T" in str(generic.__type_params__)
assert generic.__annotations__["value"] is generic.__type_params__[0]
assert uses_what_cannot_be_saved_alone() == total
assert first() == 2 and second() == 3 and first.__globals__ is second.__globals__
assert upper("banana") == "bAnAnA" and bound.__self__ == [1] and method("ab") == "axb"
assert other_name.loads("1") == 1
assert step.__globals__ is globals()
