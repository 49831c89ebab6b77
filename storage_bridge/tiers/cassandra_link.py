"""The only module that speaks to cassandra-driver: a connected session, its schema, its statements.

Imported in a thread and only where Cassandra is configured: the driver takes seconds to load.
All of a `Link` blocks, but `send`.
"""

import logging
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from cassandra import (  # type: ignore[import-untyped]
    ConsistencyLevel,
    InvalidRequest,
    Unauthorized,
)
from cassandra.auth import AuthProvider, PlainTextAuthProvider  # type: ignore[import-untyped]
from cassandra.cluster import (  # type: ignore[import-untyped]
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
)
from cassandra.io.libevreactor import LibevConnection  # type: ignore[import-untyped]
from cassandra.policies import (  # type: ignore[import-untyped]
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    TokenAwarePolicy,
)
from cassandra.query import (  # type: ignore[import-untyped]
    UNSET_VALUE,
    PreparedStatement,
    tuple_factory,
)

from . import cassandra_schema as schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .cassandra_settings import CassandraSettings

LOGGER = logging.getLogger(__name__)
# The driver tells every attempt that failed with its whole trace, for as long as a node is away.
# What matters of it is in the sentences that are raised, and those are told once.
logging.getLogger("cassandra").setLevel(logging.CRITICAL)

CONNECT_S: Final = 5.0
RETURN_S: Final = 10.0  # a node that came back is noticed within about this time
_DDL_S: Final = 30.0
_AGREE_TRIES: Final = 20  # a node may hear of a new table a moment later
_AGREE_WAIT_S: Final = 0.5

type Rows = list[tuple[Any, ...]]


