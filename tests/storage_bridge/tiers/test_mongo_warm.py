"""What is particular to the warm tier in MongoDB: its documents, its indexes, its races."""

import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

import pytest
from bson.datetime_ms import DatetimeMS
from pymongo import DeleteOne, MongoClient, UpdateOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample, is_number
from storage_bridge.tiers.base import TierRejectedError, TierUnavailableError
from storage_bridge.tiers.mongo_client import Changed, Collection, Mongo, _duplicates
from storage_bridge.tiers.mongo_documents import document_of, parts_of, update_of
from storage_bridge.tiers.mongo_migrations import migrate
from storage_bridge.tiers.mongo_settings import Driver, MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from tests.storage_bridge.generated import HOUR, probe_hour
from tests.storage_bridge.servers.mongo import REAL, drop

A = "mash-a/mash_temp"
MINUTE = HOUR // MINUTE_MS
ROW = Sample(A, HOUR + 1000, 20.5, "ok", "b1")


@pytest.fixture(params=["motor", "pymongo"])
def settings(request: pytest.FixtureRequest, mongo_url: str) -> Iterator[MongoSettings]:
    database = f"smart_beer_test_{uuid.uuid4().hex[:12]}"
    yield MongoSettings(url=mongo_url, driver=cast("Driver", request.param), database=database)
    drop(mongo_url, database)


@pytest.fixture
async def mongo(settings: MongoSettings) -> Mongo:
    return Mongo(settings)


@pytest.fixture
async def warm(mongo: Mongo) -> AsyncIterator[MongoWarm]:
    made = MongoWarm(mongo)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def database(settings: MongoSettings) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](settings.url, timeoutMS=20_000) as client:
        yield client[settings.database]


def operations(rows: Sequence[Sample]) -> list[UpdateOne]:
    """What the tier does to write these."""
    return [
        UpdateOne(
            {"_id": part.key},
            update_of(part, DatetimeMS(part.minute * MINUTE_MS)),
            upsert=True,
        )
        for part in parts_of(rows)
    ]


async def test_a_minute_is_a_document_in_which_the_usual_costs_nothing(
    warm: MongoWarm, database: Database[dict[str, Any]]
) -> None:
    await warm.write(
        [
            ROW,
            ROW._replace(t=HOUR + 2000, value=21.0),
            ROW._replace(t=HOUR + 3000, value=None, quality="bad:crc"),
            ROW._replace(t=HOUR + 4000, value=85.0, quality="bad:power_on"),
            ROW._replace(t=HOUR + 5000, value=30.0, quality="suspect:outlier"),
            ROW._replace(t=HOUR + 6000, batch=None),
        ]
    )
    (document,) = database["minutes"].find()
    assert document.pop("m").timestamp() * 1000 == HOUR
    assert document == {
        "_id": f"{A}:{MINUTE}",
        "s": A,
        "b": "b1",
        "x": True,
        "v": {
            "1000": 20.5,
            "2000": 21.0,
            "3000": {"q": "bad:crc"},
            "4000": {"q": "bad:power_on", "x": 85.0},
            "5000": {"q": "suspect:outlier", "n": 30.0},
            "6000": {"n": 20.5, "b": None},
        },
        "a": {
            "r": 6,
            "n": 4,
            "lo": 20.5,
            "hi": 30.0,
            "t": 92.0,
            "f": HOUR + 1000,
            "l": HOUR + 6000,
        },
    }


async def test_a_document_is_made_as_a_server_makes_it(mongo: Mongo, warm: MongoWarm) -> None:
    minutes = mongo.collection("minutes")
    kinds = [(1.5, "ok"), (-3.0, "suspect:clock"), (None, "bad:crc"), (9.0, "bad:power_on")]
    for batch in (None, "b1"):
        for some in (kinds, kinds[:1], kinds[1:2], kinds[2:], kinds[3:]):
            rows = [Sample(A, HOUR + n, *each, batch) for n, each in enumerate(some)]
            (part,) = parts_of(rows)
            await minutes.bulk(operations(rows))
            (updated,) = await minutes.find({})
            assert await minutes.insert([document_of(part, DatetimeMS(HOUR))]) == [0], "it is there"
            await minutes.bulk([DeleteOne({"_id": part.key})])
            assert await minutes.insert([document_of(part, DatetimeMS(HOUR))]) == []
            (made,) = await minutes.find({})
            assert made == updated
            assert list(made) == list(updated)
            assert await warm.delete_exact(rows) == len(rows)


