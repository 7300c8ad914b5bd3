//! A `DATA_DIR` belongs to one share of the markets for good: with another, its journal would end for some markets
//! without a word, and begin for others in the middle.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, ensure};
use merge::Share;

use crate::journal::Folders;

/// Written down where several divide the markets.
const FILE: &str = "market-share";

/// Notes whose folder it is, or refuses one of another share.
pub(crate) fn claim(data_dir: &Path, share: Share) -> anyhow::Result<()> {
    let path = data_dir.join(FILE);
    let held = match fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().to_owned()),
        // Whoever keeps everything writes nothing.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Folders::below(data_dir).log.exists().then(|| Share::default().to_string())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    if let Some(held) = held {
        ensure!(
            held == share.to_string(),
            "{} holds the markets of share {held}, and MARKET_SHARE says {share}; see docs/scaling.md",
            data_dir.display()
        );
        return Ok(());
    }
    if share.is_whole() {
        return Ok(());
    }
    write(&path, share).with_context(|| format!("cannot write {}", path.display()))
}

fn write(path: &Path, share: Share) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = File::create(&beside)?;
    writeln!(file, "{share}")?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_share() {
        let dir = tempfile::tempdir().expect("a folder");
        let new = dir.path().join("new");
        let [all, second] = ["1/1", "2/2"].map(|text| text.parse::<Share>().expect("a share"));
        claim(&new, second).expect("it is new");
        claim(&new, second).expect("as before");
        let told = claim(&new, all).expect_err("another").to_string();
        assert!(told.contains("2/2") && told.contains("1/1"), "{told}");

        let old = dir.path().join("old");
        fs::create_dir_all(Folders::below(&old).log).expect("a journal");
        claim(&old, all).expect("as it always was");
        claim(&old, second).expect_err("it holds everything");
    }
}
