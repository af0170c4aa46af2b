"""Several workers, and proxies that ask them over gRPC."""

import grpc
from rig_client import fetch
from rig_crew import AMPLE, PATIENT, USERS, Crew
from rig_material import PATIENCE, wait_for
from rig_process import free_port
from test_asked_rls import METHOD, question

from sluicegate.gateway.asked.wire.rls_pb2 import RateLimitRequest, RateLimitResponse


def ask_over_grpc(port: int) -> int:
    """What is said to one question, over a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary(METHOD, RateLimitRequest.SerializeToString, RateLimitResponse.FromString)
        return call(question({"user": "Large"}), timeout=PATIENCE, wait_for_ready=True).overall_code


def test_all_workers_answer_proxies_that_ask_over_grpc_and_nobody_else_may_have_the_address(process):
    port = free_port()
    tables = {"users": USERS, "capacity": AMPLE, "gateway": {"workers": 2}, "ask": {"grpc": f"127.0.0.1:{port}"}}
    tables["ledger"] = PATIENT
    crew = Crew(process(**tables), 2)
    assert {ask_over_grpc(port) for _ in range(30)} == {RateLimitResponse.OK}
    wait_for(lambda: 'sluicegate_asked_total{by="grpc"} 30.0' in metrics(crew), "the sum is not what was asked")
    other = process(ready=False, **tables)
    assert other.process.wait(PATIENCE) == 1
    wait_for(lambda: any("ask.grpc: cannot listen on" in line for line in other.log), "it does not say why")


def metrics(crew: Crew) -> str:
    return fetch(crew.process.admin_port, "/metrics").body.decode()
