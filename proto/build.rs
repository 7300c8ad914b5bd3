//! Compiles the contract in Rust: no protoc on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/capture.proto");
    let files = protox::compile(["proto/capture.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".capture.v1.Batch.records")
        .emit_rerun_if_changed(false)
        .compile_fds(files)?;
    Ok(())
}
