"""datatrove's MinHash pipeline over a folder of text files, each line a document.

Run by `batch.py` with the Python in which datatrove is installed. The four stages and their
settings are those of its `examples/minhash_deduplication.py`, on this machine instead of Slurm.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers.base import BaseDiskReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.typeshelper import Languages


class LinesReader(BaseDiskReader):  # type: ignore[misc]  # datatrove is in another environment
    """The lines of text files, blank ones left out; datatrove has no reader for plain text."""

    name = "lines"

    def read_file(self, filepath: str) -> Iterator[Any]:
        """The documents of one file."""
        with self.data_folder.open(filepath, "r") as lines:
            for at, line in enumerate(lines):
                if line.strip():
                    yield self.get_document_from_dict({"text": line.rstrip()}, filepath, at)


def main(folder: str, work: Path, jobs: int) -> None:
    """Leave one document a cluster in `work/kept`, the others in `work/removed`."""
    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8
    )
    reader = LinesReader(folder)
    signatures, buckets, remove = (str(work / name) for name in ("signatures", "buckets", "remove"))
    # Files go to tasks, so a task a process is the least that keeps all cores busy.
    stages: list[tuple[int, list[Any]]] = [
        (jobs, [reader, MinhashDedupSignature(signatures, config, language=Languages.english)]),
        (config.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=config)]),
        (1, [MinhashDedupCluster(buckets, remove, config=config)]),
        (
            jobs,
            [
                reader,
                MinhashDedupFilter(
                    remove,
                    exclusion_writer=JsonlWriter(str(work / "removed"), compression=None),
                ),
                JsonlWriter(str(work / "kept"), compression=None),
            ],
        ),
    ]
    for at, (tasks, pipeline) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=min(tasks, jobs), logging_dir=str(work / f"log{at}")
        ).run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
