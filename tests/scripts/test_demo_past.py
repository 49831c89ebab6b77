"""The day that the demo archives looks like a probe's, and is old enough."""

from itertools import pairwise
from pathlib import Path

from scripts.demo_brewery import past
from storage_bridge.codec import encode
from storage_bridge.config import load
from storage_bridge.model import hour_of
from storage_bridge.stored import open_store
from storage_bridge.tiers import embedded

NOW = 1_790_000_000_000
START = past.start_of(NOW)
DAY = past.day(START)


def test_it_ended_at_least_31_days_ago() -> None:
    assert START % past.DAY_MS == 0
    assert NOW - past.DAY_MS < DAY[-1].t + 31 * past.DAY_MS < NOW


def test_it_is_the_same_each_time() -> None:
    assert past.day(START) == DAY
    assert past.day(START - past.DAY_MS) != DAY


def test_it_is_a_day_of_a_12_bit_probe_each_second() -> None:
    assert [sample.t - START for sample in DAY] == list(range(0, past.DAY_MS, 1000))
    bad = [sample for sample in DAY if sample.value is None]
    assert 0 < len(bad) < 50
    assert {sample.quality for sample in bad} == {"bad:crc"}
    values = [sample.value for sample in DAY if sample.value is not None]
    assert all(value * 16 % 1 == 0 for value in values)
    assert 10 < min(values) < 20
    assert 78 < max(values) < 85
    assert max(abs(after - before) for before, after in pairwise(values)) < 1.5


def test_it_is_as_small_as_a_real_one_in_the_archive() -> None:
    hour = [sample for sample in DAY if hour_of(sample.t) == START + 9 * 3_600_000]
    assert len(hour) == 3600
    assert len(encode(hour).data) < 3600


async def test_only_what_was_archived_whole_counts(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    hour = DAY[:3600]
    await tiers.open()
    try:
        await tiers.warm.write(hour)
        assert not await past.is_archived(tiers, hour)
        await tiers.cold.write_chunk(encode(hour))
        assert not await past.is_archived(tiers, hour)
        await tiers.warm.delete_exact(hour)
        assert await past.is_archived(tiers, hour)
        assert not await past.is_archived(tiers, DAY[:3601])
        assert not await past.is_archived(tiers, [*hour[:-1], hour[-1]._replace(value=1.0)])
    finally:
        await tiers.close()


async def test_it_is_imported_beside_a_bridge_and_archived_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token\n")
    path = tmp_path / "bridge.yaml"
    path.write_text(
        "home_assistant: {url: 'ws://127.0.0.1:8123/api/websocket', token_file: token}\n"
        "data_dir: data\n"
    )
    config = load(path)
    config.data_dir.mkdir()
    config.store_path.touch()
    samples = await past.import_day(config)
    past.archive_now(config)
    async with open_store(config) as tiers:
        assert await tiers.warm.count() == 0
        assert await tiers.cold.count() == len(samples) == 86_400
        assert await past.is_archived(tiers, samples)
