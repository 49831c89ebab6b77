"""A machine whose clocks a test turns."""

from edge_node.kernel_time import Sync

UTC = 1_800_000_000_000


class FakeTime:
    """Stands in for the kernel's clocks; `sleep` lets them run."""

    def __init__(self) -> None:
        self.boot_id = "boot-1"
        self.mono = 5_000
        self.wall = UTC
        self.synchronised = False

    def boot(self) -> str:
        return self.boot_id

    def mono_ms(self) -> int:
        return self.mono

    def wall_ms(self) -> int:
        return self.wall

    def sync(self) -> Sync:
        return Sync(self.synchronised, 0.5 if self.synchronised else None)

    def run(self, ms: int) -> None:
        self.mono += ms
        self.wall += ms

    async def sleep(self, seconds: float) -> None:
        self.run(max(1, round(seconds * 1000)))
