//! Tasks, ELF, system calls, signals, files and the content of /proc.
