"""What can go wrong, as one tree: whoever catches `SluicegateError` has caught all of it."""

from __future__ import annotations


class SluicegateError(Exception):
    """There is no acknowledgement. `str()` says why, and is fit for a log: nothing of the message is in it.

    Attributes:
        sent: whether one of its attempts may have been taken all the same: nobody answered that one. Then send the
            same octets again, never a new message: the DSP knows it by its RequestID.
    """

    def __init__(self, why: str, sent: bool = False) -> None:
        super().__init__(why)
        self.sent = sent


class Refused(SluicegateError):  # noqa: N818 - named after what has happened
    """The gateway or the DSP does not want the message, and would not the next time: look at it first.

    Attributes:
        status: of the HTTP answer; None where the message was not sent.
        code: the ResponseCode (`E11`) or the kind of problem (`unknown-user`), if the answer tells one.
        body: of the answer.
    """

    def __init__(
        self, why: str, status: int | None = None, code: str = "", body: bytes = b"", sent: bool = False
    ) -> None:
        super().__init__(why, sent)
        self.status = status
        self.code = code
        self.body = body


class Throttled(SluicegateError):  # noqa: N818 - named after what has happened
    """It was throttled, and that was all that its deadline left time for. What was throttled was not processed.

    Attributes:
        retry_after: what the last answer asked for, in seconds; None where it did not say.
    """

    def __init__(self, why: str, retry_after: float | None = None, sent: bool = False) -> None:
        super().__init__(why, sent)
        self.retry_after = retry_after


class Unreachable(SluicegateError):  # noqa: N818 - named after what has happened
    """There was no answer, or one that says that what is behind the gateway fails."""


class Expired(SluicegateError):  # noqa: N818 - named after what has happened
    """Its deadline passed while it waited for its turn, at the client or at a relay; or the client was closed."""
