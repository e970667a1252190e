"""Post one signed event to an address that a merchant chose: guarded as sources are, and nothing of an answer kept."""

from __future__ import annotations

import http.client
import ssl
import time

from shared.errors import SourceRefused, SourceUnavailable
from shared.web_url import parse_web_url
from shared.webhooks.deliveries import Attempt, Claim, Delivery
from shared.webhooks.signature import signed_headers
from workers.fetch.address_guard import Reach, Resolve, resolved
from workers.fetch.connection import Deadline, PinnedConnection

ANSWER_SECONDS = 10.0
"""How long a receiver may take to accept an event; it should do its work afterwards."""


class Poster:
    """Posts events. Safe to use from several threads.

    An address is resolved anew for each attempt and the connection pinned to what was checked. No redirect is
    followed: a receiver that moved must be told to Atelier, as its secret should not go to a stranger.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        seconds: float = ANSWER_SECONDS,
        resolve: Resolve = resolved,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = reach
        self._seconds = seconds
        self._resolve = resolve
        self._context = context or ssl.create_default_context()

    def post(self, claim: Claim, delivery: Delivery) -> Attempt:
        """Post an event once. Whatever goes wrong is in the attempt; nothing is raised."""
        try:
            status = self._status(claim, delivery)
        except (SourceRefused, SourceUnavailable) as error:
            return Attempt(problem=str(error))
        except ssl.SSLCertVerificationError as error:
            return Attempt(problem=f"the certificate of the host is not valid: {error.verify_message}")
        except (OSError, http.client.HTTPException) as error:
            return Attempt(problem=str(error) or type(error).__name__)
        if 300 <= status < 400:
            return Attempt(status, "it answers with a redirect, which is not followed: correct the address")
        return Attempt(status, None if 200 <= status < 300 else f"it answers {status}")

    def _status(self, claim: Claim, delivery: Delivery) -> int:
        url, deadline, body = parse_web_url(claim.url), Deadline(self._seconds), delivery.body
        signed = signed_headers(f"msg_{delivery.message.hex}", int(time.time()), body, claim.secrets)
        connection = PinnedConnection(url, self._reach.addresses(url, self._resolve), self._context)
        try:
            with connection.ask(url.target, _HEADERS | signed, deadline, posted=body) as answer:
                return answer.status
        finally:
            connection.close()


_HEADERS = {"User-Agent": "Atelier", "Content-Type": "application/json", "Accept": "*/*"}
