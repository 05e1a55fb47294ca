"""Takes runs of MLflow, studies, revisions of git or DVC; leaves a page that compares them.

Run it as `python pipeline/compare.py RUN RUN`, or without names for the last runs.
"""

import os

from ncsn.base.addresses import TRACKING
from ncsn.base.entry import entry
from ncsn.config.params import load_params
from ncsn.report.compare.collect import named_records, require_several
from ncsn.report.compare.options import LAST, parsed
from ncsn.report.compare.tables import differing_params
from ncsn.report.compare.text import comparison_text
from ncsn.report.compare.write import write_comparison
from ncsn.tracking.comparing import comparison_store


def main() -> None:
    """The command."""
    options, params = parsed(), load_params("paths", "track")
    if options.uri:
        os.environ[TRACKING] = options.uri
    store = comparison_store(params.track)
    if options.names:
        found = named_records(options.names, store, params.paths, options.trials)
    else:
        wanted = (options.data, options.study, options.tag, options.since)
        found = store.wanted(*wanted, options.last or LAST)
    require_several(found)
    print(comparison_text(found))
    links = {} if options.no_log else store.links(found, list(differing_params(found).index))
    page = write_comparison(found, options.out, links)
    if not options.no_log:
        links |= store.publish(found, page)
    print("\n".join([f"page: {page}", *(f"{what}: {link}" for what, link in links.items())]))


if __name__ == "__main__":
    entry(main)
