"""Typesense: its snapshot made, judged by its files, archived, compared with what the server held, and cleaned away.

| file      | duty                                                                                          |
|-----------|-----------------------------------------------------------------------------------------------|
| settings  | what we are told, by variables                                                                 |
| api       | one server over HTTP: every answer classified                                                  |
| verdict   | pure: whether the files that lie there are a whole snapshot; the server's word counts nothing  |
| place     | where a server puts snapshots, on this machine; `pod`: in a pod, through kubectl               |
| archive   | a snapshot's files as one file, hashed one by one, and back                                    |
| content   | what a server holds: counts and digests, read through its API                                  |
| lease     | one snapshot call in flight at a server, whoever asks                                          |
| snapshot  | one call and what it left; primary root, then the fallback                                     |
| restore   | a throwaway server from an archive                                                             |
| backup    | the step `take`, and `clean` once the copy is verified                                         |
"""
