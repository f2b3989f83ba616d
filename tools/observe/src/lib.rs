//! A process seen through any root shaped like /proc: classified, totalled, rendered.
