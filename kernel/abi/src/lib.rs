//! What Linux's user ABI says: system-call numbers, errno, flags and struct layouts. No state.
