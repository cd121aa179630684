"""Has the interpreter tell the host what the program does."""

import sys

import _eryx

_TOOL = 4

# The bits of the interface's flags `events`.
_LINES, _CALLS, _EXCEPTIONS = 1, 2, 4


def begin(wanted):
    """Tell what `wanted` names, until `end`."""
    monitoring = sys.monitoring
    events = monitoring.events
    functions = {}
    if wanted & _LINES:
        functions[events.LINE] = _eryx.trace_line
    if wanted & _CALLS:
        functions[events.PY_START] = _eryx.trace_call
        functions[events.PY_RETURN] = _eryx.trace_return
        functions[events.PY_YIELD] = _eryx.trace_suspend
        functions[events.PY_RESUME] = _eryx.trace_resume
        functions[events.PY_UNWIND] = _eryx.trace_unwind
        functions[events.PY_THROW] = _eryx.trace_throw
    if wanted & _EXCEPTIONS:
        functions[events.RAISE] = _eryx.trace_exception
    monitoring.use_tool_id(_TOOL, "eryx")
    _eryx.trace_begin(monitoring.DISABLE)
    for event, function in functions.items():
        monitoring.register_callback(_TOOL, event, function)
    monitoring.restart_events()
    monitoring.set_events(_TOOL, sum(functions))


def end():
    """Tell nothing any more. The program may have given the tool up itself."""
    try:
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)
    except (AttributeError, ValueError):
        pass
