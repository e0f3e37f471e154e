//! Where the bytes of a sink go: a standard stream, or a file that is opened
//! again on request and rotated by size.
//!
//! Only the writer's thread uses it. Errors are the writer's to retry: nothing
//! here waits, counts or gives up.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use conf::snapshot::{Rotate, Sink};
use rustix::io::ioctl_fionbio;

use super::progress::{Progress, whole_lines};

/// Owner writes, group reads: lines name callers and what they asked for.
const MODE: u32 = 0o640;

/// An open sink.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// A descriptor that is never opened again.
    Stream(File),
    /// A file by its name.
    File(LogFile),
}

impl Outlet {
    /// Opens the sink.
    pub(crate) fn open(sink: &Sink) -> io::Result<Self> {
        match sink {
            Sink::Stdout => duplicate(&io::stdout()).map(Self::Stream),
            Sink::Stderr => duplicate(&io::stderr()).map(Self::Stream),
            Sink::File { path, rotate } => LogFile::open(path, *rotate).map(Self::File),
        }
    }

    /// Writes some of what is left; gives how many bytes.
    pub(crate) fn write(&mut self, progress: &Progress<'_>) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(progress.rest()),
            Self::File(file) => file.write(progress),
        }
    }

    /// Opens a file again, which was perhaps renamed. When that fails the old
    /// one goes on: better a line in the wrong file than none.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(file) => file.reopen(),
        }
    }
}

/// Past the buffer of `std`, which would cut lines and hold its own lock.
fn duplicate(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// A log file under its name.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotate: Option<Rotate>,
    file: File,
    size: u64,
}

impl LogFile {
    fn open(path: &Path, rotate: Option<Rotate>) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            rotate,
            file,
            size,
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(&self.path, self.rotate)?;
        Ok(())
    }

    fn write(&mut self, progress: &Progress<'_>) -> io::Result<usize> {
        let part = match self.rotate {
            Some(rotate) => self.fitting(progress, rotate),
            None => progress.rest(),
        };
        let written = self.file.write(part)?;
        self.size += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    /// The lines that fit into this file; a new file is begun for the first
    /// that does not, and a line larger than a file gets one of its own.
    fn fitting<'p>(&mut self, progress: &Progress<'p>, rotate: Rotate) -> &'p [u8] {
        let rest = progress.rest();
        if let Some(lines) = lines_within(rest, rotate.size.saturating_sub(self.size)) {
            return lines;
        }
        if !progress.is_at_line_start() {
            return first_line(rest);
        }
        if self.size > 0 {
            self.begin_new_file(rotate.keep);
        }
        lines_within(rest, rotate.size).unwrap_or_else(|| first_line(rest))
    }

    /// When rotation fails the old file goes on, and it is tried again when
    /// that has grown by its size once more.
    fn begin_new_file(&mut self, keep: u32) {
        if let Err(error) = self.shift(keep).and_then(|()| self.reopen()) {
            tracing::warn!(file = %self.path.display(), %error, "cannot rotate the log file");
            self.size = 0;
        }
    }

    /// `path` becomes `path.1`, `path.1` becomes `path.2`, and so on; the
    /// oldest is replaced.
    fn shift(&self, keep: u32) -> io::Result<()> {
        for number in (1..keep).rev() {
            where_present(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        where_present(match keep {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, self.numbered(1)),
        })
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Does not wait for somebody to read a FIFO (fifo(7)), as opening does otherwise;
/// once it is open, its writer may wait.
fn append(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => io::Error::new(error.kind(), "it is a FIFO that nobody reads"),
        _ => error,
    })?;
    ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// A file that is not there needs no moving.
fn where_present(moved: io::Result<()>) -> io::Result<()> {
    moved.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// The whole lines within the first `room` bytes, if there are any.
fn lines_within(text: &[u8], room: u64) -> Option<&[u8]> {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
    let within = text.get(..room)?;
    let lines = within.get(..whole_lines(within))?;
    (!lines.is_empty()).then_some(lines)
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap_or(text)
}

#[cfg(test)]
#[path = "outlet_tests.rs"]
mod tests;
