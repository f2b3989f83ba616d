//! What the Arm manual says: addresses, granules, descriptor bits, faults, registers, TLB operations. No state.
