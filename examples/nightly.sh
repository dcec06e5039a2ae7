#!/bin/sh
# A nightly job: fails (exit status 1) when something repeats that did not repeat before.
#
#   nightly.sh CRAWL_FOLDER
#
# The first run writes the baseline, which belongs into version control; delete a line of it, or the
# file, to be told again. The report of what is new goes to standard output, for the mail of cron.
set -eu
crawl=$1
baseline=$crawl.known.json
if [ ! -e "$baseline" ]; then
    exec dedup check "$crawl" --baseline "$baseline" --update-baseline --quiet
fi
exec dedup check "$crawl" --baseline "$baseline" --fail-on-empty --quiet
