"""Logging: structured lines on standard error, through structlog."""

from __future__ import annotations

import ctypes
import logging
import sys
import warnings

import structlog
from PIL import _imaging


def configure_logs(level: str, form: str = "logfmt") -> None:
    """Send log lines of ``level`` and above to standard error, and Celery's warnings with them.

    What a thread has in hand is in each of its lines: see ``structlog.contextvars``.
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
    """Keep Pillow and libtiff from telling the terminal of every oddity in a merchant's file.

    What matters comes as an error with a code.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    # libtiff prints by itself and Pillow has no switch for it. The symbols are found through Pillow's
    # extension module, which is linked with it; where it is linked statically there are none.
    pillow = ctypes.CDLL(_imaging.__file__)
    for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(pillow, handler):
            getattr(pillow, handler)(None)
