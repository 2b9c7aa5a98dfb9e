"""What the console knows of the fleet: backends, policies, revisions, and orders to rollouts.

| module   | what it does                                                        |
|----------|---------------------------------------------------------------------|
| seen     | what is seen of it, and who shows it                                |
| reading  | PURE: from objects of the API server to that                        |
| cluster  | the API server, asked every few seconds                             |
| opening  | which of them, by the settings                                      |
| files    | local mode, which writes what it runs into a folder                 |
"""