async def test_a_replay_changes_no_document(mongo: Mongo, warm: MongoWarm) -> None:
    rows = probe_hour(HOUR)[:120]
    await warm.write(rows[30:])
    await warm.write(rows)
    before = await mongo.collection("minutes").find({})
    assert await mongo.collection("minutes").bulk(operations(rows[::-1])) == Changed(0, 0, 0)
    assert await mongo.collection("minutes").find({}) == before


async def test_whatever_is_written_in_whatever_order_is_there_once_and_adds_up(
    warm: MongoWarm,
) -> None:
    dice = random.Random(7)
    truth = [
        Sample(
            A,
            HOUR + t,
            dice.choice([None, 1.5, -3.0, 0.0]),
            dice.choice(["ok", "ok", "suspect:outlier", "bad:crc"]),
            dice.choice([None, "b1", "b2"]),
        )
        for t in dice.sample(range(3 * MINUTE_MS), 150)
    ]
    truth.sort()
    for _ in range(25):
        await warm.write(dice.sample(truth, dice.randint(1, 40)))
    await warm.write(truth)
    assert await warm.read(A, HOUR, HOUR + HOUR_MS) == truth
    found = await warm.aggregate(A, HOUR, HOUR + HOUR_MS, MINUTE_MS)
    for bucket in found:
        rows = [row for row in truth if row.t // MINUTE_MS * MINUTE_MS == bucket.t]
        values = [r.value for r in rows if r.value is not None and is_number(r.value, r.quality)]
        assert bucket.total == pytest.approx(sum(values))
        assert (bucket.rows, bucket.n) == (len(rows), len(values))
        assert (bucket.low, bucket.high) == (min(values), max(values))
        assert (bucket.first, bucket.last) == (rows[0].t, rows[-1].t)
    assert sum(bucket.rows for bucket in found) == len(truth)
    assert await warm.delete_exact(truth) == len(truth)
    assert await warm.count() == 0


async def test_a_sum_beyond_a_double_is_no_answer_that_breaks_a_chart(warm: MongoWarm) -> None:
    await warm.write([ROW._replace(t=HOUR + t, value=1.5e308) for t in range(3)])
    (bucket,) = await warm.aggregate(A, HOUR, HOUR + HOUR_MS, HOUR_MS)
    assert (bucket.n, bucket.high, bucket.total) == (3, 1.5e308, 0.0)


@pytest.mark.parametrize("damage", ["text", [1], 7])
async def test_a_damaged_document_is_refused_by_name_and_the_others_are_there(
    warm: MongoWarm, database: Database[dict[str, Any]], damage: object
) -> None:
    rows = [Sample(A, HOUR + minute * MINUTE_MS, 20.5, "ok", None) for minute in range(3)]
    await warm.write(rows)
    spoiled = f"{A}:{MINUTE + 1}"
    database["minutes"].update_one({"_id": spoiled}, {"$set": {"v": damage}})
    with pytest.raises(TierRejectedError, match=f"'{spoiled}' in MongoDB is damaged"):
        await warm.read(A, HOUR, HOUR + HOUR_MS)
    assert await warm.read(A, HOUR + 2 * MINUTE_MS, HOUR + HOUR_MS) == rows[2:]
    late = [row._replace(t=row.t + 5000) for row in rows]
    with pytest.raises(TierRejectedError):
        await warm.write([late[1]])
    await warm.write([late[0], late[2]])
    with pytest.raises(TierRejectedError):
        await warm.delete_exact(rows)
    database["minutes"].update_one({"_id": f"{A}:{MINUTE}"}, {"$set": {"a": "nothing"}})
    with pytest.raises(TierRejectedError, match="what it adds up to cannot be read"):
        await warm.span(A)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ([40400], TierRejectedError),
        ([10334], TierRejectedError),
        ([189, 40400], TierRejectedError),
        ([189], TierUnavailableError),
        ([14031], TierUnavailableError),
        ([50, 11600], TierUnavailableError),
        ([11000], TierUnavailableError),
        ([], TierUnavailableError),
    ],
)
def test_what_one_operation_is_refused_for_is_its_own_fault(
    codes: list[int], kind: type[Exception]
) -> None:
    mongo = Mongo(MongoSettings(url="mongodb://127.0.0.1:1/"))
    errors = [{"index": 0, "code": code, "errmsg": "No."} for code in codes]
    with pytest.raises(kind, match=r"[^.]\.$"), mongo.told():
        raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})


