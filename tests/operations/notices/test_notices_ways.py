"""Channels against real receivers: what arrives, whether it can be checked, and what counts as not delivered."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import ssl
import time
from contextlib import asynccontextmanager

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from notice_receivers import PATIENCE, SECRET, Receiver, answer
from standardwebhooks.webhooks import Webhook as Check
from standardwebhooks.webhooks import WebhookVerificationError

from sluicegate.operations.notices import wording
from sluicegate.operations.notices.cloud_event import key_of
from sluicegate.operations.notices.mail import Mail
from sluicegate.operations.notices.notice import made
from sluicegate.operations.notices.through_apprise import ThroughApprise
from sluicegate.operations.notices.watching import Event
from sluicegate.operations.notices.ways import NotDelivered
from sluicegate.operations.notices.webhook import Webhook
from sluicegate.settings import Upstream
from sluicegate.settings.noticing import Smtp

AT = 1_790_000_000_123_456


def a_notice(kind="90%"):
    event = Event(kind, "Bigger & Söhne", 95.25, 100.0) if kind.endswith("%") else Event(kind)
    return made(kind, wording.of_event(event, 60), AT, "Bigger & Söhne", "duty")


def a_webhook(port, timeout=PATIENCE):
    return Webhook(Upstream("http", "127.0.0.1", port, "/hook"), key_of(SECRET), "sluicegate test", timeout, None)


@pytest.fixture
def posted(run):
    """Delivers once to a receiver that answers so; what it got, and what was raised."""

    def post(*answers, notice=None, timeout=PATIENCE, at=None):
        async def work():
            receiver = Receiver()
            receiver.answers = list(answers)
            await receiver.start()
            error = None
            try:
                await a_webhook(receiver.port, timeout).deliver(notice or a_notice(), at or time.time())
            except NotDelivered as raised:
                error = raised
            return receiver.got, error

        return run(work)

    return post


def test_a_webhook_is_a_cloud_event_that_its_sdk_reads(posted):
    notice = a_notice()
    ((fields, body),), error = posted(notice=notice)
    assert error is None
    assert fields["request-line"] == "POST /hook HTTP/1.1"
    event = from_structured_event(HTTPMessage({"content-type": fields["content-type"]}, body), JSONFormat())
    assert event.get_specversion() == "1.0"
    assert event.get_id() == notice.id == fields["webhook-id"]
    assert event.get_type() == "sluicegate.allocation.level"
    assert event.get_source() == "sluicegate%20test"
    assert event.get_subject() == "Bigger & Söhne"
    assert int(event.get_time().timestamp()) == AT // 1_000_000
    data = event.get_data()
    assert (data["kind"], data["offered"], data["allocation"], data["share"]) == ("90%", 95.25, 100.0, 0.9525)


def test_a_webhook_is_signed_so_that_a_library_checks_it_and_a_changed_one_is_found(posted):
    ((fields, body),), _ = posted()
    assert Check(SECRET).verify(body, fields) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Check(SECRET).verify(body.replace(b"95.25", b"9.525"), fields)
    with pytest.raises(WebhookVerificationError):
        Check(SECRET).verify(body, fields | {"webhook-timestamp": str(int(fields["webhook-timestamp"]) - 1)})


def test_what_was_listened_to_is_refused_later_for_its_timestamp_is_signed(posted):
    ((fields, body),), _ = posted(at=time.time() - 600)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Check(SECRET).verify(body, fields)


@pytest.mark.parametrize("secret", ["short", "whsec_####", "whsec_c2hvcnQ=", "whsec_"])
def test_a_secret_that_is_weak_or_none_is_refused_and_not_repeated(secret):
    with pytest.raises(ValueError) as raised:
        key_of(secret)
    assert secret.removeprefix("whsec_") not in str(raised.value) or secret == "whsec_"


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_every_2xx_is_delivered(posted, status):
    assert posted(answer(status))[1] is None


@pytest.mark.parametrize(("status", "for_good"), [(300, False), (400, False), (404, False), (410, True), (500, False)])
def test_every_other_answer_is_not(posted, status, for_good):
    _, error = posted(answer(status))
    assert str(status) in str(error)
    assert error.for_good is for_good


def test_a_redirect_is_not_followed(run):
    async def work():
        inner, outer = Receiver(), Receiver()
        await inner.start()
        await outer.start()
        outer.answers = [answer(307, f"Location: http://127.0.0.1:{inner.port}/secret\r\n")]
        with pytest.raises(NotDelivered, match="307, a redirect, which is not followed"):
            await a_webhook(outer.port).deliver(a_notice(), time.time())
        assert (len(outer.got), inner.got) == (1, [])

    run(work)


def test_a_webhook_that_hangs_garbles_floods_or_is_dead_fails_in_time(posted, run):
    assert "no answer within 1 s" in str(posted(None, timeout=1.0)[1])
    assert posted(b"\x16\x03\x01 what?\r\n\r\n")[1] is not None
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    assert "more than 65536 octets" in str(posted(flood)[1])

    async def dead():
        receiver = Receiver()
        await receiver.start()
        receiver.server.close()
        await receiver.server.wait_closed()
        with pytest.raises(NotDelivered, match="no connection"):
            await a_webhook(receiver.port).deliver(a_notice(), time.time())

    run(dead)


# --- e-mail


class Box:
    """What an SMTP server of ours does with mail."""

    def __init__(self, answer="250 OK", recipient="250 OK", delay=0.0):
        self.mails, self.answer, self.recipient, self.delay = [], answer, recipient, delay

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.delay)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return self.answer


@asynccontextmanager
async def served(box, **how):
    """An SMTP server in this loop; its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, **how), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def mailed(run, box, notice=None, server=None, **how):
    """Delivers once to an SMTP server of ours."""

    async def work():
        async with served(box, **(server or {})) as port:
            await a_mail(port, **how).deliver(notice or a_notice(), 0.0)

    run(work)


