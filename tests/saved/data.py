import json
import math
import xml.etree.ElementTree as tree

none, number, big, text, data = None, 1.5, 10**50, "é\ud800", b"\0"
shared = [1]
pair = (shared, shared)
circle = []
circle.append(circle)
numbers = {3, frozenset((1, 2))}
ordered = {"b": 1, "a": [2]}

# After

assert (none, number, big, text, data) == (None, 1.5, 10**50, "é\ud800", b"\0")
assert pair[0] is pair[1] is shared and circle[0] is circle
assert numbers == {3, frozenset((1, 2))} and list(ordered) == ["b", "a"]
assert json.loads("1") == 1 and math.pi > 3 and tree.__name__ == "xml.etree.ElementTree"
