import asyncio
import inspect
import json
import unittest

import fake_host

host = fake_host.install()

import _eryx_calls

VALUE, PENDING, FAILED = 0, 1, 2
SCHEMA = {
    "type": "object",
    "properties": {
        "unit": {"type": ["string", "null"]},
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 3},
    },
    "required": ["city"],
}


class Call(unittest.TestCase):
    def setUp(self):
        self.calls = []
        self.answers = []
        host.start_call = self.start
        host.take_call = None
        host.cancelled.clear()
        _eryx_calls._in_flight = 2
        _eryx_calls._numbers.update({"a.b": 5, "f": 0})

    def start(self, index, names, arguments):
        if isinstance(arguments, tuple):
            arguments = dict(zip(names, arguments))
        self.calls.append((index, arguments))
        return self.answers.pop(0) if self.answers else (VALUE, None)

    def call(self, *args, schema=SCHEMA, **kwargs):
        function = _eryx_calls._function("a.b", "doc", json.dumps(schema))
        return asyncio.run(function(*args, **kwargs))

    def test_arguments_are_bound_by_name(self):
        self.call("Bern")
        self.call("Bern", "C", 1)
        self.call(days=2, city="Bern")
        self.call("Bern", days=2)
        sent = [arguments for _, arguments in self.calls]
        self.assertEqual(
            sent,
            [
                {"city": "Bern"},
                {"city": "Bern", "unit": "C", "days": 1},
                {"city": "Bern", "days": 2},
                {"city": "Bern", "days": 2},
            ],
        )

    def test_what_does_not_fit_is_refused_before_the_call(self):
        for args, kwargs in [((), {}), (("a", 1, 2, 3), {}), (("a",), {"x": 1}), ((), {"days": 1})]:
            with self.assertRaises(TypeError):
                self.call(*args, **kwargs)
        self.assertEqual(self.calls, [])

    def test_names_that_python_cannot_have(self):
        schema = {"properties": {"from": {}, "a-b": {}, "to": {}}, "required": ["to"]}
        self.call("x", schema=schema, **{"from": 1, "a-b": 2})
        self.assertEqual(self.calls[0][1], {"to": "x", "from": 1, "a-b": 2})

    def test_signature(self):
        function = _eryx_calls._function("a.b", "doc", json.dumps(SCHEMA))
        self.assertEqual(
            str(inspect.signature(function)),
            "(city: str, unit: str | None = None, days: int = 3)",
        )
        self.assertEqual((function.__name__, function.__doc__), ("b", "doc"))

    def test_failures(self):
        for kind, (error, word) in enumerate(_eryx_calls._FAILURES):
            self.answers = [(FAILED + kind, "why")]
            with self.assertRaises(error) as caught:
                self.call("x")
            self.assertIs(type(caught.exception), error)
            self.assertEqual((caught.exception.kind, str(caught.exception)), (word, "why"))

    def test_further_calls_wait_for_their_turn(self):
        self.answers = [(PENDING, 1), (PENDING, 2), (PENDING, 3)]
        host.take_call = lambda operation: (VALUE, operation)
        function = _eryx_calls._function("f", "", json.dumps(SCHEMA))
        counts = []

        async def main():
            calls = [asyncio.create_task(function("x")) for _ in range(4)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counts.append(len(self.calls))
            calls[2].cancel()
            _eryx_calls._eryx_wait._futures.pop(1).set_result(None)
            _eryx_calls._eryx_wait._futures.pop(2).set_result(None)
            done = await asyncio.gather(*calls[:2])
            for _ in range(3):
                await asyncio.sleep(0)
            _eryx_calls._eryx_wait._futures.pop(3).set_result(None)
            return done + [await calls[3]]

        self.assertEqual(asyncio.run(main()), [1, 2, 3])
        self.assertEqual(counts, [2])

    def test_a_cancelled_call_is_given_up(self):
        self.answers = [(PENDING, 8)]
        function = _eryx_calls._function("f", "", json.dumps(SCHEMA))

        async def main():
            await asyncio.wait_for(function("x"), 0.01)

        with self.assertRaises(TimeoutError):
            asyncio.run(main())
        self.assertEqual((host.cancelled, _eryx_calls._running), ([8], 0))


class Install(unittest.TestCase):
    def tearDown(self):
        _eryx_calls.install([], 1)

    def test_dotted_names_are_namespaces(self):
        import builtins

        names = ["a.b", "a.c.d", "e"]
        _eryx_calls.install([(name, "", "{}") for name in names], 1)
        self.assertEqual(builtins.a.c.d.__qualname__, "a.c.d")
        self.assertEqual([one["name"] for one in _eryx_calls.list_callbacks()], names)
        _eryx_calls.install([], 1)
        self.assertFalse(hasattr(builtins, "a") or hasattr(builtins, "e"))


if __name__ == "__main__":
    unittest.main()
