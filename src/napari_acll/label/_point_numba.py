"""numba's compiler, typed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def jit(function: _Function) -> _Function:
    """Return the function compiled at its first call, kept on disk for the next process."""
    compiled: Any = numba.njit(cache=True, nogil=True)(function)
    return cast("_Function", compiled)
