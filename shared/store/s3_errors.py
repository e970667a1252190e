"""What boto3 raises, in our own errors."""

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

# A HEAD has no body to carry a code: botocore then says "404".
_MISSING = {"NoSuchKey", "NotFound", "404"}
# The last three are outside botocore's own tree: from servers that do not speak S3, from connections
# that break within a body, and from endpoints that redirect every request, which botocore follows
# by calling itself.
_FAILURES = (BotoCoreError, Boto3Error, OSError, ResponseParserError, HTTPError, RecursionError)
# Denials that do not come as 401 or 403.
_DENIED = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed"}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn everything boto3 raises into our errors; ``place`` names the bucket or object."""
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, place) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        message = f"no usable credentials for {place}: set the store's access key ({error})"
        raise NotAllowed(message, code="store_denied") from error
    except ParamValidationError as error:
        raise UsageError(f"{place} cannot be asked for: {error}") from error
    except _FAILURES as error:
        raise StoreUnavailable(f"the store does not answer for {place}: {error}") from error


def _from_answer(error: ClientError, place: str) -> AtelierError:
    """Choose by the code and status of the server's answer."""
    answer = error.response.get("Error", {})
    code, said = answer.get("Code", ""), answer.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return MissingObject(f"the store has no object {place}")
    if code == "NoSuchBucket":
        message = f"there is no such bucket: {place}; create it or mend the store URL"
        return StoreUnavailable(message, code="no_such_bucket")
    if status in (401, 403) or code in _DENIED:
        message = (
            f"the store refuses {place} ({code or status}: {said}); check the access key and its rights. "
            "A key without the right to list is also told this of objects that do not exist"
        )
        return NotAllowed(message, code="store_denied")
    return StoreUnavailable(f"the store failed for {place} ({code or status}: {said})")
