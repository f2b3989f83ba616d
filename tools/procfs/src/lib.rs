//! The texts of /proc: the same types parse and print them.
