"""Every error Atelier raises on purpose.

    AtelierError
    ├── InvalidInput            never retried: somebody must change something
    │   ├── UsageError          a command line or setting that cannot work
    │   ├── UnknownStyle
    │   ├── NotFound            no such batch, model version, …
    │   ├── MissingObject       the object store has nothing under that key
    │   ├── ManifestError       a whole manifest is refused
    │   └── ImageError          belongs to one image: fails that job, never its neighbours
    │       ├── UnreadableImage
    │       ├── ImageTooLarge
    │       └── SourceRefused   a source we will not or cannot read (missing, not allowed)
    ├── Conflict                the state of things forbids it (cancelled batch, lost lease)
    │   ├── LeaseLost
    │   └── DamagedVersion      a model version whose stored files are not what they were
    ├── NotAllowed
    │   └── Unauthenticated     without a key that is valid
    └── Unavailable             worth retrying later
        ├── SourceUnavailable   a source host: its jobs wait, their neighbours finish
        ├── DatabaseUnavailable
        ├── StoreUnavailable
        │   └── ModelUnavailable  a file of one model version: only what is painted with it waits
        ├── BrokerUnavailable
        ├── PortTaken           another process listens where we are to
        └── DeviceUnavailable
            └── DeviceLost  for good, as far as this process goes

``code`` is stable and machine-readable; ``str(error)`` says what is wrong, where, and what to do.
Foreign errors become these once, at the edge, in the adapter's context manager.
"""

from __future__ import annotations


class AtelierError(Exception):
    """Base of the tree. ``code`` is stable; ``retryable`` says whether trying again can help."""

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidInput(AtelierError):
    """Somebody must change something; never retried."""

    code = "invalid_input"


class UsageError(InvalidInput):
    """A command line, path or setting that cannot work."""

    code = "usage"


class UnknownStyle(UsageError):
    """No style of that name is visible to the merchant."""

    code = "unknown_style"


class NotFound(UsageError):
    """No such batch, job, model version or checkpoint."""

    code = "not_found"


class MissingObject(InvalidInput):
    """The object store has nothing under that key."""

    code = "missing_object"


class ManifestError(InvalidInput):
    """A whole manifest is refused: empty, unreadable, or a needed column is missing."""

    code = "manifest_refused"


class ImageError(InvalidInput):
    """Belongs to one image: fails that job at once and never its neighbours."""

    code = "image_refused"


class UnreadableImage(ImageError):
    """The bytes are not an image in a supported format, or are damaged."""

    code = "unreadable_image"


class ImageTooLarge(ImageError):
    """Over the limit on bytes or pixels, which are read from the header before decoding."""

    code = "image_too_large"


class SourceRefused(ImageError):
    """A source that does not exist or may not be read. ``sent`` is how many bytes its host had sent by then."""

    code = "source_refused"
    sent = 0


class Conflict(AtelierError):
    """The state of things forbids it."""

    code = "conflict"


class LeaseLost(Conflict):
    """Another worker holds the chunk now; nothing more may be written for it."""

    code = "lease_lost"


class DamagedVersion(Conflict):
    """A file of a model version is gone from the store, or no longer matches its hash."""

    code = "damaged_version"


class NotAllowed(AtelierError):
    """The caller may not do this."""

    code = "not_allowed"


class Unauthenticated(NotAllowed):
    """Nobody knows who the caller is: no key, or one that opens nothing."""

    code = "unauthenticated"


class Unavailable(AtelierError):
    """Something we need does not answer at present; worth retrying later."""

    code = "unavailable"
    retryable = True


class SourceUnavailable(Unavailable):
    """A source host does not answer at present: its jobs are put back with backoff.

    ``wait_seconds`` is how long at least. ``counts`` is False where the host is well and only wants time,
    or is busy with us: that is no failed attempt. ``sent`` is how many bytes it had sent by then.
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


class StoreUnavailable(Unavailable):
    """The object store cannot be reached or is failing."""

    code = "store_unavailable"


class ModelUnavailable(StoreUnavailable):
    """A trunk or row is gone from the store or damaged: what is painted with it waits until it is put back."""

    code = "model_unavailable"


class BrokerUnavailable(Unavailable):
    """Redis cannot be reached."""

    code = "broker_unavailable"


class PortTaken(Unavailable):
    """The address where we are to listen is another's, or not ours to have."""

    code = "port_taken"


class DeviceUnavailable(Unavailable):
    """The configured accelerator is missing or has failed."""

    code = "device_unavailable"


class DeviceLost(DeviceUnavailable):
    """The device failed in a way that leaves nothing it computes for this process trustworthy: another must go on."""

    code = "device_lost"


def exit_code(error: AtelierError) -> int:
    """Map an error to the exit code of a command (the only such mapping)."""
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
