"""Cassandra: one node, or three that share the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, override

from . import CACHE, HOST, Child, MissingServerError, answers, free_port, program

DATA_CENTER = "datacenter1"  # the name that SimpleSnitch gives
JARS = CACHE / "cassandra" / "jars"

# Java 17 hides from programs what Cassandra needs of it; the lists are those of its own scripts.
_EXPORTS = (
    "java.base/jdk.internal.misc", "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server", "java.sql/java.sql",
    "java.base/java.lang.ref", "jdk.unsupported/sun.misc", "jdk.compiler/com.sun.tools.javac.file",
    "jdk.attach/sun.tools.attach",
)  # fmt: skip
_OPENS = (
    "java.base/java.lang.module", "java.base/jdk.internal.loader", "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect", "java.base/jdk.internal.math",
    "java.base/jdk.internal.module", "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/sun.nio.ch", "java.base/java.io", "java.base/java.lang.reflect",
    "jdk.compiler/com.sun.tools.javac", "java.base/java.lang", "java.base/java.util",
)  # fmt: skip
_JVM = (
    "-Djdk.attach.allowAttachSelf=true", "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.useCacheForAllThreads=true", "-Dio.netty.allocator.maxOrder=11",
    "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=128m",
    "-XX:+ExitOnOutOfMemoryError", "-Xss512k",
    "-Djava.net.preferIPv4Stack=true", "-Djava.rmi.server.hostname=127.0.0.1",
    "-Dlogback.configurationFile=logback.xml", "-Dcassandra-foreground=yes",
    # No waiting for neighbours that a test knows to be there, or not to exist.
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.shutdown_announce_in_ms=0", "-Dcassandra.superuser_setup_delay_ms=0",
)  # fmt: skip
# How long a node asks for others before it goes on alone. Too short, and nodes that start together
# forget each other as mere clients, for good, since neither has told its place in the ring yet.
_RING_DELAY_MS = 5000
# Starts sooner and answers slower: right for all but benchmarks.
_QUICK_START = "-XX:TieredStopAtLevel=1"
# The end of it is what a failure shows: flushes, files and settings would fill that, and the calls
# that an error went through.
_LOGBACK = """<configuration>
<appender name="out" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%-5level %d{"HH:mm:ss,SSS"} %logger{0} %msg%n%rootException{3}</pattern></encoder>
</appender>
<logger name="org.apache.cassandra.config.Config" level="WARN"/>
<logger name="org.apache.cassandra.db" level="WARN"/>
<logger name="org.apache.cassandra.io" level="WARN"/>
<root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""
_YAML = """cluster_name: brew-test
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: {host}
rpc_address: {host}
native_transport_port: {port}
storage_port: {storage_port}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "{seeds}"}}]
hints_flush_period: 1000ms
hinted_handoff_throttle: 51200KiB
auto_snapshot: false
"""
BATCH = "commitlog_sync: batch\n"  # a yes means that it is on the disk
PERIODIC = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\n"  # as delivered
AUTH = """authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
roles_validity: 0ms
permissions_validity: 0ms
credentials_validity: 0ms
"""


class Address(NamedTuple):
    """Where a Cassandra answers."""

    hosts: tuple[str, ...]
    port: int


class CassandraServer(Child):
    """A node; `settings` are lines of its cassandra.yaml. Needs some 0.5 GB and 5 s to start."""

    def __init__(
        self,
        folder: Path,
        settings: str = BATCH,
        *,
        host: str = HOST,
        port: int = 0,
        storage_port: int = 0,
        seeds: Sequence[str] = (HOST,),
        quick_start: bool = True,
    ) -> None:
        self.host = host
        self.port = port or free_port(host)
        storage_port = storage_port or free_port(host)
        for name in ("conf", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "conf" / "logback.xml").write_text(_LOGBACK)
        (folder / "conf" / "cassandra.yaml").write_text(
            _YAML.format(
                host=host,
                port=self.port,
                storage_port=storage_port,
                seeds=",".join(f"{seed}:{storage_port}" for seed in seeds),
            )
            + settings
        )
        super().__init__(
            _command(
                folder,
                f"-Dcassandra.ring_delay_ms={_RING_DELAY_MS if len(seeds) > 1 else 0}",
                *(_QUICK_START,) * quick_start,
            ),
            folder,
            lambda: answers(host, self.port),
        )

    @property
    def address(self) -> Address:
        """Where it answers."""
        return Address((self.host,), self.port)

    @override
    def spawn(self) -> None:
        # What a node unpacked before it was killed is not used again.
        for leftover in (self.folder / "tmp").iterdir():
            if leftover.is_file():
                leftover.unlink()
        super().spawn()


class CassandraCluster:
    """Three nodes on 127.0.0.1 to .3."""

    HOSTS = (HOST, "127.0.0.2", "127.0.0.3")

    def __init__(self, folder: Path, settings: str = BATCH) -> None:
        self.address = Address(self.HOSTS, free_port())
        storage_port = free_port()
        # Each is a seed: none has to be up first.
        self.nodes = [
            CassandraServer(
                folder / host,
                settings,
                host=host,
                port=self.address.port,
                storage_port=storage_port,
                seeds=self.HOSTS,
            )
            for host in self.HOSTS
        ]

    def start(self) -> None:
        """Start all, and wait until each answers."""
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready()

    def stop(self) -> None:
        """Kill all."""
        for node in self.nodes:
            node.kill()


def _command(folder: Path, *flags: str) -> list[object]:
    java = program("java", "cassandra")
    agent = next(JARS.glob("jamm-*.jar"), None)
    if java is None or agent is None:
        lacking = "Java 17" if java is None else "Cassandra"
        raise MissingServerError(
            "Cassandra", f"{lacking} is missing; run scripts/setup, which fetches it"
        )
    return [
        java,
        f"-javaagent:{agent}",
        *(part for name in _EXPORTS for part in ("--add-exports", f"{name}=ALL-UNNAMED")),
        *(part for name in _OPENS for part in ("--add-opens", f"{name}=ALL-UNNAMED")),
        *_JVM,
        *flags,
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dcassandra.config=file://{folder / 'conf' / 'cassandra.yaml'}",
        f"-Dcassandra.storagedir={folder / 'data'}",
        f"-Dcassandra.logdir={folder / 'log'}",
        "-cp",
        f"{folder / 'conf'}:{JARS}/*",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
