"""Backups that are proven: taken, copied, read back, restored in a throwaway server, and only then listed.

A run of `system/backup.<target>` is `take → copy → verify → publish → clean → recheck`, each a journaled step;
copies go to a mounted root or over SSH, whichever is open, and wait in a queue on the local disk where neither is. It
leaves an artefact, `<root>/backups/<target>/<UTC time>-<run>`, with the data, `manifest.json` (what left the source),
`verified.json` (what was proven, written last) and `checked.json` (what later looks found). Until it is proven its name
ends in `.partial` and nobody counts it. A run's result proves nothing: lists, health and retention read these records.

| file                                  | duty                                                                     |
|---------------------------------------|--------------------------------------------------------------------------|
| failure, policy, retention, layout    | pure: what can go wrong, what it means, what is kept, what is called how |
| switch, ssh_options                   | pure: which way a copy goes next; how the NAS is reached                 |
| manifest, parts                       | pure: what is written beside the data                                    |
| rdb                                   | pure: an RDB's frame and CRC-64, as it streams by                        |
| address, cluster, replication, source | the servers that are backed up                                           |
| taking                                | one server's data, its moment and its users, into the staging directory  |
| witness, relay, beside                | what the source held at the dump's moment, got without the dump          |
| folder, local_folder, remote_folder   | a directory, here or over SFTP: all above it is written once             |
| ssh_session, ssh_phases               | one SSH connection; its deadlines, and what its trouble is called        |
| destination, shelf, space             | where copies go, and never below a mount point that isn't mounted        |
| killable, child, threads              | work at a destination, in a child that can be killed; other blocking work |
| files, partial, staging, publishing   | durable writing, hashing, half-done directories, from a dump to a set    |
| throwaway, restore, leash             | the throwaway server                                                     |
| artefacts, inspection, checks         | what is there, whether it still is what it was, what looks found         |
| looking, fetch, drill, reviving       | later looks; a copy brought here; restored and compared                  |
| ledger                                | the proofs that this suite wrote, kept where the destination can't reach |
| pruning, restoring                    | old sets go; a set is put where a person wants it                        |
| steps, redis_backup, typesense/       | what all targets do alike; how Redis and Typesense are taken             |
| carrying, waiting_sets, draining, due | a copy on its way, whichever is open; the queue, who empties it, when    |
| functions, telling, incidents         | what runs when, and what it says                                         |
| settings, __main__                    | what we are told; the process                                            |
| provider, here, ways, models, progress | what the command reads of us                                            |
"""
