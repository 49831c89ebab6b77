"""What all test processes share: skips in CI, and tests of seconds on a machine that stands still.

In CI a skipped test is a failed run. What is marked `real_time` asserts seconds of processes that
live in real time: it is run once more if it failed while the machine stood still.
"""

import os

import pytest
from hypothesis import settings

from tests.standstills import run_again_after_a_standstill

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    text = "real_time: asserts seconds; run once more if it failed while the machine stood still"
    config.addinivalue_line("markers", text)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """See `run_again_after_a_standstill`."""
    if item.get_closest_marker("real_time") is None:
        return None
    run_again_after_a_standstill(item, nextitem)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped where nothing may be, and what was run again."""
    for report in terminalreporter.getreports("passed"):
        for name, why in report.user_properties:
            if name == "run_again" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid} was run again: {why}")
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.write_line(f"{len(skipped)} skipped, and in CI no test may be", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run over a skipped test where CI says that everything must run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
