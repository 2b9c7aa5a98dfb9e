"""PURE: what runs of a suite and ordinary traffic say of a backend, and what of it is kept.

| module      | what it does                                                             |
|-------------|--------------------------------------------------------------------------|
| wish        | what a ModelBackend asks for                                             |
| record      | all that is kept of a backend, as it is stored                           |
| gathering   | scores of the first runs, until they are a baseline                      |
| folding     | takes one run, or a word of a person: the next record and the news of it |
| identifying | what the backend calls itself                                            |
| traffic     | windows of the ledger, each once                                         |
| telling     | condition, status, Events and metrics, from a record                     |
"""