class Link:
    """A session whose keyspace exists, is up to date, and whose statements are prepared.

    Raises what the driver raises, ValueError and OSError; then nothing of it is left.
    """

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(
            contact_points=list(settings.hosts),
            port=settings.port,
            auth_provider=_login(settings),
            ssl_context=None
            if settings.ca_file is None
            else ssl.create_default_context(cafile=settings.ca_file),
            # Never the silent fallback to a slower loop of the driver's own.
            connection_class=LibevConnection,
            protocol_version=5,  # since Cassandra 4; asking for less costs connections
            connect_timeout=CONNECT_S,
            control_connection_timeout=CONNECT_S,
            reconnection_policy=ExponentialReconnectionPolicy(0.5, RETURN_S),
            idle_heartbeat_interval=10,
            idle_heartbeat_timeout=10,
            execution_profiles={EXEC_PROFILE_DEFAULT: _profile(settings)},
        )
        try:
            self._session = self._cluster.connect()
            self._prepare_keyspace()
            self._statements = {
                name: self._prepared(statement) for name, statement in schema.STATEMENTS.items()
            }
        except BaseException:
            self._cluster.shutdown()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._cluster.shutdown()

    def send(
        self,
        name: str,
        parameters: Sequence[object],
        done: Callable[[Rows], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Send a statement; one of the two is called once, in a thread of the driver's.

        `done` gets the rows of all pages. What is None is left out of a row, as writing it would
        leave a tombstone. Does not block.
        """
        rows: Rows = []
        values = [UNSET_VALUE if value is None else value for value in parameters]
        future = self._session.execute_async(self._statements[name], values)

        def page(found: Rows | None) -> None:
            rows.extend(found or ())
            if future.has_more_pages:
                future.start_fetching_next_page()
            else:
                done(rows)

        future.add_callbacks(page, failed)

    def _prepared(self, statement: schema.Statement) -> PreparedStatement:
        text = schema.filled(statement.text, self._settings.keyspace)
        for left in range(_AGREE_TRIES, -1, -1):
            try:
                prepared = self._session.prepare(text)
                break
            except InvalidRequest:
                if not left:
                    raise
                time.sleep(_AGREE_WAIT_S)
        prepared.is_idempotent = True  # else the driver would not send it again
        prepared.fetch_size = statement.page
        return prepared

    def _prepare_keyspace(self) -> None:
        settings = self._settings
        # Not by the nodes that are known: those of a new cluster hear of each other by and by.
        copies = min(schema.MAX_COPIES, len(settings.hosts))
        wanted = settings.replication or {settings.data_center or self._nearest(): copies}
        where = "ALL KEYSPACES"
        try:
            if settings.keyspace not in self._cluster.metadata.keyspaces:
                self._run(schema.keyspace(settings.keyspace, wanted))
            elif settings.replication is not None:
                self._compare(schema.replicated(wanted))
            where = f"KEYSPACE {schema.quoted(settings.keyspace)}"
            self._migrate()
        except Unauthorized as err:
            raise ValueError(
                f"the user {settings.username} may not make what this version of the bridge keeps "
                f"in the keyspace {settings.keyspace} ({err}); as an administrator, run GRANT "
                f"CREATE ON {where} TO {schema.quoted(settings.username or '?')}, which may be "
                "revoked once the bridge has started"
            ) from err

    def _migrate(self) -> None:
        """Take the steps that are not in the journal; two bridges may do this at once."""
        compaction = schema.compaction(self._settings, self._release())
        name = self._settings.keyspace
        known = self._cluster.metadata.keyspaces.get(name)
        # A user who may only read and write does not get further where all is made already.
        if known is None or "migration" not in known.tables:
            self._run(schema.filled(schema.JOURNAL, name, compaction))
        taken = {row[0] for row in self._run(schema.filled(schema.TAKEN, name))}
        newest = len(schema.MIGRATIONS)
        if taken and max(taken) > newest:
            raise ValueError(
                f"the keyspace {name} was made by a newer version of the bridge "
                f"(schema {max(taken)}, this one knows {newest}); update this bridge"
            )
        for version, statements in enumerate(schema.MIGRATIONS, 1):
            if version in taken:
                continue
            for statement in statements:
                self._run(schema.filled(statement, name, compaction))
            self._run(schema.filled(schema.TAKE, name), (version,))

    def _run(self, text: str, parameters: Sequence[object] | None = None) -> Rows:
        """Run a statement once; those of the schema return when the nodes agree on it."""
        for left in range(_AGREE_TRIES, -1, -1):
            try:
                return list(self._session.execute(text, parameters, timeout=_DDL_S))
            except InvalidRequest as err:
                if not left or "does not exist" not in str(err):
                    raise
                time.sleep(_AGREE_WAIT_S)
        raise AssertionError("unreachable")

    def _release(self) -> str:
        """The oldest version among the nodes, as all of them must know what is made."""
        hosts = self._cluster.metadata.all_hosts()
        return schema.oldest(host.release_version for host in hosts if host.release_version)

    def _nearest(self) -> str:
        host = self._cluster.get_control_connection_host()
        return str(host.datacenter)

    def _compare(self, wanted: dict[str, str]) -> None:
        """Say when an operator's wish differs from what is there: changing it takes a repair."""
        known = self._cluster.metadata.keyspaces[self._settings.keyspace]
        found = known.replication_strategy.export_for_schema()
        if all(f"'{value}'" in found for value in wanted.values() if value.isdecimal()):
            return
        LOGGER.warning(
            "The Cassandra keyspace %s keeps copies as %s, not as configured (%s); to change it, "
            "run ALTER KEYSPACE and then nodetool repair --full",
            self._settings.keyspace,
            found,
            wanted,
        )


def _login(settings: CassandraSettings) -> AuthProvider | None:
    if settings.username is None:
        return None
    password = ""
    if settings.password_file is not None:
        password = settings.password_file.read_text(encoding="utf-8").strip()
        if not password:
            raise OSError(f"the password file {settings.password_file} is empty")
    return PlainTextAuthProvider(settings.username, password)


def _profile(settings: CassandraSettings) -> ExecutionProfile:
    return ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(
            DCAwareRoundRobinPolicy(settings.data_center or ""), shuffle_replicas=True
        ),
        consistency_level=ConsistencyLevel.name_to_value[settings.consistency],
        request_timeout=settings.timeout_s,
        row_factory=tuple_factory,
    )
