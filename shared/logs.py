"""Write structured log lines to standard error, through structlog."""

from __future__ import annotations

import ctypes
import logging
import sys
import warnings

import structlog
from PIL import _imaging


def configure_logs(level: str, form: str = "logfmt") -> None:
    """Send log lines of ``level`` and above to standard error, and Celery's warnings with them.

    Each line contains the context of its thread, such as the chunk: see ``structlog.contextvars``.
    """
    _quiet_image_libraries()
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if form == "json"
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )


def _quiet_image_libraries() -> None:
    """Stop Pillow and libtiff from printing every oddity of a merchant's file on the terminal.

    Real problems are raised as errors with a code.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    # libtiff prints by itself and Pillow cannot turn that off. Its symbols are found through Pillow's
    # extension module, which is linked to it; a statically linked one has none.
    pillow = ctypes.CDLL(_imaging.__file__)
    for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(pillow, handler):
            getattr(pillow, handler)(None)
