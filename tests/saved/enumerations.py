import enum


class Color(enum.Enum):
    RED = 1
    BLUE = 2
    ROT = 1

    def lower(self):
        return self.name.lower()

    @property
    def opposite(self):
        return Color.BLUE if self is Color.RED else Color.RED


class Planet(enum.Enum):
    EARTH = (1.0, 2.0)
    MARS = (3.0, 4.0)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius

    @classmethod
    def _missing_(cls, value):
        return cls.EARTH


Planet.EARTH.next = Planet.MARS


class Permission(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    RUN = 4


class Bits(enum.IntFlag, boundary=enum.KEEP):
    A = enum.auto()
    B = enum.auto()


class Word(enum.StrEnum):
    X = enum.auto()
    Y = "why"


class Coordinate(bytes, enum.Enum):
    def __new__(cls, value, label):
        member = bytes.__new__(cls, [value])
        member._value_, member.label = value, label
        return member

    PX = (0, "P.X")
    PY = (1, "P.Y")


class Lists(enum.Enum):
    FIRST = [1]
    SECOND = [2]


Called = enum.Enum("Called", "a b c")
both, some, unknown = Permission.READ | Permission.WRITE, Bits.A | Bits.B, Bits(9)
mixed = Permission.READ | Permission.RUN
chosen = {Color.RED: Planet.MARS, Word.X: Bits.B}

# After

assert list(Color.__members__) == ["RED", "BLUE", "ROT"] and len(Color) == 2
assert Color.ROT is Color.RED is Color(1) is Color["ROT"] and Color.BLUE.lower() == "blue"
assert Color.RED.opposite is Color.BLUE and isinstance(Color.RED, Color)
try:
    Color.RED = 3
except AttributeError:
    pass
else:
    raise AssertionError
assert Planet.MARS.radius == 4.0 and Planet((3.0, 4.0)) is Planet.MARS
assert Planet("nowhere") is Planet.EARTH and Planet.EARTH.next is Planet.MARS
assert both is Permission.BOTH and list(Permission) == [Permission(1), Permission(2), Permission(4)]
assert mixed is Permission(5) and Permission.RUN in mixed and ~mixed is Permission.WRITE
assert some is Bits(3) and some == 3 and unknown == 9 and repr(some) == "<Bits.A|B: 3>"
assert Word.X == "x" and Word("why") is Word.Y and f"{Word.X}" == "x"
assert Coordinate(1) is Coordinate.PY and Coordinate.PY == b"\1" and Coordinate.PY.label == "P.Y"
assert Lists([2]) is Lists.SECOND and Called(2) is Called.b
assert chosen == {Color.RED: Planet.MARS, Word.X: Bits.B}
