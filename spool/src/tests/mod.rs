//! The log under faults: what a crash may take and what it may not.
