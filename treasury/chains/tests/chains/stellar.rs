//! Horizon.
