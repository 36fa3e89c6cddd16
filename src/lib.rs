//! The PHP binding.
