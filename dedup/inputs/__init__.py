"""Everything a crawl leaves behind, to pages.

paths          what a person names to files: folders, globs, lists
remote         URLs to streams
unpack         gzip, bzip2, xz, zstd to bytes, and the truth about how they end
kinds, own     what a file holds; dedup's own files
reader         a stream to pages, through the reader of its kind:
               json_records, csv_records, parquet_records (records), archives (http)
page_file      a file that is one page, to be read later, maybe by another process
find           all of it: `find(paths)` checks, iterating reads
verdicts       the pages' verdicts and what could not be read, in order

This module is a table of contents.
"""

from dedup.inputs.find import Inputs, find
from dedup.inputs.kinds import KINDS, Kind, format_of, is_input
from dedup.inputs.model import MAX_PAGE_BYTES, STDIN, UnreadPage
from dedup.inputs.own import is_own_report
from dedup.inputs.page_file import PageFile
from dedup.inputs.paths import walk
from dedup.inputs.verdicts import check_inputs

__all__ = [
    "KINDS",
    "MAX_PAGE_BYTES",
    "STDIN",
    "Inputs",
    "Kind",
    "PageFile",
    "UnreadPage",
    "check_inputs",
    "find",
    "format_of",
    "is_input",
    "is_own_report",
    "walk",
]
