//! What the tests share: real processes, seen from outside.
