"""Backup and restore of records that the archive has, whatever has become of warm."""

from pathlib import Path
from typing import Any

import pytest

from storage_bridge.backup_file import BackupError
from storage_bridge.records.model import Note
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .records.contract import ONE_OF_EACH
from .test_backup import NOTES, backed_up, configured, fill, opened, restored


async def test_records_that_only_the_archive_has_are_in_it_and_in_nobodys_way(
    tmp_path: Path,
) -> None:
    one, two = configured(tmp_path / "one"), configured(tmp_path / "two")
    await fill(one)
    only = Note("archived", 9000, "mash-tun", "Ann", "warm was emptied", 9000)
    async with opened(one) as tiers:
        await tiers.cold.records.put([*ONE_OF_EACH, only])
    contents = await backed_up(one, tmp_path / "backup")
    assert contents.records == len(ONE_OF_EACH) + len(NOTES) + 1
    async with opened(two) as tiers:
        await tiers.cold.records.put([only])
    with pytest.raises(BackupError, match="they hold records"):
        await restored(two, tmp_path / "backup")
    three = configured(tmp_path / "three")
    await restored(three, tmp_path / "backup")
    async with opened(three) as tiers:
        assert await tiers.warm.records.get(Note, only.key) == only
        seal = await tiers.cold.records.seal()
        assert only in await tiers.warm.records.unarchived(Note, seal, 5000), "archived later"


async def test_a_backup_without_the_records_of_a_tier_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any, **_more: Any) -> Any:
        raise TierUnavailableError("The archive is away.")

    one = configured(tmp_path / "one")
    await fill(one)
    monkeypatch.setattr(SqliteColdRecords, "find", away)
    with pytest.raises(TierUnavailableError, match="archive is away"):
        await backed_up(one, tmp_path / "backup")
    assert not list(tmp_path.glob("backup*"))
