//! `egret convert`: the same configuration in the native format.

use std::process::ExitCode;

use super::ConfigArgs;
use crate::load;

pub(super) fn convert(args: &ConfigArgs) -> ExitCode {
    match load::convert(&args.source()) {
        Ok(converted) => {
            for remark in &converted.remarks {
                eprintln!("{remark}");
            }
            print!("{}", converted.text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("{error}");
            ExitCode::FAILURE
        }
    }
}
