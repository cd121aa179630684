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

    def test_all_texts_together_have_a_limit(self):
        def fail():
            error = ValueError("é" * 1000)
            for _ in range(100):
                error.add_note("x" * 1000)
            raise error

        ((_, _, message, _, notes),), text = _eryx_report.describe(caught(fail), {}, 1001)
        self.assertEqual(message, "é" * 500)
        self.assertEqual(notes[0], "x" * 1000)
        told = sum(len(note) for note in notes)
        self.assertLessEqual(told, 16 * 1001)
        self.assertGreater(told, 13 * 1001)
        self.assertLessEqual(len(text.encode()), 1001)


if __name__ == "__main__":
    unittest.main()
