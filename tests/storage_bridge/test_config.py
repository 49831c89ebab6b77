"""The configuration file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.config import SIZES, ConfigError, load, parse_size, parse_url

GOOD = """\
home_assistant: {url: "ws://127.0.0.1:8123/api/websocket", token_file: token}
data_dir: /var/lib/bridge
"""


def _load(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(str(path) in problem for problem in caught.value.problems)
    return caught.value.problems


def test_the_shortest_file_has_sensible_defaults(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(GOOD)
    config = load(path)
    assert config.home_assistant.token_file == tmp_path / "token"
    assert config.data_dir == Path("/var/lib/bridge")
    assert (config.api.bind, config.api.port, config.api.advertise) == ("127.0.0.1", 0, None)
    assert (config.tiers.hot_days, config.tiers.warm_days) == (3, 30)
    assert config.outbox_max_bytes == 2 << 30


def test_all_problems_are_listed_at_once_with_their_lines(tmp_path: Path) -> None:
    problems = _load(
        tmp_path,
        """\
home_assistant:
  url: http://127.0.0.1:8123
  token: secret
api:
  port: 99999
  advertise: bridge
tiers:
  hot: {keep_days: 40}
  warm: {driver: paper}
outbox:
  max_bytes: 3 bytes
colour: red
""",
    )
    expected = {
        "line 2: home_assistant.url": "ws://",
        "line 3: home_assistant.token ": "not known",
        "line 1: home_assistant.token_file": "must be a path",
        "line 5: api.port": "port",
        "line 6: api.advertise": "http://",
        "line 8: tiers.hot.keep_days": "longer",
        "line 9: tiers.warm.driver": "sqlite",
        "line 11: outbox.max_bytes": "size",
        "line 12: colour": "not known",
        "line 1: data_dir": "must be a path",
    }
    for where, word in expected.items():
        assert any(where in problem and word in problem for problem in problems), where
    assert len(problems) == len(expected)
    assert not any("secret" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "mapping"),
        ("- 1", "mapping"),
        ("a: [", "not valid YAML"),
        (GOOD + "api: 7\n", "mapping"),
        (GOOD + "data_dir: /x\n", "given twice"),
        (GOOD + "tiers: {cold: {keep_days: 3}}\n", "not known"),
        (GOOD + "1: x\n", "not known"),
        (GOOD + "api: {port: true}\n", "port"),
        (GOOD + "api: {bind: ''}\n", "address"),
        (GOOD + "tiers: {warm: {keep_days: 0}}\n", "from 1"),
        (GOOD + "[1, 2]: x\n", "not valid YAML"),
        (GOOD + "mirror: sensor.x\n", "list"),
        (GOOD + "mirror: [sensor.x, 7]\n", "name entities"),
        (GOOD + "mirror: [sensor.x, sensor.x]\n", "each once"),
        (GOOD + "mirror: [Sensor X]\n", "name entities"),
        (GOOD + f"mirror: [{'s' * 249}.x]\n", "name entities"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, text: str, word: str) -> None:
    assert any(word in problem for problem in _load(tmp_path, text))


def test_entities_to_be_mirrored_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(GOOD)
    assert load(path).mirror == ()
    path.write_text(GOOD + "mirror: [sensor.tilt_red_gravity, switch.x]\n")
    assert load(path).mirror == ("sensor.tilt_red_gravity", "switch.x")


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


@given(st.integers(0, 10**9), st.sampled_from(sorted(SIZES)))
def test_sizes_are_read(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * SIZES[unit]
    assert parse_size(number) == number


@pytest.mark.parametrize("text", [None, True, -1, 1.5, "", "GiB", "1GB", "1 2", "-1MiB", []])
def test_what_is_no_size_is_refused(text: object) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    "url",
    [
        None, "", "http://x/", "ws://", "ws://x:0/", "ws://x:99999/", "ws://u:p@x/", "ws://[x/",
    ],
)  # fmt: skip
def test_what_is_no_websocket_address_is_refused(url: object) -> None:
    assert parse_url(url)


def test_an_empty_token_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(GOOD)
    (tmp_path / "token").write_text("\n")
    with pytest.raises(OSError, match="token is empty"):
        load(path).home_assistant.token()
