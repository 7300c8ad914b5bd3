//! A cursor: a few bytes that are replaced as a whole and survive a crash.
//!
//! ```text
//! magic "SPOOLCUR" | version u16 | zero u16 | length u32 | crc32c of all but the magic u32 | bytes
//! ```
//! All little-endian. Stored beside, synced, renamed, and the folder synced: after a crash either
//! the old bytes or the new ones are there. Damage is an error and never read as "nothing stored".

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    CursorError,
    error::{Damage, IoFailure},
    files::{Disk, Files, read_up_to},
    segment::u32_at,
    shared::locked,
};

const MAGIC: &[u8; 8] = b"SPOOLCUR";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 20;

/// A crash-safe file for a cursor, an intent or a checkpoint.
pub struct CursorFile {
    files: Arc<dyn Files>,
    path: PathBuf,
    /// One store at a time: they share the file beside.
    storing: Mutex<()>,
}

impl CursorFile {
    /// Names the file; it need not exist, its folder is created if need be.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CursorError> {
        Self::open_on(Arc::new(Disk), path.into())
    }

    pub(crate) fn open_on(files: Arc<dyn Files>, path: PathBuf) -> Result<Self, CursorError> {
        let dir = dir_of(&path);
        files.create_dir_all(dir).map_err(|source| IoFailure::new("create", dir, source))?;
        Ok(Self { files, path, storing: Mutex::new(()) })
    }

    /// What was stored last; `None` if nothing ever was.
    pub fn load(&self) -> Result<Option<Vec<u8>>, CursorError> {
        let failed = |source| IoFailure::new("read", &self.path, source);
        let file = match self.files.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error).into()),
        };
        let bytes = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        let mut stored = vec![0; bytes];
        let filled = read_up_to(&*file, &mut stored, 0).map_err(failed)?;
        stored.truncate(filled);
        self.decode(stored).map(Some)
    }

    /// Replaces what was stored; durable when this returns.
    pub fn store(&self, bytes: &[u8]) -> Result<(), CursorError> {
        let _one = locked(&self.storing);
        let beside = self.beside();
        let failed = |source| IoFailure::new("store", &self.path, source);
        match self.files.remove(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(error).into());
            }
            _ => {}
        }
        let file = self.files.create_new(&beside).map_err(failed)?;
        file.write_all_at(&header(bytes), 0).map_err(failed)?;
        file.write_all_at(bytes, HEADER_BYTES as u64).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        self.files.rename(&beside, &self.path).map_err(failed)?;
        self.files.sync_dir(dir_of(&self.path)).map_err(failed)?;
        Ok(())
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".tmp");
        name.into()
    }

    fn decode(&self, mut stored: Vec<u8>) -> Result<Vec<u8>, CursorError> {
        let damaged = |why| Damage { file: self.path.clone(), offset: 0, why };
        if stored.len() < HEADER_BYTES || !stored.starts_with(MAGIC) {
            return Err(damaged("not a cursor file").into());
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&stored[8..16]), &stored[HEADER_BYTES..]);
        if crc != u32_at(&stored, 16) {
            return Err(damaged("its checksum does not match").into());
        }
        match u16::from_le_bytes([stored[8], stored[9]]) {
            VERSION => {}
            found => return Err(CursorError::TooNew { path: self.path.clone(), found }),
        }
        if u32_at(&stored, 12) as usize != stored.len() - HEADER_BYTES {
            return Err(damaged("its length does not match").into());
        }
        Ok(stored.split_off(HEADER_BYTES))
    }
}

fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Apart from `bytes`, so that a checkpoint is not copied to be written.
fn header(bytes: &[u8]) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(bytes.len()).expect("a cursor is a few bytes, at most 4 GiB");
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[8..16]), bytes);
    out[16..].copy_from_slice(&crc.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_bytes_never_change() {
        let mut expected = b"SPOOLCUR\x01\0\0\0\x03\0\0\0".to_vec();
        let crc = crc32c::crc32c(b"\x01\0\0\0\x03\0\0\x003:4");
        expected.extend_from_slice(&crc.to_le_bytes());
        expected.extend_from_slice(b"3:4");
        assert_eq!([&header(b"3:4")[..], b"3:4"].concat(), expected);
        assert_eq!(crc, 0xf30b_4df7);
    }

    #[test]
    fn what_was_stored_last_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let cursor = CursorFile::open(dir.path().join("deep/er/cursor")).unwrap();
        assert_eq!(cursor.load().unwrap(), None);
        for bytes in [&b"first"[..], b"", b"the last one"] {
            cursor.store(bytes).unwrap();
            assert_eq!(cursor.load().unwrap().as_deref(), Some(bytes));
        }
        let again = CursorFile::open(dir.path().join("deep/er/cursor")).unwrap();
        assert_eq!(again.load().unwrap().as_deref(), Some(&b"the last one"[..]));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_reported_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let cursor = CursorFile::open(&path).unwrap();
        let good = [&header(b"some bytes")[..], b"some bytes"].concat();
        let mut broken: Vec<Vec<u8>> = (0..good.len()).map(|cut| good[..cut].to_vec()).collect();
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            broken.push(flipped);
        }
        for bytes in broken {
            std::fs::write(&path, &bytes).unwrap();
            let error = cursor.load().expect_err("damage");
            assert!(matches!(error, CursorError::Damaged(_)), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
