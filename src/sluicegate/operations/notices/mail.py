"""A channel that is an e-mail address."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib

from sluicegate.operations.notices.notice import Notice
from sluicegate.operations.notices.ways import NotDelivered
from sluicegate.settings.noticing import Smtp


class Mail:
    """One address.

    Args:
        to: the address.
        smtp: who takes it.
        password: of `smtp.username`.
        source: who tells.
        timeout: seconds for an attempt.
        tls: how the server's certificate is checked.
    """

    def __init__(
        self, to: str, smtp: Smtp, password: str | None, source: str, timeout: float, tls: ssl.SSLContext
    ) -> None:  # fmt: skip
        self._to = to
        self._smtp = smtp
        self._password = password
        self._source = source
        self._timeout = timeout
        self._tls = tls

    async def deliver(self, notice: Notice, at: float) -> None:  # noqa: ARG002 - a Way's
        """One attempt. Raises NotDelivered; what the server refuses with 5xx is for good, but for a wrong password."""
        smtp = self._smtp
        where = f"{smtp.host}:{smtp.port}"
        try:
            async with asyncio.timeout(self._timeout):
                await aiosmtplib.send(
                    self._message(notice),
                    hostname=smtp.host,
                    local_hostname=smtp.sender.rpartition("@")[2],  # else it asks the name service, and waits
                    port=smtp.port,
                    username=smtp.username,
                    password=self._password,
                    use_tls=smtp.security == "tls",
                    start_tls=smtp.security == "starttls",
                    tls_context=self._tls if smtp.security != "none" else None,
                    timeout=self._timeout,
                )
        except TimeoutError:
            raise NotDelivered(f"{where}: not taken within {self._timeout:g} s") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {refused.code for refused in error.recipients}
            raise NotDelivered(
                f"{where}: the address is refused ({_codes(codes)})", for_good=min(codes) >= 500
            ) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotDelivered(f"{where}: the user name or the password is refused ({error.code})") from None
        except aiosmtplib.SMTPResponseException as error:
            raise NotDelivered(f"{where}: it answered {error.code}", for_good=error.code >= 500) from None
        except (aiosmtplib.SMTPException, OSError, ValueError, RuntimeError) as error:
            raise NotDelivered(f"{where}: {type(error).__name__}: {error}") from None

    def _message(self, notice: Notice) -> EmailMessage:
        told = notice.told
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(self._source, addr_spec=self._smtp.sender)
        message["To"] = Address(addr_spec=self._to)
        message["Subject"] = f"[{self._source}] {told['title']}"
        message["Date"] = datetime.fromtimestamp(notice.made_at / 1e6, UTC)
        message["Message-ID"] = f"<{notice.id}@{self._smtp.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of an absent one
        message.set_content(f"{told['text']}\n", cte="quoted-printable")
        return message


def _codes(codes: set[int]) -> str:
    return ", ".join(map(str, sorted(codes)))
