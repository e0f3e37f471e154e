//! Writes the seeds of every target, each to a file of its own, below the
//! folder it is given: `FOLDER/TARGET/NUMBER`. Prints the targets' names.

use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "seeds".into());
    for target in fuzz::TARGETS {
        let folder = Path::new(&folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(number.to_string()), seed)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
