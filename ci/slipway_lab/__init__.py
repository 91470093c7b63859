"""The lab: a bare Debian machine becomes a whole delivery environment with real parts (R32).

Everything runs inside one set of Linux namespaces (processes, mounts, network) whose first process is the
lab's own: ending that process ends every part, unmounts everything and removes every rule it made. What
took long to prepare is kept in one cache folder, keyed by its pins.
"""
