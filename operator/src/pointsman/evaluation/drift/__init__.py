"""
PURE: whether a backend changed: from golden results, from its traffic, from what it calls itself.

stream, verdict: golden probes, with a stated chance of a false alarm over the whole stream.
passive: batches of ordinary traffic, of which the ledger has counts. identity: names and digests.
States are small frozen values with an exact JSON form; none of them needs numpy.
"""
