//! Access decisions: roles and restrictions behind core's Decide port.
