"""Describes an exception that nobody caught."""

import itertools
import linecache
import sys
import traceback

# What a program makes of `builtins` is nothing to who describes how it ended.
from builtins import isinstance, issubclass, len, list, max, min, repr, str, type
from collections.abc import Sequence

from _eryx_result import cut, head, safe_text
from _eryx_stop import is_stop

# Deep recursion has thousands of frames: the outermost and innermost tell. The text
# has all of so many, as CPython puts those that repeat in a line.
OUTER_FRAMES = INNER_FRAMES = 100
MOST_FRAMES = 1200

# Exceptions in a chain, the uncaught one included, notes of each, and exceptions in
# all, those in groups included. Groups are shown as CPython does.
LONGEST_CHAIN = 17
MOST_NOTES = 100
MOST_EXCEPTIONS = 100
WIDEST_GROUP = 15
DEEPEST_GROUP = 10

# Characters of a source line, of a name, and of all source that is looked at.
LONGEST_LINE = 1000
LONGEST_NAME = 1000
MOST_SOURCE = 1 << 20

# Files without a source: each is looked for in all of `sys.path`.
MOST_MISSING = 100

# Bytes of all that is told besides the text, and of the text: what crosses to the host
# at once has a limit.
MOST_TOLD = 4 << 20
LONGEST_TEXT = 8 << 20

# Bytes of code in front of all places that are marked in their lines: CPython looks
# through all of it.
MOST_CODE = 1 << 20

# The interface's enum `link`.
_UNCAUGHT, _CAUSE, _CONTEXT = range(3)


# CPython's own: programs may set others.
_hook = sys.__excepthook__

_program = sys.modules["__main__"].__dict__

_MISSING = object()

# A class's name, whatever its own class makes of it.
_name = type.__dict__["__name__"].__get__


def describe(error, runner_globals, limit):
    """`([(link, type, message, frames, notes), ...], traceback)` for the C shim.
    What the program's own hook raises to exit is raised."""
    tb = _without_runner(BaseException.__traceback__.__get__(error), runner_globals)
    # By the base class: the exception's own may let nothing be set.
    BaseException.with_traceback(error, tb)
    before, is_told = _ask_hook(error, tb, limit)
    chain, text = _safely(error, limit)
    return chain, "" if is_told else cut(before + text, limit)


def _safely(error, limit):
    try:
        return _describe(error, limit)
    except MemoryError:
        kind = _text(_name(type(error)), limit)
        return [(_UNCAUGHT, kind, "", [], [])], f"{kind}: (no memory was left to say more)\n"
    except BaseException:
        return plain(error, limit)


def plain(error, limit):
    """The same of an exception whose own class is in the way, or in a runner that
    the program has broken."""
    kind = _text(_name(type(error)), limit)
    try:
        message = _text(str(error), limit)
    except BaseException:
        message = "<exception str() failed>"
    try:
        stack = _Builder(limit)._stack(BaseException.__traceback__.__get__(error))
        frames, lines = _Room(limit).frames(stack), stack.format()
    except BaseException:
        frames, lines = [], []
    title = ["Traceback (most recent call last):\n"] if lines else []
    last = f"{kind}: {message}\n" if message else f"{kind}\n"
    return [(_UNCAUGHT, kind, message, frames, [])], _join([*title, *lines, last], limit)


def _ask_hook(error, tb, limit):
    """What CPython says before the traceback, and whether the program's own
    `sys.excepthook` tells of the exception itself."""
    hook = getattr(sys, "excepthook", _MISSING)
    if hook is _hook:
        return "", False
    if hook is _MISSING:
        return "sys.excepthook is missing\n", False
    try:
        hook(type(error), error, tb)
        return "", True
    except SystemExit:
        raise
    except BaseException as another:
        BaseException.with_traceback(another, another.__traceback__.tb_next)
        _, text = _safely(another, limit)
        return f"Error in sys.excepthook:\n{text}\nOriginal exception was:\n", False


def _describe(error, limit):
    builder = _Builder(limit)
    report = builder.build(error)
    pieces = report.format()
    if builder.is_cut:
        pieces = itertools.chain([_LEFT_OUT], pieces)
    return list(_chain(report, limit)), _join(pieces, limit)


_LEFT_OUT = "[The exceptions behind these are left out]\n\n"


