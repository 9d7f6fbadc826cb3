//! Flash that outlives the emulator: memory of the board, kept in a file of the host.

use core::ffi::CStr;
use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use semihosting::experimental::env;
use semihosting::fs::{File, OpenOptions};
use semihosting::io::{Read, Seek, SeekFrom, Write};
use semihosting::process;

use crate::panic;
use edge_runtime::slots::MappedFlash;

/// The exit status of the emulator where power failed.
pub const POWER_FAILED: i32 = 3;

const WORD: usize = 4;
const PAGE: usize = 4096;

/// Writes, and pages erased, until power fails; at `u32::MAX` it never does.
static POWER: AtomicU32 = AtomicU32::new(u32::MAX);

/// A part of the flash, of words of 4 and pages of 4096 bytes, whose bits a write can only
/// clear.
#[derive(Debug)]
pub struct FileFlash {
    memory: &'static mut [u8],
    file: File,
    /// Where in the file it begins.
    start: usize,
}

impl FileFlash {
    /// Reads a part of the file that the emulator names into memory at `start`. What the
    /// file lacks is blank.
    ///
    /// # Safety
    /// There is memory of the board for it, which nothing else uses.
    ///
    /// Ends the emulator where it names no file that can be read and written.
    pub unsafe fn open(start: usize, part: Range<usize>) -> Self {
        // SAFETY: the caller promises memory that is ours.
        let memory = unsafe { slice::from_raw_parts_mut(start as *mut u8, part.len()) };
        memory.fill(0xff);
        let file = match open(part.start, memory) {
            Ok(file) => file,
            Err(why) => panic::end(why),
        };
        Self {
            memory,
            file,
            start: part.start,
        }
    }

    fn keep(&mut self, changed: Range<usize>) {
        let from = (self.start + changed.start) as u64;
        let bytes = self.memory.get(changed).unwrap_or_default();
        let place = self.file.seek(SeekFrom::Start(from));
        if place.and_then(|_| self.file.write_all(bytes)).is_err() {
            panic::end("expected to write the file that keeps the flash");
        }
    }
}

/// Opens the file that the emulator names, and reads the flash from a place in it.
fn open(start: usize, memory: &mut [u8]) -> Result<File, &'static str> {
    const NO_FILE: &str = "expected a second argument of the emulator: the file that keeps the flash, which can be read and written";
    let arguments = env::args::<256>().map_err(|_| NO_FILE)?;
    let mut arguments = &arguments;
    let _program = arguments.next();
    let path = arguments.next().and_then(Result::ok).ok_or(NO_FILE)?;
    if let Some(Ok(power)) = arguments.next() {
        const NO_NUMBER: &str = "expected a number of operations as third argument";
        let power = power.parse().map_err(|_| NO_NUMBER)?;
        POWER.store(power, Ordering::Relaxed);
    }
    let mut name = [0; 257];
    let place = name.get_mut(..path.len()).ok_or(NO_FILE)?;
    place.copy_from_slice(path.as_bytes());
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| NO_FILE)?;
    let file = OpenOptions::new().read(true).write(true).open(name);
    let mut file = file.map_err(|_| NO_FILE)?;
    let length = file.metadata().map_err(|_| NO_FILE)?.len() as usize;
    let there = length.saturating_sub(start).min(memory.len());
    let place = file.seek(SeekFrom::Start(start as u64));
    let memory = memory.get_mut(..there).unwrap_or_default();
    place
        .and_then(|_| file.read_exact(memory))
        .map_err(|_| NO_FILE)?;
    Ok(file)
}

/// Whether there is power for another operation.
fn spend() -> bool {
    match POWER.load(Ordering::Relaxed) {
        0 => false,
        u32::MAX => true,
        left => {
            POWER.store(left - 1, Ordering::Relaxed);
            true
        }
    }
}

impl MappedFlash for FileFlash {
    fn bytes(&self) -> &[u8] {
        self.memory
    }
}

impl ErrorType for FileFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let place = self.memory.get(offset as usize..).unwrap_or_default();
        for (byte, here) in bytes.iter_mut().zip(place) {
            *byte = *here;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.memory.len()
    }
}

impl NorFlash for FileFlash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        for page in (from as usize..to as usize).step_by(PAGE) {
            let powered = spend();
            // Without power, some bits of it.
            let bits = if powered { 0xff } else { 0x55 };
            let bytes = self.memory.get_mut(page..page + PAGE);
            for byte in bytes.unwrap_or_default() {
                *byte |= bits;
            }
            self.keep(page..page + PAGE);
            if !powered {
                process::exit(POWER_FAILED);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        let offset = offset as usize;
        let powered = spend();
        // Without power, half of it, and of the last word some bits.
        let whole = if powered {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        let torn = bytes.len().min(whole + WORD);
        let places = self.memory.iter_mut().skip(offset);
        for (index, (place, byte)) in places.zip(bytes).enumerate() {
            match index {
                _ if index < whole => *place &= byte,
                _ if index < torn => *place &= byte | 0x5a,
                _ => {}
            }
        }
        self.keep(offset..offset + bytes.len());
        if !powered {
            process::exit(POWER_FAILED);
        }
        Ok(())
    }
}

/// A part of flash that the emulator does not let a program change.
#[derive(Debug)]
pub struct ReadOnly(pub &'static [u8]);

impl MappedFlash for ReadOnly {
    fn bytes(&self) -> &[u8] {
        self.0
    }
}

impl ErrorType for ReadOnly {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for ReadOnly {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let place = self.0.get(offset as usize..).unwrap_or_default();
        for (byte, here) in bytes.iter_mut().zip(place) {
            *byte = *here;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for ReadOnly {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, _: u32, _: u32) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), NorFlashErrorKind> {
        Err(NorFlashErrorKind::Other)
    }
}
