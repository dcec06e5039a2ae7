"""A corpus in JSON Lines, deduplicated by paragraphs.

Of each document what stands in an earlier one goes; documents of which little is left go whole.

    python training_corpus.py < corpus.jsonl > clean.jsonl
"""

import json
import sys
from collections import Counter, deque
from collections.abc import Iterator

import dedup

LEAST = 200
"""Characters that a document must still have."""
THRESHOLD = 0.8
"""Higher than usual: what is merely like something else is worth learning from."""


def documents(waiting: deque[dict[str, object]]) -> Iterator[tuple[str, str]]:
    """Pages for the deduper, which reads ahead: their documents wait for the reports."""
    for number, line in enumerate(sys.stdin):
        document = json.loads(line)
        waiting.append(document)
        yield document["text"], document.get("url") or f"document {number}"


def main() -> None:
    """Read, judge, write, and tell what went."""
    counts: Counter[str] = Counter()
    waiting: deque[dict[str, object]] = deque()
    with dedup.Deduper(threshold=THRESHOLD) as deduper:
        for report in deduper.check_many(documents(waiting)):
            document = waiting.popleft()
            counts.update(report.counts)
            text = report.unique_text.strip()
            if len(text) < LEAST:
                counts["documents dropped"] += 1
                continue
            counts["documents kept"] += 1
            print(json.dumps(document | {"text": text}, ensure_ascii=False))
    print(dict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
