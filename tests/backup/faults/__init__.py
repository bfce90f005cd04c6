"""Faults, injected one by one into real backups: `make backup-faults` prints the table, CI runs the same list.

bench   a source, a destination with a good set on it, and what must hold after every fault
places  file systems that fill up, vanish, hang
table      every fault: what is done, which outcome and class must come of it
clock_table  those of time
ssh_table  those of the way over SSH, and of the queue
kills           kill -9 at random points of a backup, and by way of the queue
copy_kills      in the midst of a copy: of who makes it, of who takes it
typesense_kills of a Typesense's backup
campaigns       those, as rows of the table
"""
