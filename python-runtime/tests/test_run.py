import builtins
import io
import sys
import types
import unittest

import fake_host

host = fake_host.install()

import _eryx_run


class Run(unittest.TestCase):
    def setUp(self):
        self.flushed = []
        self.answer = True
        host.watch = lambda stoppable: None
        host.open_reserve = lambda: None
        host.open_streams = lambda: True
        host.flush_streams = self.flush
        host.compile = lambda source, filename: compile(source, filename, "exec")
        self.kept = dict(_eryx_run._main.__dict__)
        self.hook, self.argv = sys.excepthook, sys.argv

    def tearDown(self):
        namespace = _eryx_run._main.__dict__
        namespace.clear()
        namespace.update(self.kept)
        sys.excepthook, sys.argv = self.hook, self.argv

    def flush(self, lasting):
        self.flushed.append(lasting)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def run_program(self, source, filename="main.py", lasting=False, variable=None):
        return _eryx_run.execute(
            source, filename, [filename], variable, b"", 0, [], [], 1, [], False, lasting, 0,
            1000, 10_000,
        )

    def test_a_variable_is_the_result(self):
        self.assertEqual(self.run_program("x = [1]", variable="x"), ("finished", (True, "[1]", False)))
        self.assertEqual(self.flushed, [False])

    def test_lost_output_is_status_120(self):
        self.answer = False
        self.assertEqual(self.run_program("x = 1"), ("exited", 120))
        self.assertEqual(self.run_program("raise SystemExit(3)"), ("exited", 120))
        self.assertEqual(self.run_program("1/0")[0], "raised")
        self.assertEqual(self.run_program("x = 1", lasting=True), ("finished", None))

    def test_statuses(self):
        for code, status in [("", 0), ("7", 7), ("True", 1), ("2**40", 0), ("-1", -1)]:
            self.assertEqual(self.run_program(f"raise SystemExit({code})"), ("exited", status))

    def test_the_hook_can_exit(self):
        code = "import sys\nsys.excepthook = lambda *_: sys.exit(4)\n1/0"
        self.assertEqual(self.run_program(code), ("exited", 4))

    def test_being_asked_to_end_while_the_end_goes_on(self):
        self.answer = TimeoutError("the program has used up its time")
        for code in ["x = 1", "raise SystemExit(3)", "1/0"]:
            kind, (chain, text) = self.run_program(code)
            self.assertEqual((kind, chain[0][1]), ("raised", "TimeoutError"), code)
            self.assertIn("used up its time", text)

    def test_what_is_in_angle_brackets_is_no_file(self):
        for lasting in False, True:
            answer = self.run_program("x = '__file__' in globals()", "<string>", lasting, "x")
            self.assertEqual(answer, ("finished", (True, "false", False)))
            _, (chain, _) = self.run_program("\nraise KeyError", "<string>", lasting)
            self.assertEqual(chain[0][3], [("<string>", 2, "<module>", "raise KeyError")])
        answer = self.run_program("x = __file__", "a.py", variable="x")
        self.assertEqual(answer, ("finished", (True, '"a.py"', False)))

    def test_modules_that_are_gone_are_there_again(self):
        _eryx_run.keep_modules()
        main, json = sys.modules.pop("__main__"), sys.modules.pop("json")
        self.assertIs(_eryx_run.main_module(), main)
        self.assertIs(sys.modules["json"], json)
        sys.modules["__main__"] = types.ModuleType("other")
        self.assertIs(_eryx_run.main_module(), main)

    def test_streams_that_cannot_be_used_are_replaced(self):
        kept = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
        made = []
        make, _eryx_run._new_stream = _eryx_run._new_stream, lambda *what: made.append(what)
        try:
            sys.stdout = io.TextIOWrapper(io.BytesIO())
            sys.stdout.detach()
            _eryx_run._open_streams()
            # What the program put there itself may have no `closed`.
            sys.stdout = types.SimpleNamespace(write=print)
            _eryx_run._open_streams()
        finally:
            _eryx_run._new_stream = make
            sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = kept
        self.assertEqual(made, [(1, "<stdout>")])

    def test_builtins_that_are_gone(self):
        kept, builtins.issubclass = builtins.issubclass, None
        try:
            kind, (chain, _) = self.run_program("1/0")
        finally:
            builtins.issubclass = kept
        self.assertEqual((kind, chain[0][1]), ("raised", "TypeError"))


if __name__ == "__main__":
    unittest.main()
