"""Whether the kernel calls its clock synchronised: asked by both programs, of their own machine."""

import ctypes

_TIMEX_BYTES = 512  # struct timex has 208 on 64-bit; adjtimex(2) writes no further
_TIME_ERROR = 5
_libc = ctypes.CDLL(None)


def kernel_synchronised() -> bool:
    """Say whether the kernel calls its clock synchronised: adjtimex(2) without setting anything."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    state: int = _libc.adjtimex(timex)
    return 0 <= state < _TIME_ERROR
