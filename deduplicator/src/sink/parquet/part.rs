//! One file in the making: rows, row groups sorted by (market, seq), bytes that are hashed as they go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

use super::columns::ArchiveRow;
use super::place::Begun;

const PAGE_BYTES: usize = 1 << 20;
/// Level 9 gained nothing.
const ZSTD_LEVEL: i32 = 3;

/// A file being written.
pub(super) struct Part<R> {
    begun: Begun,
    writer: ArrowWriter<Hashing>,
    schema: Arc<Schema>,
    waiting: Vec<R>,
    rows: u64,
    min_ts_ms: i64,
    max_ts_ms: i64,
}

/// A file that is complete and durable, under its temporary name.
pub(super) struct Finished {
    pub(super) dataset: &'static str,
    /// Below the archive's root.
    pub(super) path: String,
    pub(super) written_to: PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) min_ts_ms: i64,
    pub(super) max_ts_ms: i64,
}

impl<R: ArchiveRow> Part<R> {
    pub(super) fn begin(begun: Begun) -> anyhow::Result<Self> {
        let file = File::create(&begun.write_to)
            .with_context(|| format!("cannot create {}", begun.write_to.display()))?;
        let schema = Arc::new(Schema::new(R::fields()));
        let out = Hashing { file: BufWriter::new(file), sha256: Sha256::new(), bytes: 0 };
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties::<R>()?))
            .context("cannot begin a Parquet file")?;
        Ok(Self {
            begun,
            writer,
            schema,
            waiting: Vec::new(),
            rows: 0,
            min_ts_ms: i64::MAX,
            max_ts_ms: i64::MIN,
        })
    }

    pub(super) fn push(&mut self, row: R) -> anyhow::Result<()> {
        self.min_ts_ms = self.min_ts_ms.min(row.ts_ms());
        self.max_ts_ms = self.max_ts_ms.max(row.ts_ms());
        self.rows += 1;
        self.waiting.push(row);
        if self.waiting.len() >= R::GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    fn end_group(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.waiting.sort_by(R::order);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), R::columns(&self.waiting)?)?;
        self.waiting.clear();
        self.writer
            .write(&batch)
            .and_then(|()| self.writer.flush())
            .with_context(|| format!("cannot write {}", self.begun.write_to.display()))
    }

    pub(super) fn finish(mut self) -> anyhow::Result<Finished> {
        self.end_group()?;
        let path = self.begun.write_to;
        let failed = || format!("cannot complete {}", path.display());
        let out = self.writer.into_inner().with_context(failed)?;
        let file = out.file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).with_context(failed)?;
        Ok(Finished {
            dataset: R::DATASET,
            path: self.begun.path,
            rows: self.rows,
            bytes: out.bytes,
            sha256: hex(&out.sha256.finalize()),
            min_ts_ms: self.min_ts_ms,
            max_ts_ms: self.max_ts_ms,
            written_to: path,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn properties<R: ArchiveRow>() -> anyhow::Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        // Our own text: the library's version in it would change the bytes.
        .set_created_by("kalshi-deduplicator".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
        .set_max_row_group_row_count(Some(R::GROUP_ROWS));
    for column in R::RISING {
        let path = ColumnPath::from(*column);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(builder.build())
}

/// Hashes and counts what goes to the file.
struct Hashing {
    file: BufWriter<File>,
    sha256: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
