//! Exit codes as a contract: 0 stopped as asked, 1 failed, 64 told wrong things. And the last words of a program:
//! a line for a person, or one of the log's JSON lines where the log was asked for as JSON.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::logs::{self, Format};

/// The code for wrong flags, environment or files named by them (`EX_USAGE`).
pub const TOLD_WRONG: u8 = 64;

/// Prints why a tool failed, the whole chain once, and gives the code.
pub fn code(result: &anyhow::Result<()>) -> ExitCode {
    LastWords::default().code(result)
}

/// Prints every mistake on a line of its own and gives 64.
pub fn told_wrong(problems: &[String]) -> ExitCode {
    LastWords::default().told_wrong(problems)
}

/// How a program says on stderr what ends it. It is said whatever LOG_LEVEL is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastWords(Format);

impl LastWords {
    /// As the log is asked for, read before the settings are checked: they may be what is wrong.
    pub fn asked(args: &[OsString]) -> Self {
        let flag = "--log-format";
        let mut words = args.iter().filter_map(|word| word.to_str());
        let mut asked = None;
        while let Some(word) = words.next() {
            if word == flag {
                asked = words.next().map(str::to_owned);
            } else if let Some(value) = word.strip_prefix(flag).and_then(|it| it.strip_prefix('='))
            {
                asked = Some(value.to_owned());
            }
        }
        let format = asked.or_else(from_environment).unwrap_or_default();
        Self(format.parse().unwrap_or_default())
    }

    /// Says why the program failed, the whole chain once, and gives the code.
    pub fn code(self, result: &anyhow::Result<()>) -> ExitCode {
        let Err(error) = result else { return ExitCode::SUCCESS };
        let error = format!("{error:#}");
        let event = || {
            tracing::error!(
                target: logs::LAST_WORDS,
                component = "program",
                event = "failed",
                error,
                "the program failed"
            );
        };
        // Into the log's file, where there is one; on the console it is said here.
        event();
        self.say(&error, event);
        ExitCode::FAILURE
    }

    /// Says every mistake on a line of its own and gives 64.
    pub fn told_wrong(self, problems: &[String]) -> ExitCode {
        for problem in problems {
            self.say(problem, || {
                tracing::error!(
                    target: logs::LAST_WORDS,
                    component = "program",
                    event = "settings_refused",
                    problem,
                    "a setting is wrong"
                );
            });
        }
        ExitCode::from(TOLD_WRONG)
    }

    /// What clap has to say: help as it is, mistakes as all others.
    pub fn usage(self, told: &clap::Error) -> ExitCode {
        let is_mistake = told.use_stderr();
        if is_mistake && self.0 == Format::Json {
            return self.told_wrong(&[told.to_string().trim_end().to_owned()]);
        }
        // A closed terminal must not turn one failure into another.
        told.print().unwrap_or_default();
        ExitCode::from(if is_mistake { TOLD_WRONG } else { 0 })
    }

    fn say(self, text: &str, event: impl FnOnce()) {
        match self.0 {
            Format::Json => logs::straight(event),
            // A closed stderr must not turn one failure into another.
            Format::Text => {
                writeln!(std::io::stderr().lock(), "error: {text}").unwrap_or_default();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "read before config.rs can, for its mistakes")]
fn from_environment() -> Option<String> {
    std::env::var("LOG_FORMAT").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_known_before_the_settings_are() {
        let asked = |words: &[&str]| {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            LastWords::asked(&args).0
        };
        assert_eq!(asked(&["p", "--log-format", "json", "--nonsense"]), Format::Json);
        assert_eq!(asked(&["p", "--log-format=json"]), Format::Json);
        assert_eq!(asked(&["p", "--log-format=json", "--log-format=text"]), Format::Text);
        assert_eq!(asked(&["p", "--log-format", "xml"]), Format::Text);
        assert_eq!(asked(&["p", "--log-formats=json"]), Format::Text);
        assert_eq!(asked(&["p", "--log-format"]), Format::Text);
    }
}
