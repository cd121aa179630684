import linecache
import sys
import traceback
import unittest

import fake_host

fake_host.install()

import _eryx_report


def caught(function):
    try:
        function()
    except BaseException as error:
        return error


def flat(report):
    """Of the first exception: type, message, frames, and the whole text."""
    (first, *_), text = report
    _, kind, message, frames, _ = first
    return kind, message, frames, text


class Describe(unittest.TestCase):
    def describe(self, function, limit=10_000):
        return flat(_eryx_report.describe(caught(function), {}, limit))

    def test_is_what_cpython_prints(self):
        def fail():
            raise ValueError("x")

        error = caught(fail)
        kind, message, frames, text = flat(_eryx_report.describe(error, {}, 10_000))
        self.assertEqual((kind, message), ("ValueError", "x"))
        self.assertEqual(text, "".join(traceback.format_exception(error)))
        self.assertEqual(frames[-1][2:], ("fail", 'raise ValueError("x")'))

    def test_long_messages_are_cut(self):
        def fail():
            try:
                raise KeyError("c" * 10**6)
            except KeyError as cause:
                raise ValueError("x" * 10**6) from cause

        kind, message, frames, text = self.describe(fail, 1000)
        self.assertEqual((kind, len(message)), ("ValueError", 1000))
        self.assertLessEqual(len(text), 1000)

    def test_deep_tracebacks_keep_both_ends(self):
        def fall(depth):
            return fall(depth - 1) if depth else 1 / 0

        frames = self.describe(lambda: fall(500))[2]
        self.assertEqual(len(frames), 200)

    def test_the_programs_own_hook_prints(self):
        seen = []
        sys.excepthook = lambda *arguments: seen.append(arguments)
        try:
            text = self.describe(lambda: 1 / 0)[3]
        finally:
            sys.excepthook = sys.__excepthook__
        self.assertEqual(text, "")
        self.assertIs(seen[0][0], ZeroDivisionError)

    def test_chains_have_an_end(self):
        def fail(depth=0):
            try:
                if depth == 50:
                    raise ValueError(depth)
                fail(depth + 1)
            except Exception as error:
                raise KeyError(depth) from error

        chain, _ = _eryx_report.describe(caught(fail), {}, 10_000)
        self.assertEqual([one[0] for one in chain], [0] + [1] * 16)

    def test_what_was_suppressed_is_not_told(self):
        def fail():
            try:
                1 / 0
            except ZeroDivisionError:
                raise ValueError from None

        chain, _ = _eryx_report.describe(caught(fail), {}, 10_000)
        self.assertEqual(len(chain), 1)

    def test_a_message_that_cannot_be_had(self):
        class Broken(Exception):
            def __str__(self):
                raise RuntimeError

        def fail():
            raise Broken

        kind, message, _, _ = self.describe(fail)
        self.assertTrue(kind.endswith("Broken"))
        self.assertEqual(message, "<exception str() failed>")


class Cpython(unittest.TestCase):
    """What is neither long nor much is told as CPython does."""

    def same(self, error):
        _, text = _eryx_report.describe(error, {}, 100_000)
        self.assertEqual(text, "".join(traceback.format_exception(error)))

    def group(self, depth, width):
        if depth == 0:
            return ValueError("leaf")
        return ExceptionGroup("g", [self.group(depth - 1, width) for _ in range(width)])

    def test_groups(self):
        for depth, width in [(1, 1), (2, 3), (1, 40), (10, 1), (11, 1), (14, 1)]:
            self.same(self.group(depth, width))

    def test_circles(self):
        one, other = ValueError("one"), ExceptionGroup("other", [ValueError("member")])
        one.__cause__, other.__cause__ = other, one
        self.same(one)

    def test_notes_of_any_kind(self):
        for notes in ([], ["a\nb", 3, None], "abc", 5, ()):
            error = ValueError("x")
            error.__notes__ = notes
            self.same(error)

    def test_recursion(self):
        def fall(depth):
            return fall(depth - 1) if depth else 1 / 0

        self.same(caught(lambda: fall(500)))


