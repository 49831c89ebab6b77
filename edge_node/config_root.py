"""The schema of the whole configuration file."""

from typing import Final

from edge_node.config_outputs_schema import SAFETY, SECTIONS
from edge_node.config_schema import (
    Section,
    boolean,
    channel,
    each,
    integer,
    needed,
    one_of,
    path_text,
    size,
    slug,
    text,
)

ROOT: Final = Section(
    node=needed(
        Section(id=needed(slug, "an id such as mash-a"), name=text, data_dir=path_text),
        "{id: ...}",
    ),
    api=Section(bind=text, port=integer(0, 65535), mdns=boolean, insecure_lan=boolean),
    clock=one_of("kernel", "trust"),
    kettles=each(
        Section(
            id=needed(slug, "an id such as mash-tun"),
            name=text,
            group=each(slug, "node ids"),
            safety=SAFETY,
        ),
        "kettles",
    ),
    spool=Section(max_bytes=size),
    w1=Section(root=path_text),
    iio=Section(root=path_text),
    channels=each(channel, "channels"),
    **SECTIONS,
)
