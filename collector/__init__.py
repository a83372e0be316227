"""The collector: accepts devices, stores every reading, answers questions about them."""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog loads rich where it finds it, for tracebacks: 5 MB and 50 ms that a service does not need.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
