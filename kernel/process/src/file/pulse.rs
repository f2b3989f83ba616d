//! What an edge-triggered watcher needs beside a state: that something happened again.
//!
//! Key type: [`Pulse`]. Linux wakes a queue for each arrival; here the arrival is counted and the watcher compares.

use std::cell::Cell;

use abi::flags::PollEvents;

/// Counts arrivals and departures of one object.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    input: Cell<u64>,
    output: Cell<u64>,
}

impl Pulse {
    /// Something can be read that could not before.
    pub(crate) fn arrived(&self) {
        self.input.set(self.input.get().wrapping_add(1));
    }

    /// There is room that was not there before.
    pub(crate) fn made_room(&self) {
        self.output.set(self.output.get().wrapping_add(1));
    }

    /// An end has gone: news for everybody.
    pub(crate) fn changed(&self) {
        self.arrived();
        self.made_room();
    }

    /// A number that changes when one of these events may have come anew.
    pub(crate) fn count(&self, events: PollEvents) -> u64 {
        let output = PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        let mut count = 0u64;
        if events.intersects(output) {
            count = count.wrapping_add(self.output.get());
        }
        if events.intersects(output.complement()) || events.is_empty() {
            count = count.wrapping_add(self.input.get());
        }
        count
    }
}