async def test_no_index_lets_documents_expire_and_ranges_have_one(
    mongo: Mongo, warm: MongoWarm, database: Database[dict[str, Any]]
) -> None:
    indexes = database["minutes"].index_information()
    assert not any("expireAfterSeconds" in index for index in indexes.values())
    assert [("s", 1), ("m", 1)] in [index["key"] for index in indexes.values()]
    await warm.write(probe_hour(HOUR))
    query = {"s": A, "m": {"$gte": 0}}
    command = {"find": "minutes", "filter": query, "sort": {"m": 1}}
    plan = database.command("explain", command, verbosity="queryPlanner")
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])


async def test_a_minute_that_grows_while_it_is_deleted_stays_whole(
    warm: MongoWarm, settings: MongoSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = probe_hour(HOUR)[:120]
    late = rows[5]._replace(t=rows[5].t + 1)
    await warm.write(rows)
    bulk = Collection.bulk

    async def late_bulk(self: Collection, operations: Sequence[Any]) -> Changed:
        if isinstance(operations[0], DeleteOne):
            monkeypatch.setattr(Collection, "bulk", bulk)
            other = MongoWarm(Mongo(settings))
            await other.open()
            await other.write([late])
            await other.close()
        return await bulk(self, operations)

    monkeypatch.setattr(Collection, "bulk", late_bulk)
    assert await warm.delete_exact(rows) == 60
    assert await warm.read(A, HOUR, HOUR + HOUR_MS) == sorted([*rows[:60], late])


async def test_a_minute_in_another_order_is_deleted_and_one_that_grows_meanwhile_is_not(
    warm: MongoWarm, settings: MongoSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = probe_hour(HOUR)[:180]
    late = rows[5]._replace(t=rows[5].t + 1)
    await warm.write(rows[::-1])
    bulk = Collection.bulk
    deletions = 0

    async def late_bulk(self: Collection, operations: Sequence[Any]) -> Changed:
        nonlocal deletions
        deletions += any(isinstance(operation, DeleteOne) for operation in operations)
        if deletions == 2:
            monkeypatch.setattr(Collection, "bulk", bulk)
            other = MongoWarm(Mongo(settings))
            await other.open()
            await other.write([late])
            await other.close()
        return await bulk(self, operations)

    monkeypatch.setattr(Collection, "bulk", late_bulk)
    assert await warm.delete_exact(rows) == 120
    assert await warm.read(A, HOUR, HOUR + HOUR_MS) == sorted([*rows[:60], late])


async def test_hours_are_found_over_years_of_nothing_and_not_beyond_the_limit(
    warm: MongoWarm,
) -> None:
    hours = [HOUR, HOUR + HOUR_MS, HOUR + 30_000 * HOUR_MS]
    await warm.write(
        [Sample(f"n/{i}", hour + 5, 1.0, "ok", None) for hour in hours for i in range(3)]
    )
    found = await warm.hours_before(HOUR + 40_000 * HOUR_MS, 100)
    assert found == [(f"n/{i}", hour) for hour in hours for i in range(3)]
    assert await warm.hours_before(HOUR + 40_000 * HOUR_MS, 5) == found[:5]


async def test_a_page_of_a_long_range_is_read_in_part(warm: MongoWarm) -> None:
    rows = probe_hour(HOUR)
    await warm.write(rows)
    assert await warm.read(A, HOUR + 500, HOUR + HOUR_MS, 100) == rows[1:101]
    assert await warm.read(A, HOUR, HOUR + HOUR_MS, 3599) == rows[:3599]


async def test_a_database_of_a_newer_version_is_not_touched(
    mongo: Mongo, warm: MongoWarm, settings: MongoSettings
) -> None:
    await mongo.collection("meta").bulk([UpdateOne({"_id": "warm"}, {"$set": {"version": 99}})])
    with pytest.raises(TierUnavailableError, match="newer version of the bridge"):
        await MongoWarm(Mongo(settings)).open()
    assert (await mongo.collection("meta").find({"_id": "warm"}))[0]["version"] == 99


async def test_steps_run_once_each_in_order_and_go_on_where_one_failed(
    mongo: Mongo, warm: MongoWarm
) -> None:
    ran: list[int] = []

    async def first(_: Mongo) -> None:
        ran.append(1)

    async def second(_: Mongo) -> None:
        ran.append(2)
        if ran.count(2) == 1:
            raise TierUnavailableError("away")

    with pytest.raises(TierUnavailableError):
        await migrate(mongo, "other", [first, second])
    await migrate(mongo, "other", [first, second])
    await migrate(mongo, "other", [first, second])
    assert ran == [1, 2, 2]


def test_only_a_race_for_one_document_is_run_again() -> None:
    race = {"index": 1, "code": 11000}
    assert _duplicates({"writeErrors": [race]}) == [1]
    assert _duplicates({"writeErrors": [race, {"index": 0, "code": 50}]}) == []
    concern = [{"code": 64}]
    assert _duplicates({"writeErrors": [race], "writeConcernErrors": concern}) == []


async def test_a_race_that_was_lost_is_run_again_and_counted_once(
    mongo: Mongo, warm: MongoWarm
) -> None:
    minutes = mongo.collection("minutes")
    raw = minutes._raw
    await warm.write([ROW])

    class Racing:
        """The first bulk finds that another client has just made the document."""

        calls = 0

        async def bulk_write(self, operations: Sequence[Any], **options: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                made = UpdateOne({"s": "none"}, {"$set": {"_id": f"{A}:{MINUTE}"}}, upsert=True)
                operations = [made, *operations[1:]]
            return await raw.bulk_write(operations, **options)

    minutes._raw = Racing()
    late = [ROW._replace(t=HOUR + 9000), ROW._replace(t=HOUR + MINUTE_MS)]
    done = await minutes.bulk(operations(late))
    assert done == Changed(1, 1, 0)
    assert minutes._raw.calls == 2
    assert await warm.read(A, HOUR, HOUR + HOUR_MS) == [ROW, *late]


if REAL:  # what the server for the tests does not do as a mongod does

    async def test_a_document_beyond_its_limit_is_refused_for_good(warm: MongoWarm) -> None:
        long = "suspect:" + "ä" * 200
        rows = [Sample(A, HOUR + t, float(t), long, None) for t in range(60_000)]
        with pytest.raises(TierRejectedError):
            await warm.write(rows)

    async def test_the_names_of_series_come_from_the_index(
        warm: MongoWarm, database: Database[dict[str, Any]]
    ) -> None:
        await warm.write(probe_hour(HOUR))
        plan = database.command(
            "explain", {"distinct": "minutes", "key": "s"}, verbosity="queryPlanner"
        )
        assert "DISTINCT_SCAN" in str(plan["queryPlanner"])

    async def test_the_oldest_hours_come_from_the_index(
        warm: MongoWarm, database: Database[dict[str, Any]]
    ) -> None:
        await warm.write(probe_hour(HOUR))
        command = {"find": "minutes", "filter": {"m": {"$lt": HOUR}}, "sort": {"m": 1}}
        plan = database.command("explain", command, verbosity="queryPlanner")
        assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])

    async def test_a_primary_that_steps_down_costs_nothing_that_was_written(
        warm: MongoWarm, database: Database[dict[str, Any]]
    ) -> None:
        rows = probe_hour(HOUR)
        for at in range(0, 3600, 60):
            if at == 1800:
                database.client.admin.command(
                    "replSetStepDown", 2, secondaryCatchUpPeriodSecs=0, force=True
                )
            for _ in range(20):
                try:
                    await warm.write(rows[at : at + 60])
                except TierUnavailableError:
                    continue
                break
        assert await warm.read(A, HOUR, HOUR + HOUR_MS) == rows
