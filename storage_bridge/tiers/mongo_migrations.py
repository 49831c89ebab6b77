"""Brings a database up to what this version expects, step by step."""

from typing import TYPE_CHECKING

from pymongo import UpdateOne

from .base import TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .mongo_client import Mongo

type Step = Callable[[Mongo], Awaitable[None]]

_META = "meta"


async def migrate(mongo: Mongo, schema: str, steps: Sequence[Step]) -> None:
    """Run those of `steps` that the database has not seen; its version is how many it has.

    Each step is safe to repeat: a bridge may die in one, and two bridges may run one at once.
    Raises TierUnavailableError, also for a database of a newer version.
    """
    meta = mongo.collection(_META)
    found = await meta.find({"_id": schema}, ["version"])
    version = int(found[0]["version"]) if found else 0
    if version > len(steps):
        raise TierUnavailableError(
            f"{mongo.settings.place} was written by a newer version of the bridge (schema "
            f"{schema!r} {version}, this one knows {len(steps)}); upgrade the bridge."
        )
    for number, step in enumerate(steps[version:], version + 1):
        await step(mongo)
        # Never down: another bridge may be further by now.
        await meta.bulk([UpdateOne({"_id": schema}, {"$max": {"version": number}}, upsert=True)])