def a_mail(port, password=None, tls=None, timeout=PATIENCE, **how):
    smtp = Smtp(host="127.0.0.1", port=port, sender="sluicegate@operator.example", **({"security": "none"} | how))
    return Mail("duty@bigger.example", smtp, password, "sluicegate", timeout, tls or ssl.create_default_context())


def test_a_mail_says_who_tells_what_to_whom_and_wants_no_answer(run):
    box, notice = Box(), a_notice()
    mailed(run, box, notice)
    ((sender, recipients, content),) = box.mails
    assert (sender, recipients) == ("sluicegate@operator.example", ["duty@bigger.example"])
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == "[sluicegate] Bigger & Söhne is at 90% of its allocation"
    assert message["Message-ID"] == f"<{notice.id}@operator.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "95.25 SR/s over the last 60 s" in message.get_content()


@pytest.mark.parametrize(
    ("box", "said", "for_good"),
    [
        (Box(recipient="550 no such user"), "the address is refused \\(550\\)", True),
        (Box(recipient="450 later"), "the address is refused \\(450\\)", False),
        (Box(answer="554 no"), "it answered 554", True),
        (Box(answer="451 not now"), "it answered 451", False),
    ],
)
def test_a_mail_that_is_refused_for_now_is_tried_again_and_one_that_is_refused_for_good_is_not(
    run, box, said, for_good
):
    with pytest.raises(NotDelivered, match=said) as raised:
        mailed(run, box)
    assert raised.value.for_good is for_good


def test_a_mail_server_that_hangs_or_is_dead_fails_in_time(run):
    with pytest.raises(NotDelivered, match=r"not taken within 0\.2 s|Timeout"):
        mailed(run, Box(delay=3600.0), timeout=0.2)

    async def mute():
        server = await asyncio.start_server(lambda reader, writer: asyncio.sleep(3600), "127.0.0.1", 0)
        mute_port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotDelivered):
            await a_mail(mute_port, timeout=0.05).deliver(a_notice(), 0.0)
        server.close()
        with pytest.raises(NotDelivered):
            await a_mail(mute_port).deliver(a_notice(), 0.0)

    run(mute)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ours(authority):
    """What the server shows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("right", [True, False])
def test_starttls_and_a_password_that_a_failure_does_not_repeat(run, authority, ours, right):
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    box, seen = Box(), []

    def check(server, session, envelope, mechanism, data):
        seen.append(data)
        return AuthResult(success=right, handled=False)

    server = {"tls_context": ours, "authenticator": check, "auth_required": True, "require_starttls": True}
    how = {"password": "hunter2", "tls": trusting, "security": "starttls", "username": "me"}
    if right:
        mailed(run, box, server=server, **how)
        assert len(box.mails) == 1
    else:
        with pytest.raises(NotDelivered, match="password is refused") as raised:
            mailed(run, box, server=server, **how)
        assert "hunter2" not in str(raised.value)
        assert not raised.value.for_good
    assert seen


def test_a_mail_server_that_shows_a_strangers_certificate_or_none_gets_nothing(run, ours):
    box = Box()
    with pytest.raises(NotDelivered):
        mailed(run, box, server={"tls_context": ours}, security="starttls")
    with pytest.raises(NotDelivered):
        mailed(run, box, security="starttls")
    assert box.mails == []


# --- through Apprise

imported = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Apprise imports all that it knows, old modules among them."""


@imported
def test_apprise_posts_title_text_and_kind(run):
    async def work():
        receiver = Receiver()
        await receiver.start()
        way = ThroughApprise(f"json://127.0.0.1:{receiver.port}/x", "sluicegate", PATIENCE)
        await way.deliver(a_notice("active"), 0.0)
        told = json.loads(receiver.got[0][1])
        assert told["title"] == "[sluicegate] Traffic management is active"
        assert told["type"] == "warning"

        receiver.answers = [answer(500)]
        with pytest.raises(NotDelivered, match="it was not taken"):
            await ThroughApprise(f"json://127.0.0.1:{receiver.port}/x", "s", PATIENCE).deliver(a_notice(), 0.0)

    run(work)


@imported
def test_an_apprise_channel_that_hangs_has_one_thread_and_no_more(run):
    async def work():
        receiver = Receiver()
        receiver.answers = [None]
        await receiver.start()
        way = ThroughApprise(f"json://127.0.0.1:{receiver.port}/x", "sluicegate", 0.3)
        with pytest.raises(NotDelivered, match=r"not delivered within 0\.3 s"):
            await way.deliver(a_notice(), 0.0)
        with pytest.raises(NotDelivered, match="has not ended yet"):
            await way.deliver(a_notice(), 0.0)

    run(work)


@imported
def test_an_apprise_url_that_is_none_is_refused_and_not_repeated():
    with pytest.raises(ValueError) as raised:
        ThroughApprise("nonsense://token", "sluicegate", 1)
    assert "token" not in str(raised.value)
