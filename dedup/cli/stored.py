"""`dedup stats`, `page`, `pages`, `repeated`, `forget`, `compact`: what an index holds, and less.

Each is one call of the library. For indexes that outlive the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

import click

from dedup.cli.check import open_deduper
from dedup.cli.command import SettingsCommand
from dedup.cli.options import ERROR, INDEX_OPTIONS, format_option, with_options

PART = 1000
"""Pages that are asked for at once."""
UNKNOWN = "the index does not know this page; reports give the ids"


@click.command(cls=SettingsCommand)
@with_options(*INDEX_OPTIONS)
@format_option(["text", "json"], "For people, or as a JSON object.")
def stats(index: str, namespace: str, report_format: str) -> int:
    """Show what an index holds, and the settings that it was made with.

    An index in a file may be in use meanwhile: what is shown is what it has at this moment.
    """
    from dedup.index import for_lookups  # noqa: PLC0415 - late, for a quick --help

    with open_deduper(for_lookups(index), namespace) as deduper:
        found, settings = deduper.stats(), deduper.settings.to_mapping()
    if report_format == "json":
        click.echo(json.dumps(asdict(found) | {"settings": settings}, indent=1))
        return 0
    judged = found.originals + found.repeats
    share = f" ({found.repeats / judged:.0%} of the blocks judged)" if judged else ""
    size = f" ({found.bytes / found.originals:,.0f} an original)" if found.originals else ""
    rows = {
        "index": f"{found.url}, namespace {found.namespace}",
        "pages": f"{found.pages:,}",
        "originals": f"{found.originals:,}",
        "repeats": f"{found.repeats:,}{share}",
        "bytes": f"{found.bytes:,}{size}",
        **({"on disk": f"{found.disk_bytes:,}"} if found.disk_bytes else {}),
        "settings": ", ".join(
            f"{name} {value}" for name, value in settings.items() if value is not None
        ),
    }
    for name, value in rows.items():
        click.echo(f"{name:<10} {value}")
    return 0


@click.command(cls=SettingsCommand)
@click.argument("page", metavar="PAGE")
@with_options(*INDEX_OPTIONS)
@format_option(["text", "json"], "For people, or as a JSON object.")
def page(page: str, index: str, namespace: str, report_format: str) -> int:
    """Show what an index has of a page: what it owns, and what it repeats.

    PAGE is a page's id as reports give it; one that the index does not know is an error (2).
    Blocks that are too short, and those whose original is gone, are not there.
    """
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.index import for_lookups  # noqa: PLC0415
    from dedup.reports.entries import page_entry_lines  # noqa: PLC0415
    from dedup.reports.json import page_entry_object  # noqa: PLC0415

    with open_deduper(for_lookups(index), namespace) as deduper:
        entry = deduper.page(page)
    if entry is None:
        console.say("error", f"{page}: {UNKNOWN}")
        return ERROR
    _show(report_format, page_entry_object(entry), lambda: page_entry_lines(entry, console.width()))
    return 0


@click.command(cls=SettingsCommand)
@click.option("--prefix", default="", help="Only those whose ids begin so.")
@with_options(*INDEX_OPTIONS)
@format_option(["text", "jsonl"], "For people, or a JSON object a page.")
def pages(prefix: str, index: str, namespace: str, report_format: str) -> int:
    """List the pages of an index, with how many originals and repeats each had.

    In the order in which they were first checked; those of an index in Redis in none.
    """
    from dedup.cli.output import STDOUT, Output  # noqa: PLC0415 - late, for a quick --help
    from dedup.index import for_lookups  # noqa: PLC0415
    from dedup.reports.entries import PAGE_COLUMNS, page_line  # noqa: PLC0415
    from dedup.reports.json import dump, page_summary_object  # noqa: PLC0415

    with open_deduper(for_lookups(index), namespace) as deduper, Output(STDOUT) as output:
        after: str | None = ""
        if report_format == "text":
            output.write_text(f"{PAGE_COLUMNS}\n")
        while after is not None:
            found = deduper.pages(prefix, after=after, limit=PART)
            after = found.after
            if report_format == "text":
                output.write_text("".join(f"{page_line(page)}\n" for page in found.pages))
            else:
                output.write(b"".join(dump(page_summary_object(p)) + b"\n" for p in found.pages))
    return 0


@click.command(cls=SettingsCommand)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many originals, at most.",
)
@click.option("--site", help="Only those on pages of this site: a host, or a top folder.")
@with_options(*INDEX_OPTIONS)
@format_option(["text", "json"], "For people, or as a JSON object.")
def repeated(limit: int, site: str | None, index: str, namespace: str, report_format: str) -> int:
    """Show the originals of an index that are repeated most.

    It goes through the whole index, in small steps where that is on a server.
    """
    from dedup.cli import console  # noqa: PLC0415 - late, for a quick --help
    from dedup.index import for_lookups  # noqa: PLC0415
    from dedup.reports.entries import repeated_lines  # noqa: PLC0415
    from dedup.reports.json import repeated_object  # noqa: PLC0415

    with open_deduper(for_lookups(index), namespace) as deduper:
        found = deduper.most_repeated(limit, site=site)
    _show(report_format, repeated_object(found), lambda: repeated_lines(found, console.width()))
    return 0


def _show(report_format: str, value: object, lines: Callable[[], Iterable[str]]) -> None:
    """Write an answer to stdout, whatever its texts hold and its encoding lacks."""
    from dedup.cli.output import STDOUT, Output  # noqa: PLC0415 - late, for a quick --help
    from dedup.reports.json import dump  # noqa: PLC0415

    with Output(STDOUT) as output:
        if report_format == "json":
            output.write(dump(value) + b"\n")
        else:
            output.write_text("".join(f"{line}\n" for line in lines()))


@click.command(cls=SettingsCommand)
@click.argument("pages", nargs=-1, required=True, metavar="PAGE...")
@with_options(*INDEX_OPTIONS)
def forget(pages: tuple[str, ...], index: str, namespace: str) -> int:
    """Remove pages from an index: what they own and what they counted.

    PAGE is a page's id as reports give it. A page that the index does not know is an error (2);
    the others are removed all the same.
    """
    from dedup.cli.console import say  # noqa: PLC0415 - late, for a quick --help

    status = 0
    with open_deduper(index, namespace) as deduper:
        for name in pages:
            if not deduper.forget(name):
                say("error", f"{name}: {UNKNOWN}")
                status = ERROR
    return status


@click.command(cls=SettingsCommand)
@with_options(*INDEX_OPTIONS)
def compact(index: str, namespace: str) -> int:
    """Write an index in a file anew, without what is of no use any more.

    Checking pages again, forgetting and expiry leave such remains. An index compacts itself when
    they are more than half of it; this does it now, and gives the room back to the disk.
    """
    from dedup.index import compact as compact_index  # noqa: PLC0415 - late, for a quick --help

    before, after = compact_index(index, namespace)
    click.echo(f"{index}: {after:,} bytes, {before:,} before")
    return 0
