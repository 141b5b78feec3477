"""numba's compiler, typed."""

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


@overload
def jit(function: _Function) -> _Function: ...


@overload
def jit(*, fastmath: bool) -> Callable[[_Function], _Function]: ...


def jit(function: _Function | None = None, *, fastmath: bool = False) -> Any:
    """Return the function compiled at its first call, kept on disk for the next process.

    Parameters
    ----------
    function : callable, optional
        What is compiled; None: a decorator is returned.
    fastmath : bool
        Whether sums may be taken in any order, without which they are taken one by one.
    """

    def compiled(one: _Function) -> _Function:
        made: Any = numba.njit(cache=True, nogil=True, fastmath=fastmath)(one)
        return cast("_Function", made)

    return compiled if function is None else compiled(function)
