"""Translate what boto3 raises into the errors of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from shared.errors import AtelierError, MissingObject, NotAllowed, StoreUnavailable, UsageError

# A HEAD has no body with an error code, so botocore reports "404".
_MISSING = {"NoSuchKey", "NotFound", "404"}
# The last three are outside botocore's own tree. They come from servers that do not speak S3, from
# connections that break within a body, and from endpoints that redirect every request, which botocore
# follows by recursion.
_FAILURES = (BotoCoreError, Boto3Error, OSError, ResponseParserError, HTTPError, RecursionError)
# Denials with a status other than 401 and 403.
_DENIED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed"}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Translate everything boto3 raises; ``place`` names the bucket or object."""
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, place) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        message = f"no usable credentials for {place}: set the store's access key ({error})"
        raise NotAllowed(message, code="store_denied") from error
    except ParamValidationError as error:
        raise UsageError(f"invalid request for {place}: {error}") from error
    except _FAILURES as error:
        raise StoreUnavailable(f"the store does not answer for {place}: {error}") from error


def _from_answer(error: ClientError, place: str) -> AtelierError:
    """Choose the error by the code and status of the server's answer."""
    answer = error.response.get("Error", {})
    code, detail = answer.get("Code", ""), answer.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return MissingObject(f"the store has no object {place}")
    if code == "NoSuchBucket":
        message = f"there is no such bucket: {place}; create it or fix the store URL"
        return StoreUnavailable(message, code="no_such_bucket")
    if status in (401, 403) or code in _DENIED:
        message = (
            f"the store refuses {place} ({code or status}: {detail}); check the access key and its rights. "
            "Without the right to list, a missing object gives this error too"
        )
        return NotAllowed(message, code="store_denied")
    return StoreUnavailable(f"the store failed for {place} ({code or status}: {detail})")
