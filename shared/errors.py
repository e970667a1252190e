"""All errors that Atelier raises on purpose.

    AtelierError
    ├── InvalidInput            never retried: the input must change
    │   ├── UsageError          a command line or setting is not valid
    │   ├── UnknownStyle
    │   ├── NotFound            no such batch, model version, …
    │   ├── MissingObject       the object store has no object under that key
    │   ├── ManifestError       a whole manifest is refused
    │   └── ImageError          concerns one image: fails that job, never its neighbours
    │       ├── UnreadableImage
    │       ├── ImageTooLarge
    │       └── SourceRefused   a source that is missing or may not be read
    ├── Conflict                the current state forbids it (cancelled batch, lost lease)
    │   ├── LeaseLost
    │   └── DamagedVersion      a stored file of a model version is missing or has changed
    ├── NotAllowed
    │   └── Unauthenticated     no valid key
    └── Unavailable             worth retrying later
        ├── SourceUnavailable   a source host fails: its jobs wait, their neighbours finish
        ├── DatabaseUnavailable
        │   └── StatementTimeout  Postgres stopped a statement that took too long
        ├── StoreUnavailable
        │   └── ModelUnavailable  a file of one model version is missing: only its jobs wait
        ├── BrokerUnavailable
        ├── PortTaken           another process listens on the port
        └── DeviceUnavailable
            └── DeviceLost  permanently, for this process

``code`` is stable and machine-readable; ``str(error)`` says what is wrong, where, and what to do.
The adapter of each library or service translates its errors into these, in one context manager.
"""

from __future__ import annotations

from shared.plain_text import storable


class AtelierError(Exception):
    """Base of the tree. ``code`` is stable; ``retryable`` says whether trying again can help.

    Messages quote what comes from outside, and are stored: whatever cannot be stored is replaced here.
    """

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(storable(message))
        if code is not None:
            self.code = code


class InvalidInput(AtelierError):
    """The input must change; never retried."""

    code = "invalid_input"


class UsageError(InvalidInput):
    """A command line, path or setting is not valid."""

    code = "usage"


class UnknownStyle(UsageError):
    """No style of that name is visible to the merchant."""

    code = "unknown_style"


class NotFound(UsageError):
    """There is no such batch, job, model version or checkpoint."""

    code = "not_found"


class MissingObject(InvalidInput):
    """The object store has no object under that key."""

    code = "missing_object"


class ManifestError(InvalidInput):
    """A whole manifest is refused: empty, unreadable, or without a required column."""

    code = "manifest_refused"


class ImageError(InvalidInput):
    """An error of one image: it fails that job at once and never its neighbours."""

    code = "image_refused"


class UnreadableImage(ImageError):
    """The bytes are not an image in a supported format, or are damaged."""

    code = "unreadable_image"


class ImageTooLarge(ImageError):
    """An image exceeds the limit on bytes or pixels, which are read from the header before decoding."""

    code = "image_too_large"


class SourceRefused(ImageError):
    """A source is missing or may not be read. ``sent`` counts the bytes that its host had sent."""

    code = "source_refused"
    sent = 0


class Conflict(AtelierError):
    """The current state forbids it."""

    code = "conflict"


class LeaseLost(Conflict):
    """Another worker holds the lease; this worker may write nothing more."""

    code = "lease_lost"


class DamagedVersion(Conflict):
    """A file of a model version is missing in the store, or no longer matches its hash."""

    code = "damaged_version"


class NotAllowed(AtelierError):
    """The caller may not do this."""

    code = "not_allowed"


class Unauthenticated(NotAllowed):
    """The caller is unknown: no key, or an invalid one."""

    code = "unauthenticated"


class Unavailable(AtelierError):
    """A service does not answer at present; worth retrying later."""

    code = "unavailable"
    retryable = True


class SourceUnavailable(Unavailable):
    """A source host does not answer at present: its jobs are put back with backoff.

    ``wait_seconds`` is the shortest delay. ``counts`` is False if the host is healthy but asks to wait or is busy
    with our requests, which is no failed attempt. ``sent`` counts the bytes that it had sent.
    """

    code = "source_unavailable"
    sent = 0

    def __init__(self, message: str, *, wait_seconds: float = 0.0, counts: bool = True) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        self.counts = counts


class DatabaseUnavailable(Unavailable):
    """Postgres cannot be reached."""

    code = "database_unavailable"


class StatementTimeout(DatabaseUnavailable):
    """Postgres stopped a statement that took longer than its limit: it is overloaded or blocked."""

    code = "statement_timeout"


class StoreUnavailable(Unavailable):
    """The object store cannot be reached or is failing."""

    code = "store_unavailable"


class ModelUnavailable(StoreUnavailable):
    """A trunk or style vector is missing in the store or damaged: its jobs wait until it is restored."""

    code = "model_unavailable"


class BrokerUnavailable(Unavailable):
    """Redis cannot be reached."""

    code = "broker_unavailable"


class PortTaken(Unavailable):
    """The address to listen on is in use, or not available to this process."""

    code = "port_taken"


class DeviceUnavailable(Unavailable):
    """The configured accelerator is missing or has failed."""

    code = "device_unavailable"


class DeviceLost(DeviceUnavailable):
    """The device failed and its results in this process can no longer be trusted: the process must restart."""

    code = "device_lost"


def exit_code(error: AtelierError) -> int:
    """Return the exit code of a command for an error. This is the only such mapping."""
    match error:
        case ManifestError():
            return 3
        case InvalidInput() | Conflict():
            return 2
        case NotAllowed():
            return 5
        case Unavailable():
            return 6
    return 1
