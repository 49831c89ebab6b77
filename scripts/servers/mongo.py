"""A MongoDB server: a mongod on the PATH, or secantusdb."""

import shutil
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from . import CACHE, HOST, Child, MissingServerError, free_port
from .certificates import make_certificates

MONGOD: Final = shutil.which("mongod")
SECANTUSDB: Final = CACHE / "secantusdb" / "bin" / "secantusd-py"
_SET: Final = "brewery"


class MongoServer(Child):
    """A server of one member that keeps its data in its folder, also when it is killed."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self._options_of_client: dict[str, Any] = {}
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        if MONGOD is not None:
            self.program = MONGOD
            command: list[object] = [MONGOD, "--bind_ip", HOST, "--port", self.port]
            command += ["--dbpath", data, "--replSet", _SET, "--nounixsocket"]
        elif SECANTUSDB.exists():
            self.program = str(SECANTUSDB)
            command = [SECANTUSDB, "--host", HOST, "--port", self.port, "--storage-path", data]
        else:
            raise MissingServerError(
                "MongoDB", "there is neither a mongod on the PATH nor secantusdb; run scripts/setup"
            )
        super().__init__(command, folder, self.writable)

    @property
    def url(self) -> str:
        """Its address."""
        return f"mongodb://{HOST}:{self.port}/"

    def guard(self, folder: Path) -> Path:
        """From the next start on ask for TLS and a password; the authority's certificate."""
        made = make_certificates(folder / "certificates", HOST)
        if MONGOD is None:
            self._command += ["--auth", "--tls-cert-file", str(made.certificate)]
            self._command += ["--tls-key-file", str(made.key)]
        else:
            both, key = folder / "both.pem", folder / "key"
            both.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
            self._command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(both)]
            self._command += ["--tlsCAFile", str(made.authority)]
            self._command += ["--tlsAllowConnectionsWithoutCertificates"]
            key.write_text("brewery" * 10)  # by which the members of a set know one another
            key.chmod(0o600)
            self._command += ["--auth", "--keyFile", str(key)]
        self._options_of_client = {"tls": True, "tlsCAFile": str(made.authority)}
        return made.authority

    def client(self) -> MongoClient[dict[str, Any]]:
        """Of this server alone."""
        return MongoClient(
            HOST, self.port, directConnection=True, timeoutMS=5000, **self._options_of_client
        )

    def writable(self) -> bool:
        """Whether it takes writes; a new mongod is made a set of one for that."""
        try:
            with self.client() as client:
                hello = client.admin.command("hello")
                if MONGOD is not None and "setName" not in hello:
                    member = {"_id": 0, "host": f"{HOST}:{self.port}"}
                    client.admin.command("replSetInitiate", {"_id": _SET, "members": [member]})
                return bool(hello.get("isWritablePrimary"))
        except PyMongoError:
            return False
