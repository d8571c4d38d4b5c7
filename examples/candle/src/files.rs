//! Files that are whole or not there, and what identifies them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use crate::{Context, Result};

/// The path with something behind its name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Writes a file under a temporary name beside `path`, and renames it when it is on the disk.
///
/// Whatever happens on the way, a full disk or the end of the process, the file that was there before
/// stays as it was.
///
/// # Errors
///
/// Those of `write` and of the file system, which name the file.
pub fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let temporary = with_suffix(path, ".tmp");
    let written = write(&temporary)
        .and_then(|()| File::options().write(true).open(&temporary)?.sync_all().map_err(Into::into))
        .and_then(|()| fs::rename(&temporary, path).map_err(Into::into));
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // it may not even be there
    }
    written.at(format_args!("cannot write {}", path.display()))?;
    // The new name is on the disk once its folder is; not every system can do that.
    let _ =
        path.parent().and_then(|folder| File::open(folder).ok()).map(|folder| folder.sync_all());
    Ok(())
}

/// [`replace`] with text.
///
/// # Errors
///
/// Those of `replace`.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |path| Ok(fs::write(path, text)?))
}

/// [`replace`] with tensors as safetensors, and a text beside them; without one, what other programs
/// want of the weights of a model: that they are in PyTorch's layout.
///
/// # Errors
///
/// Those of `replace`.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>, note: &str) -> Result<()> {
    // One entry, since the order of several changes from run to run.
    let (key, text) = if note.is_empty() { ("format", "pt") } else { (NOTE, note) };
    let note = Some([(key.to_owned(), text.to_owned())].into());
    replace(path, |path| {
        // What safetensors writes can be read by its owner alone; it shall be a file like any other.
        let permissions = File::create(path)?.metadata()?.permissions();
        safetensors::serialize_to_file(tensors, note, path)?;
        Ok(fs::set_permissions(path, permissions)?)
    })
}

/// The name of the text in a file of [`write_tensors`].
const NOTE: &str = "lipo";

/// What [`write_tensors`] wrote: tensors in main memory, and the text.
///
/// # Errors
///
/// A file that cannot be read or is no safetensors, by its name.
pub fn read_tensors(path: &Path) -> Result<(BTreeMap<String, Tensor>, String)> {
    let place = || path.display().to_string();
    let bytes = fs::read(path).at(place())?;
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).at(place())?;
    let note = header.metadata().as_ref().and_then(|texts| texts.get(NOTE));
    let note = note.cloned().unwrap_or_default();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu);
    Ok((tensors.at(place())?.into_iter().collect(), note))
}

/// A number that another content is unlikely to have (64-bit FNV-1a); it guards against mistakes, not
/// against malice.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds what a file holds.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, by its name.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let mut file = File::open(path).at(path.display())?;
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block).at(path.display())? {
                0 => return Ok(()),
                read => self.add(&block[..read]),
            }
        }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
