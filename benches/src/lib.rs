//! The measurements are in `benches/`; this package has no library code.
