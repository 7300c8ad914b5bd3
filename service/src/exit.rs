//! Exit codes as a contract: 0 stopped as asked, 1 failed, 64 told wrong things.

use std::io::Write as _;
use std::process::ExitCode;

/// The code for wrong flags, environment or files named by them (`EX_USAGE`).
pub const TOLD_WRONG: u8 = 64;

/// Prints why the program failed, the whole chain once, and gives the code.
pub fn code(result: &anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints every mistake on a line of its own and gives 64.
pub fn told_wrong(problems: &[String]) -> ExitCode {
    for problem in problems {
        say(&format!("error: {problem}"));
    }
    ExitCode::from(TOLD_WRONG)
}

/// A closed stderr must not turn one failure into another.
fn say(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
}
