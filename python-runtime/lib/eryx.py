"""What a program in the sandbox can know of its host."""

from _eryx_calls import (
    CallbackArgumentError,
    CallbackCancelledError,
    CallbackError,
    CallbackLimitError,
    CallbackTimeoutError,
    list_callbacks,
)

__all__ = [
    "CallbackArgumentError",
    "CallbackCancelledError",
    "CallbackError",
    "CallbackLimitError",
    "CallbackTimeoutError",
    "list_callbacks",
]
