//! No gateway: the generator speaks to the origin. What this cannot do, no
//! gateway can be seen to do.

use std::process::Command;

use super::{Gateway, Version};
use crate::site::Site;
use crate::tools::Tools;
use crate::trouble::Trouble;

#[derive(Debug)]
pub(crate) struct Nothing;

impl Gateway for Nothing {
    fn name(&self) -> &'static str {
        "none"
    }

    fn decides(&self) -> bool {
        false
    }

    fn configure(&self, _: &Tools, _: &Site) -> Result<(), Trouble> {
        Ok(())
    }

    fn command(&self, _: &Tools, _: &Site) -> Option<Command> {
        None
    }

    fn version(&self, _: &Tools) -> Version {
        Version::Said("straight to the origin".to_owned())
    }
}
