//! Simulated fleet managers.
