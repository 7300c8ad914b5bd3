//! Settings from `.env`: a missing file is everyday life, a broken one is told wrong.

use dotenvy::Error;

/// Reads `.env` of this folder or one above into the environment, which goes before it.
///
/// # Errors
/// A line that cannot be read; what it says is not repeated, it may be secret.
pub fn load() -> Result<(), String> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(problem(&error)),
    }
}

fn problem(error: &Error) -> String {
    match error {
        // The text that comes with it is the value, which may be secret; its name is not told.
        Error::LineParse(_, at) => {
            format!(
                ".env: a value cannot be read from its character {at} on (quote what has spaces)"
            )
        }
        Error::Io(error) => format!(".env: cannot be read: {error}"),
        _ => ".env: cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_told_and_not_repeated() {
        let text = b"FINE=1\nADMIN_TOKEN=hunter two three\n";
        let error = dotenvy::from_read_iter(&text[..]).find_map(Result::err).expect("spaces");
        let told = problem(&error);
        assert!(told.contains("quote what has spaces") && !told.contains("hunter"), "{told}");
    }
}
