//! The machine: CPU, RAM and kernel wired together, its run loop and its control socket.
