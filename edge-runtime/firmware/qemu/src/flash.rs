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
    /// # Panics
    /// Where the emulator names no file that can be read and written.
    pub unsafe fn open(start: usize, part: Range<usize>) -> Self {
        // SAFETY: the caller promises memory that is ours.
        let memory = unsafe { slice::from_raw_parts_mut(start as *mut u8, part.len()) };
        memory.fill(0xff);
        let arguments = env::args::<256>().expect("arguments of the emulator");
        let mut arguments = &arguments;
        let _program = arguments.next();
        let path = arguments.next().and_then(Result::ok);
        let path = path.expect("a second argument: the file that keeps the flash");
        if let Some(Ok(power)) = arguments.next() {
            POWER.store(
                power.parse().expect("a number of operations"),
                Ordering::Relaxed,
            );
        }
        let mut name = [0; 256];
        name[..path.len()].copy_from_slice(path.as_bytes());
        let name = CStr::from_bytes_until_nul(&name).expect("a shorter path");
        let file = OpenOptions::new().read(true).write(true).open(name);
        let mut file = file.expect("a file for the flash that can be read and written");
        let length = file.metadata().expect("the file's length").len() as usize;
        let there = length.saturating_sub(part.start).min(part.len());
        file.seek(SeekFrom::Start(part.start as u64))
            .expect("a place in the file");
        file.read_exact(&mut memory[..there]).expect("the flash");
        Self {
            memory,
            file,
            start: part.start,
        }
    }

    /// Its bytes, where a processor reads them.
    pub fn mapped(&self) -> &[u8] {
        self.memory
    }

    /// Its bytes, which stay as they are from now on.
    pub fn into_mapped(self) -> &'static [u8] {
        self.memory
    }

    fn keep(&mut self, changed: Range<usize>) {
        let from = self.start + changed.start;
        self.file
            .seek(SeekFrom::Start(from as u64))
            .expect("a place in the file");
        self.file
            .write_all(&self.memory[changed])
            .expect("the flash to be kept");
    }
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

impl ErrorType for FileFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for FileFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.memory[offset as usize..][..bytes.len()]);
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
            self.memory[page..page + PAGE]
                .iter_mut()
                .for_each(|byte| *byte |= bits);
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
        let whole = if powered { bytes.len() } else { bytes.len() / 2 };
        let torn = bytes.len().min(whole + WORD);
        for (index, (place, byte)) in self.memory[offset..].iter_mut().zip(bytes).enumerate() {
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
