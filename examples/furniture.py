"""The pages of a site without its furniture: blocks that stand on more than a few pages of it.

The first pass learns where each block stands; the second takes away what stands everywhere, also
from the page on which it stood first. Articles that were printed twice stay.

    python furniture.py 5 site/*.html
"""

import sys
from pathlib import Path

import dedup


def is_furniture(block: dedup.Block, most: int) -> bool:
    """Whether a block stands on more pages than that."""
    return block.repeat is not None and block.repeat.original.pages > most


if __name__ == "__main__":
    most, paths = int(sys.argv[1]), sys.argv[2:]
    with dedup.Deduper() as deduper:
        for _ in deduper.check_many((Path(path).read_bytes(), path) for path in paths):
            pass
        for path in paths:
            try:
                # Asked without its page's id, an original is a repeat of itself.
                report = deduper.lookup(Path(path).read_bytes())
            except dedup.PageError as error:
                print(f"{path}: left as it is ({error})", file=sys.stderr)
                continue
            kept = [block.text for block in report.blocks if not is_furniture(block, most)]
            Path(path).with_suffix(".txt").write_text("\n\n".join(kept), encoding="utf-8")
            print(f"{path}: {len(kept)} of {len(report.blocks)} blocks kept")
