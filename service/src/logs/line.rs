//! What a log line looks like: UTC with milliseconds, level, component, event, message, fields; one line, always.
//!
//! Every line has a `component` and an `event`. Our own calls name their event; a line of a library under us is the
//! event `library`, with the crate as its component.

use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use crate::clock::Clock;

/// In these crates the module says which part speaks; elsewhere the crate does.
const PROGRAMS: [&str; 2] = ["gatherer", "deduplicator"];

/// Writes an event as one line of the chosen format.
pub(super) struct Line(pub(super) Format);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let said = Said {
            ts: timestamp(Clock::start().wall_ns()),
            level: event.metadata().level().as_str(),
            component: fields.take_text("component").unwrap_or_else(|| component(event).to_owned()),
            event: fields.take_text("event").unwrap_or_else(|| "library".to_owned()),
            message: fields.take_text("message").unwrap_or_default(),
            fields: fields.0,
        };
        match self.0 {
            Format::Json => writeln!(writer, "{}", said.json()),
            Format::Text => writeln!(writer, "{}", said.text()),
        }
    }
}

/// The part that speaks, where it does not say so itself.
fn component<'a>(event: &Event<'a>) -> &'a str {
    let mut path = event.metadata().target().split("::");
    let name = path.next().unwrap_or_default();
    match path.next() {
        Some(module) if PROGRAMS.contains(&name) => module,
        _ => name,
    }
}

/// `2026-11-21T08:00:00.123Z`.
fn timestamp(wall_ns: i64) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(wall_ns)).unwrap_or_default();
    format!("{at:.3}")
}

struct Said {
    ts: String,
    level: &'static str,
    component: String,
    event: String,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    fn json(&self) -> String {
        let head = [
            ("ts", &*self.ts),
            ("level", self.level),
            ("component", &self.component),
            ("event", &self.event),
            ("message", &self.message),
        ];
        let mut out = String::from("{");
        for (name, value) in head {
            let value = Value::from(value);
            write!(out, "\"{name}\":{value},").expect("text can always be written to");
        }
        for (name, value) in &self.fields {
            let name = Value::from(*name);
            write!(out, "{name}:{value},").expect("text can always be written to");
        }
        out.pop();
        out.push('}');
        out
    }

    fn text(&self) -> String {
        let Self { ts, level, component, event, message, .. } = self;
        let mut out = format!("{ts} {level:<5} {component} {event}");
        for (name, value) in &self.fields {
            write!(out, " {name}={}", bare(value)).expect("text can always be written to");
        }
        if !message.is_empty() {
            write!(out, "  {}", message.escape_debug()).expect("text can always be written to");
        }
        out
    }
}

/// A value as a word where it is one, else quoted, so that a line stays one line and can be split.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_word = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
            if !text.is_empty() && text.chars().all(is_word) {
                text.clone()
            } else {
                value.to_string()
            }
        }
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn take_text(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(field, _)| *field == name)?;
        match self.0.remove(at).1 {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn push(&mut self, field: &Field, value: Value) {
        // `log` records bridged into tracing bring fields about themselves.
        if !field.name().starts_with("log.") {
            self.0.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::from(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, Value::from(u64::try_from(value).unwrap_or(u64::MAX)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, what: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Line(format))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), what);
        String::from_utf8(sink.0.lock().expect("not poisoned").clone()).expect("text")
    }

    fn speak() {
        tracing::warn!(
            target: "gatherer::socket",
            event = "ws_error",
            attempt = 3_u128,
            reason = "no \"answer\"\nat all",
            kind = "timeout",
            "cannot connect"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_numbers_as_numbers() {
        let line = logged(Format::Json, speak);
        assert_eq!(line.lines().count(), 1, "{line}");
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["level"], "WARN");
        assert_eq!((&value["component"], &value["event"]), (&"socket".into(), &"ws_error".into()));
        assert_eq!((&value["attempt"], &value["kind"]), (&3.into(), &"timeout".into()));
        assert_eq!(value["reason"], "no \"answer\"\nat all");
        let ts = value["ts"].as_str().expect("text");
        assert!(ts.len() == 24 && ts.ends_with('Z') && ts.as_bytes()[19] == b'.', "{ts}");
    }

    #[test]
    fn a_text_line_stays_one_line_whatever_a_field_holds() {
        let line = logged(Format::Text, speak);
        assert_eq!(line.lines().count(), 1, "{line}");
        let rest = line.split_once("Z ").expect("a time").1;
        assert_eq!(
            rest,
            "WARN  socket ws_error attempt=3 reason=\"no \\\"answer\\\"\\nat all\" kind=timeout  \
             cannot connect\n"
        );
    }

    #[test]
    fn a_library_that_knows_nothing_of_us_has_a_component_and_an_event_too() {
        let line = logged(Format::Text, || tracing::info!(target: "h2::client", "ping\nsent"));
        assert!(line.contains("INFO  h2 library  ping\\nsent"), "{line}");
        let named = logged(Format::Text, || {
            tracing::info!(target: "gatherer::telemetry", component = "spool", event = "opened");
        });
        assert!(named.contains("INFO  spool opened\n"), "{named}");
    }

    #[test]
    fn time_is_utc_with_milliseconds() {
        assert_eq!(timestamp(1_795_248_000_123_456_789), "2026-11-21T08:00:00.123Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}
