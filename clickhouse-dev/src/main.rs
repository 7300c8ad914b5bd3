//! `clickhouse-dev --listen 127.0.0.1:8123 --data DIR`: a ClickHouse until it is told to stop.

use std::process::ExitCode;

fn main() -> ExitCode {
    clickhouse_dev::run_engine_if_asked();
    clickhouse_dev::main_with(std::env::args_os())
}
