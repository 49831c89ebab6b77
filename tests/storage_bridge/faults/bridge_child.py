"""`storage_bridge`, but in compressed time: it gives up and tries again in seconds, not minutes."""

import sys
from functools import partial

from storage_bridge import app, feeder, filler, keeper
from storage_bridge.backoff import Backoff
from storage_bridge.cli import main
from storage_bridge.tiers import cassandra_settings, mongo_settings, redis_client

QUICK = Backoff(base=0.1, cap=1.0)
CALL_S = 2.0

vars(app)["Feeder"] = partial(feeder.Feeder, retry=QUICK)
vars(app)["Filler"] = partial(filler.Filler, retry=QUICK)
keeper.OPEN_EVERY_S = 0.5  # type: ignore[misc]
redis_client.SOCKET_S = CALL_S  # type: ignore[misc]
for settings in (mongo_settings.MongoSettings, cassandra_settings.CassandraSettings):
    defaults = settings.__init__.__kwdefaults__
    assert defaults is not None
    assert "timeout_s" in defaults
    defaults["timeout_s"] = CALL_S

if __name__ == "__main__":
    sys.exit(main())