class _Builder:
    """Makes what `traceback` formats of an exception and those behind and in it, and
    looks at no more of them than is told: there may be millions, of any size."""

    def __init__(self, limit):
        self.limit = limit
        self.is_cut = False
        self._left = MOST_EXCEPTIONS
        self._source = MOST_SOURCE
        self._code = MOST_CODE
        self._seen = set()
        self._missing = set()

    def build(self, error, depth=0):
        first = report = self._one(error, depth)
        chain = [report]
        while (behind := self._behind(error)) is not None:
            if len(chain) == LONGEST_CHAIN or self._left <= 0:
                self.is_cut = True
                break
            name, error = behind
            report = self._one(error, depth)
            setattr(chain[-1], name, report)
            chain.append(report)
        # The first one's is what counts for all.
        first.max_group_width = min(one.max_group_width for one in chain)
        return first

    def _behind(self, error):
        cause = BaseException.__cause__.__get__(error)
        if cause is not None:
            return None if id(cause) in self._seen else ("__cause__", cause)
        context = BaseException.__context__.__get__(error)
        is_hidden = BaseException.__suppress_context__.__get__(error)
        if context is None or is_hidden or id(context) in self._seen:
            return None
        return "__context__", context

    def _one(self, error, depth):
        self._left -= 1
        self._seen.add(id(error))
        tb = BaseException.__traceback__.__get__(error)
        # With `_seen` it follows nothing, and one frame is enough for suggestions.
        report = traceback.TracebackException(
            type(error), error, _last(tb), lookup_lines=False, compact=True, _seen=set()
        )
        report.__cause__ = report.__context__ = None
        report.stack = self._stack(tb)
        self._shorten(report)
        self._add_members(report, error, depth)
        return report

    def _add_members(self, report, error, depth):
        report.max_group_width, report.max_group_depth = WIDEST_GROUP, DEEPEST_GROUP
        report.exceptions = None
        if not issubclass(type(error), BaseExceptionGroup):
            return
        members = BaseExceptionGroup.exceptions.__get__(error)
        shown = []
        if depth < DEEPEST_GROUP:
            for member in members[:WIDEST_GROUP]:
                if self._left <= 0:
                    break
                shown.append(self.build(member, depth + 1))
        if len(shown) < len(members):
            report.max_group_width = len(shown)
        report.exceptions = _Members(shown, len(members))

    def _shorten(self, report):
        """Cut what is long before it is copied into the traceback's text."""
        report._str = head(report._str, self.limit)
        report.exc_type_qualname = head(report.exc_type_qualname, LONGEST_NAME)
        if isinstance(report.exc_type_module, str):
            report.exc_type_module = head(report.exc_type_module, LONGEST_NAME)
        report.__notes__ = self._notes(report.__notes__)
        if report._is_syntax_error:
            self._shorten_syntax_error(report)

    def _shorten_syntax_error(self, report):
        if report.msg is not None:
            report.msg = head(str(report.msg), self.limit)
        if report.filename is not None:
            report.filename = head(str(report.filename), self.limit)
        if report.text is not None and len(report.text) > LONGEST_LINE:
            report.text = _marked(report.text)
            report.offset = None

    def _notes(self, notes):
        """As texts; what is no sequence is shown by CPython as well."""
        if notes is None:
            return None
        if not isinstance(notes, Sequence) or isinstance(notes, (str, bytes)):
            return [self._text_of(notes, repr)]
        texts = [self._text_of(note, str) for note in itertools.islice(notes, MOST_NOTES)]
        if len(notes) > MOST_NOTES:
            texts.append(f"[{len(notes) - MOST_NOTES} more notes]")
        return texts

    def _text_of(self, value, function):
        try:
            return head(function(value), self.limit)
        except Exception as error:
            if is_stop(error):
                raise
            return f"<note {function.__name__}() failed>"

    def _stack(self, tb):
        count = _length(tb)
        if count <= MOST_FRAMES:
            return self._extract(tb, count)
        outer = self._extract(tb, OUTER_FRAMES)
        for _ in range(count - INNER_FRAMES):
            tb = tb.tb_next
        inner = self._extract(tb, INNER_FRAMES)
        return _CutStack(outer, inner, count)

    def _extract(self, tb, count):
        frames = itertools.islice(self._walk(tb), count)
        stack = traceback.StackSummary._extract_from_extended_frame_gen(
            frames, lookup_lines=False
        )
        for frame in stack:
            self._look_up(frame)
        return stack

    def _walk(self, tb):
        while tb is not None:
            self._code -= tb.tb_lasti
            if self._code > 0:
                yield next(traceback._walk_tb_with_full_positions(tb))
            else:
                yield tb.tb_frame, (tb.tb_lineno, tb.tb_lineno, None, None)
            tb = tb.tb_next

    def _look_up(self, frame):
        """CPython parses all lines of a statement, to mark a part of it."""
        if frame.lineno is None:
            return
        if not self._has_source(frame.filename):
            frame._lines = ""
            return
        first, last = frame.lineno, frame.end_lineno or frame.lineno
        longest = 0
        for number in range(first, last + 1):
            length = len(linecache.getline(frame.filename, number))
            longest = max(longest, length)
            self._source -= length + 1
            if longest > LONGEST_LINE or self._source < 0:
                break
        else:
            return
        frame._lines = _marked(linecache.getline(frame.filename, first))
        frame.end_lineno = first
        frame.colno = frame.end_colno = None


    def _has_source(self, filename):
        """CPython would look for it once more at every frame."""
        if filename in self._missing or len(self._missing) >= MOST_MISSING:
            return False
        has_source = bool(linecache.getlines(filename))
        if not has_source:
            self._missing.add(filename)
        return has_source


