//! W3C Trace Context: one post can be followed from the webhook to the frame.

use std::fmt;

use uuid::Uuid;

/// A `traceparent` of version 00 (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    sampled: bool,
}

impl TraceParent {
    /// A new trace that nobody has asked to record.
    pub fn start() -> Self {
        // The version and variant bits of a v4 UUID make both ids non-zero, as the specification wants.
        Self { trace_id: Uuid::new_v4().as_u128(), parent_id: Uuid::new_v4().as_u64_pair().0, sampled: false }
    }

    /// Reads a header value. `None` where it is not valid: the specification says to start a new trace then.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, len: usize| {
            part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if !(hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2)) {
            return None;
        }
        // A later version may carry more fields; version 00 may not, and ff is forbidden.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let parent_id = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace_id, parent_id, sampled })
    }

    /// The same trace with a span of ours as the parent of what follows.
    pub fn child(self) -> Self {
        Self { parent_id: Uuid::new_v4().as_u64_pair().0, ..self }
    }

    /// Whether the caller asked for this trace to be recorded.
    pub fn is_sampled(self) -> bool {
        self.sampled
    }

    /// The trace's id in 32 hexadecimal digits, as logs show it.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let trace = TraceParent::parse(SAMPLE).expect("valid");
        assert_eq!(trace.to_string(), SAMPLE);
        assert!(trace.is_sampled());
        assert_eq!(trace.child().trace_id(), trace.trace_id());
        assert_ne!(trace.child(), trace);
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_started_trace_reads_back() {
        let trace = TraceParent::start();
        assert_eq!(TraceParent::parse(&trace.to_string()), Some(trace));
        assert!(!trace.is_sampled());
    }
}
