"""The library in ten lines: two pages, and what of the second is new."""

import dedup

TEASER = "The old customs house on the north quay opens its doors to the public on Sunday."
NEWS = "Three cranes from a yard in the south arrived last night and were set up before dawn."

with dedup.Deduper() as deduper:
    deduper.check(f"Popular\n\n{TEASER}", page="https://example.org/front")
    report = deduper.check(f"{NEWS}\n\n{TEASER}", page="https://example.org/cranes")
    for block in report.blocks:
        if repeat := block.repeat:
            print(f"{repeat.kind} repeat of {repeat.original.page}: {block.text}")
    print(f"new: {report.unique_text}")