class _Members:
    """Those of a group that are shown, and how many there are."""

    def __init__(self, shown, count):
        self._shown, self._count = shown, count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        return self._shown[index]


class _CutStack(traceback.StackSummary):
    """One without the frames in the middle."""

    def __init__(self, outer, inner, count):
        super().__init__([*outer, *inner])
        self._outer, self._inner, self._count = outer, inner, count

    def format(self, **options):
        left_out = self._count - len(self)
        middle = f"  [{left_out} frames are left out]\n"
        return [*self._outer.format(**options), middle, *self._inner.format(**options)]


def _marked(line):
    """A line's beginning, with a mark if that is not all of it."""
    beginning = head(line, 4 * LONGEST_LINE).strip()
    is_all = len(line) <= 4 * LONGEST_LINE and len(beginning) <= LONGEST_LINE
    return beginning if is_all else beginning[:LONGEST_LINE] + "…"


def _last(tb):
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb


def _length(tb):
    count = 0
    while tb is not None:
        count += 1
        tb = tb.tb_next
    return count


class _Room:
    """Texts as they are told, until there is no room for more."""

    def __init__(self, limit):
        self._limit = limit
        self.left = MOST_TOLD

    def text(self, text, longest=LONGEST_TEXT):
        text = _text(text, max(min(longest, self._limit, self.left), 0))
        # Each costs something even if it is empty.
        self.left -= len(text.encode()) + 16
        return text

    def texts(self, texts, most):
        return [self.text(text) for text in texts[:most] if self.left > 0]

    def frames(self, stack):
        frames = list(stack)
        if len(frames) > OUTER_FRAMES + INNER_FRAMES:
            frames = frames[:OUTER_FRAMES] + frames[-INNER_FRAMES:]
        return [self._frame(frame) for frame in frames if self.left > 0]

    def _frame(self, frame):
        filename = self.text(frame.filename, LONGEST_NAME)
        function = self.text(frame.name, LONGEST_NAME)
        return filename, frame.lineno or 0, function, self.text(frame.line or "")


def _chain(report, limit):
    """The exception and those behind it, the nearest first."""
    link, room = _UNCAUGHT, _Room(limit)
    while True:
        yield (
            link,
            room.text(_type_name(report)),
            room.text(report._str),
            room.frames(report.stack),
            room.texts(report.__notes__ or [], MOST_NOTES),
        )
        if report.__cause__ is not None:
            link, report = _CAUSE, report.__cause__
        elif report.__context__ is not None:
            link, report = _CONTEXT, report.__context__
        else:
            return


def _text(text, limit):
    return cut(safe_text(head(text, limit)), limit)


def _type_name(report):
    name, module = report.exc_type_qualname, report.exc_type_module
    if module in ("builtins", "__main__") or not isinstance(module, str):
        return safe_text(name)
    return safe_text(f"{module}.{name}")


def _without_runner(tb, runner_globals):
    """The traceback from the program's first frame on. An error before that,
    in compiling the program, has no frames at all."""
    first = tb
    while first is not None and first.tb_frame.f_globals is not _program:
        first = first.tb_next
    if first is not None:
        return first
    while tb is not None and tb.tb_frame.f_globals is runner_globals:
        tb = tb.tb_next
    return tb


def _join(pieces, limit):
    """What CPython would have printed, as much as fits."""
    fitting = []
    room = min(limit, LONGEST_TEXT)
    for piece in pieces:
        piece = _text(piece, room)
        fitting.append(piece)
        room -= len(piece.encode())
        if room <= 0:
            break
    return "".join(fitting)
