"""Envoy's Rate Limit Service (`envoy.service.ratelimit.v3`): a question is a descriptor, its answer OK or OVER_LIMIT.

Several descriptors of one request must all pass; where one does not, nothing is charged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio

from sluicegate.front import problems
from sluicegate.front.identity import Sender
from sluicegate.gateway.asked.question import Question, Verdict
from sluicegate.gateway.asked.told import header_of, sender_of, told_by_entries
from sluicegate.gateway.asked.wire.rls_pb2 import RateLimitDescriptor, RateLimitRequest, RateLimitResponse
from sluicegate.log import logger

if TYPE_CHECKING:
    from sluicegate.gateway.desk import Desk
    from sluicegate.settings import Ask, AskTls

SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
OK, OVER_LIMIT = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
AT_ONCE_EACH: Final = 1000  # calls of one connection
HEAD_OCTETS: Final = 16_384
MEANS_NOBODY: Final = "no descriptor says for which User the proxy asks"
STATUS: Final = "sluicegate-status"


class RateLimitService:
    """The service, over gRPC. For the event loop of the desk.

    Args:
        desk: who decides.
        ask: its bounds; those do not change.
    """

    def __init__(self, desk: Desk, ask: Ask) -> None:
        self._desk = desk
        self._ask = ask
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises OSError, which names the key of the configuration and the address."""
        ask, address = self._ask, str(self._ask.grpc)
        several = self._desk.settings.gateway.workers > 1  # a socket cannot be handed down to gRPC: each binds its own
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(several)),  # else an address that somebody has is an error, and not shared
                ("grpc.max_receive_message_length", ask.max_body_bytes),
                ("grpc.max_metadata_size", HEAD_OCTETS),
                ("grpc.max_concurrent_streams", AT_ONCE_EACH),
                ("grpc.max_allowed_incoming_connections", ask.connections),
            ],
            maximum_concurrent_rpcs=AT_ONCE_EACH * ask.connections,
        )
        method = grpc.unary_unary_rpc_method_handler(
            self.should_rate_limit, RateLimitRequest.FromString, RateLimitResponse.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"ShouldRateLimit": method}),))
        try:
            port = server.add_secure_port(address, self._credentials(ask.tls)) if ask.tls else 0
            port = port or server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"ask.grpc: cannot listen on {address}: {error}") from None
        await server.start()
        self._server = server
        return int(port)

    def _credentials(self, tls: AskTls) -> grpc.ServerCredentials:
        """The files are read again for each new connection: what a reload finds in order counts from then on."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(tls), self._renewed, require_client_authentication=True
        )

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        ask = self._desk.settings.ask
        try:
            return _configuration(ask.tls) if ask is not None and ask.tls is not None else None
        except OSError as error:  # those that were good go on
            logger().warning("certificates of [ask.tls] cannot be read", why=str(error))
            return None

    async def stop(self, seconds: float) -> None:
        """Take no more; what was taken is answered, within so many seconds."""
        if self._server is not None:
            await self._server.stop(seconds)

    async def should_rate_limit(
        self, request: RateLimitRequest, context: grpc.aio.ServicerContext[RateLimitRequest, RateLimitResponse]
    ) -> RateLimitResponse:
        """One call."""
        desk = self._desk
        desk.totals.asked_grpc += 1
        ask = desk.settings.ask
        if ask is None or request.domain != ask.domain:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is not a domain of [ask] `domain`")
        heaviest = desk.settings.capacity.heaviest
        if any(_hits(one, request) > heaviest for one in request.descriptors):
            text = f"hits_addend is above the heaviest weight of [capacity.weights], {heaviest:g}: it could never pass"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        return answered(*await self._decided(request))

    async def _decided(self, request: RateLimitRequest) -> tuple[Verdict, list[RateLimitResponse.Code]]:
        """What the whole request comes to, and each descriptor's code."""
        codes = [OK] * len(request.descriptors)
        put: list[Question] = []
        refused = None
        try:
            for nth, descriptor in enumerate(request.descriptors):
                question, passes = await self._put(descriptor, _hits(descriptor, request))
                if question is not None and not passes:
                    codes[nth], refused = OVER_LIMIT, question.verdict
                    break
                if question is not None:
                    put.append(question)
        except asyncio.CancelledError:  # the proxy has gone, and will not forward what it asked for
            _take_back(put)
            raise
        if refused is not None:
            _take_back(put)
            return refused, codes
        for question in put:
            question.settle()
        verdict = put[0].verdict if put else self._nobody()
        return verdict or Verdict(200), codes

    def _nobody(self) -> Verdict | None:
        """No descriptor is ours."""
        question = Question(self._desk, Sender("", {}))
        question.names_nobody(MEANS_NOBODY)
        return question.verdict

    async def _put(self, descriptor: RateLimitDescriptor, hits: int) -> tuple[Question | None, bool]:
        """The question of a descriptor, and whether it passes so far; None where the descriptor is not ours."""
        desk = self._desk
        told = told_by_entries({entry.key: entry.value for entry in descriptor.entries})
        if told is None:
            return None, True
        sender = sender_of(desk, told)
        question = Question(desk, sender)
        try:
            header = header_of(desk, sender, told)
        except ValueError as error:
            question.refuse(problems.MALFORMED, str(error))
            return question, False
        if header is None:
            question.names_nobody(MEANS_NOBODY)
            return question, question.verdict is not None and question.verdict.status == 200
        return question, await question.put(header, float(hits) if hits else None)


def _take_back(questions: Iterable[Question]) -> None:
    for question in questions:
        question.take_back()


def answered(verdict: Verdict, codes: list[RateLimitResponse.Code]) -> RateLimitResponse:
    """A verdict as the service says it. The status is in the metadata: the filter itself knows one only for all."""
    refused = verdict.status != 200
    response = RateLimitResponse(overall_code=OVER_LIMIT if refused else OK)
    for code in codes:
        response.statuses.add(code=code)
    add = response.response_headers_to_add.add
    for line in verdict.fields.decode("latin-1").split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        add(key=name.lower(), value=value)
    if refused:
        if verdict.retry_after is not None:
            add(key="retry-after", value=str(verdict.retry_after))
        add(key="content-type", value=problems.MEDIA_TYPE.decode())
        response.raw_body = verdict.body
        response.dynamic_metadata.update({STATUS: str(verdict.status)})
    return response


def _hits(descriptor: RateLimitDescriptor, request: RateLimitRequest) -> int:
    """How many requests one counts for, as the proxy says; 0 where it does not."""
    own = descriptor.HasField("hits_addend")
    return int(descriptor.hits_addend.value if own else request.hits_addend)


def _configuration(tls: AskTls) -> grpc.ServerCertificateConfiguration:
    pair = (Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=Path(tls.client_ca).read_bytes())
