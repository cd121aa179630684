"""Going on in a copy of an interpreter's memory."""

import random

import _eryx
import _eryx_wait


def resume(entropy):
    """What was waited for will not come: all who wait are told. `entropy` makes
    chance differ from the original's."""
    if entropy is not None:
        _eryx.seed_random(entropy)
        random._inst.gauss_next = None
    _eryx_wait.give_up_all()