class Hostile(unittest.TestCase):
    """However much there is, little is looked at."""

    def describe(self, error, limit=65_536):
        chain, text = _eryx_report.describe(error, {}, limit)
        self.assertLessEqual(len(text.encode()), limit)
        return chain, text

    def test_groups(self):
        tree = ValueError("leaf")
        for _ in range(300):
            tree = ExceptionGroup("g", [tree] * 15)
        self.assertIn("more exceptions", self.describe(tree)[1])
        wide = ExceptionGroup("g", [ValueError("x")] * 10**5)
        self.assertIn("and 99985 more exceptions", self.describe(wide)[1])
        behind = KeyError("k")
        behind.__context__ = tree
        self.describe(behind)

    def test_chains(self):
        error = ValueError("first")
        for number in range(10**5):
            error, before = ValueError(number), error
            error.__cause__ = before
        chain, text = self.describe(error)
        self.assertEqual(len(chain), 17)
        self.assertTrue(text.startswith("[The exceptions behind these are left out]"))

    def test_notes(self):
        error = ValueError("x")
        error.__notes__ = ["n" * 10**6] * 10**5
        [(*_, notes)], _ = self.describe(error)
        self.assertEqual(set(notes[:-1]), {"n" * 65_536})
        self.assertLess(sum(map(len, notes)), 5 << 20)
        error.__notes__ = ["n"] * 10**6
        self.assertIn("[999900 more notes]", self.describe(error)[1])

    def test_lines(self):
        source = "x = [" + "1, " * 10**5 + "1/0]\n"
        linecache.cache["long"] = len(source), None, [source], "long"
        error = caught(lambda: exec(compile(source, "long", "exec"), {}))
        [(_, _, _, frames, _)], text = self.describe(error)
        self.assertEqual(len(frames[-1][3]), 1001)
        self.assertTrue(frames[-1][3].endswith("…"))
        self.assertLess(len(text), 5000)
        error = caught(lambda: compile("x = '" + "a" * 10**6, "long", "exec"))
        self.assertLess(len(self.describe(error)[1]), 5000)

    def test_sources_that_are_nowhere(self):
        looked_for = []

        def look_for(filename, module_globals=None):
            looked_for.append(filename)
            return []

        error = None
        for number in range(500):
            space = {}
            exec(compile("def f(): raise ValueError", f"nowhere{number}", "exec"), space)
            behind, error = error, caught(space["f"])
            error.__cause__ = behind
        getlines, linecache.getlines = linecache.getlines, look_for
        try:
            self.describe(error)
        finally:
            linecache.getlines = getlines
        self.assertEqual(len(looked_for), len(set(looked_for)))
        self.assertLessEqual(len(looked_for), 101)

    def test_stacks(self):
        def fall(depth):
            return fall(depth - 1) if depth else 1 / 0

        before = sys.getrecursionlimit()
        sys.setrecursionlimit(30_000)
        try:
            error = caught(lambda: fall(20_000))
            [(_, _, _, frames, _)], text = self.describe(error)
        finally:
            sys.setrecursionlimit(before)
        self.assertEqual(len(frames), 200)
        self.assertIn("frames are left out]", text)
        self.assertTrue(text.endswith("ZeroDivisionError: division by zero\n"))

    def test_texts_that_are_not_what_they_seem(self):
        class Text(str):
            def __getitem__(self, index):
                raise KeyboardInterrupt

            encode = __len__ = __getitem__

        class Error(Exception):
            def __str__(self):
                return Text("seen")

        Error.__qualname__ = "N" * 10**6
        Error.__module__ = None
        [(_, kind, message, _, _)], _ = self.describe(Error())
        self.assertEqual((kind, message), ("N" * 1000, "seen"))


if __name__ == "__main__":
    unittest.main()
