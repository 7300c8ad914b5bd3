//! From the fetched archive to the library: check, unpack one file, check again.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::error::StartError;

/// A file and the only content we accept for it.
pub(crate) struct Pinned {
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
}

/// Writes to both the file and the checksum, so that 566 MB are read once.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    fn finish(self, pinned: &Pinned) -> Result<W, StartError> {
        let found: String =
            self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found == pinned.sha256 {
            Ok(self.inner)
        } else {
            Err(StartError::Checksum { file: pinned.file, wanted: pinned.sha256, found })
        }
    }
}

/// Whether the archive is the pinned one.
pub(crate) fn check(archive: &Path, pinned: &Pinned) -> Result<(), StartError> {
    let mut file = File::open(archive).map_err(StartError::files("open", archive))?;
    let mut sink = Hashing::new(io::sink());
    io::copy(&mut file, &mut sink).map_err(StartError::files("read", archive))?;
    sink.finish(pinned).map(drop)
}

/// Takes `package/<file>` out of the archive, to `target`, on disk when this returns.
pub(crate) fn unpack(archive: &Path, pinned: &Pinned, target: &Path) -> Result<(), StartError> {
    let file = File::open(archive).map_err(StartError::files("open", archive))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let wanted = Path::new("package").join(pinned.file);
    for entry in tar.entries().map_err(StartError::files("read", archive))? {
        let mut entry = entry.map_err(StartError::files("read", archive))?;
        if entry.path().is_ok_and(|path| path == wanted) {
            return write_checked(&mut entry, pinned, target);
        }
    }
    let missing = io::Error::new(io::ErrorKind::NotFound, format!("no {} in it", wanted.display()));
    Err(StartError::files("unpack", archive)(missing))
}

fn write_checked(source: &mut impl Read, pinned: &Pinned, target: &Path) -> Result<(), StartError> {
    let file = File::create(target).map_err(StartError::files("create", target))?;
    let mut writer = Hashing::new(file);
    io::copy(source, &mut writer).map_err(StartError::files("write", target))?;
    let file = writer.finish(pinned)?;
    file.sync_all().map_err(StartError::files("sync", target))
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const HELLO: Pinned = Pinned {
        file: "hello",
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    fn archive(dir: &Path, name: &str, content: &[u8]) -> std::path::PathBuf {
        let path = dir.join("archive.tgz");
        let gz = GzEncoder::new(File::create(&path).expect("create"), Compression::fast());
        let mut tar = tar::Builder::new(gz);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append_data(&mut header, name, content).expect("append");
        tar.into_inner().expect("tar").finish().expect("gz");
        path
    }

    #[test]
    fn the_pinned_file_is_taken_out_whole() {
        let dir = tempfile::tempdir().expect("folder");
        let target = dir.path().join("out");
        unpack(&archive(dir.path(), "package/hello", b"hello"), &HELLO, &target).expect("unpack");
        assert_eq!(std::fs::read(target).expect("read"), b"hello");
    }

    #[test]
    fn another_content_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let archive = archive(dir.path(), "package/hello", b"hellO");
        let error = unpack(&archive, &HELLO, &dir.path().join("out")).expect_err("wrong content");
        assert!(matches!(error, StartError::Checksum { file: "hello", .. }), "{error}");
        let error = check(&archive, &HELLO).expect_err("wrong archive");
        assert!(matches!(error, StartError::Checksum { .. }), "{error}");
    }

    #[test]
    fn an_archive_without_the_file_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let archive = archive(dir.path(), "package/other", b"hello");
        let error = unpack(&archive, &HELLO, &dir.path().join("out")).expect_err("not there");
        assert!(matches!(error, StartError::Files { doing: "unpack", .. }), "{error}");
    }
}
