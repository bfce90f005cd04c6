"""Backups that are proven: taken, copied, read back, restored in a throwaway server, and only then listed.

A run of `system/backup.redis` is `take → copy → verify → publish`, each a journaled step. It leaves an artefact:
`<root>/backups/<target>/<UTC time>-<run>` with the data, `manifest.json` (what left the source) and, written last,
`verified.json` (what was proven). Until then its name ends in `.partial` and nobody counts it. A run's result proves
nothing: lists, health and retention read manifests.

| file                                  | duty                                                                     |
|---------------------------------------|--------------------------------------------------------------------------|
| failure, policy, retention, layout    | pure: what can go wrong, what it means, what is kept, what is called how |
| manifest                              | pure: what is written beside the data                                    |
| rdb                                   | pure: an RDB's frame and CRC-64, as it streams by                        |
| address, replication, source          | the server that is backed up                                             |
| destination, mounts, shelf            | where copies go, and never below a mount point that isn't mounted        |
| files, partial, staging, publishing   | durable writing, hashing, half-done directories, from a dump to a set    |
| restore, leash                        | the throwaway server                                                     |
| artefacts, inspection                 | what is there, and whether it still is what it was                       |
| redis_backup                          | the four steps                                                           |
| functions, telling, incidents         | what runs when, and what it says                                         |
| settings, provider, __main__          | what we are told; what the command reads of us; the process              |
"""
